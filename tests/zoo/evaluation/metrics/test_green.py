"""GREEN's counts and score on invented replies, worked by hand."""

from collections.abc import Callable

import pytest

from zoo.evaluation.metrics import get_metric
from zoo.evaluation.metrics.green import Counts, counts, green, is_chest_xray
from zoo.records import Prediction, Verdict

WHOLE = """[Explanation]:
The candidate adds an effusion and misses the nodule.

[Clinically Significant Errors]:
(a) False report of a finding in the candidate: 1. A left effusion.
(b) Missing a finding present in the reference: 2. The nodule; 3 rib fractures.
(c) Misidentification of a finding's anatomic location/position: 0.
(d) Misassessment of the severity of a finding: 0.
(e) Mentioning a comparison that isn't in the reference: 1. It says "unchanged".
(f) Omitting a comparison detailing a change from a prior study: None.

[Clinically Insignificant Errors]:
(a) False report of a finding in the candidate: 7. None of them matters.

[Matched Findings]:
4. Clear right lung; normal heart; no pneumothorax; intact ribs.
"""


def test_matched_over_matched_and_significant_errors() -> None:
    """4 matched, errors 1 + 2 + 1: 4 / 8. The seven insignificant ones do not count."""
    found = counts(WHOLE)
    assert found == Counts(matched=4, errors=(1, 2, 0, 0, 1, 0))
    assert green(found) == 0.5


@pytest.mark.parametrize(
    ("matched", "errors", "score"),
    [(0, (0,) * 6, 0.0), (0, (1,) * 6, 0.0), (3, (0,) * 6, 1.0), (1, (0, 0, 0, 0, 0, 2), 1 / 3)],
)
def test_the_score_is_zero_where_nothing_matches(matched: int, errors: tuple[int, ...], score: float) -> None:
    assert green(Counts(matched=matched, errors=errors)) == score


@pytest.mark.parametrize(
    ("errors", "matched", "found"),
    [
        ("No clinically significant errors.", "2. One; two.", Counts(matched=2, errors=(0,) * 6)),
        ("None", "No matched findings.", Counts(matched=0, errors=(0,) * 6)),
        ("(d) Severity: 1. It is large.", "2", Counts(matched=2, errors=(0, 0, 0, 1, 0, 0))),
        ("- (b) Missing: 10. Many.\n\n- (a) False: 1.", "1.", Counts(matched=1, errors=(1, 10, 0, 0, 0, 0))),
        ("", "2. One; two.", None),
        ("There are two errors.", "2. One; two.", None),
        ("(a) False report: The effusion.", "2. One; two.", None),
        ("(a) False report: 1. One.\n(a) False report: 1. Two.", "2. One; two.", None),
        ("(a) False report: 1. One.", "One; two.", None),
        ("(a) False report: 1. One.", "1.5 cm nodule.", None),
        ("(a) False report: 1. One.", "9" * 5000 + ".", None),  # no number that Python reads
        ("(a) False report: 1. One.", "", None),
    ],
)
def test_sections_that_lack_a_number_cannot_be_read(errors: str, matched: str, found: Counts | None) -> None:
    reply = f"**[Clinically Significant Errors]:**\n{errors}\n\n[Matched Findings]: {matched}"
    assert counts(reply) == found


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "GREEN is 0.5",
        WHOLE.partition("[Matched")[0],
        WHOLE.replace("Clinically Significant", "Other"),
        WHOLE + "\n[Matched Findings]:\n5. Another; count.",
    ],
)
def test_a_reply_without_either_section_or_with_one_twice_has_failed(
    answer: Callable[..., Prediction], verdict: Callable[..., Verdict], reply: str
) -> None:
    assert counts(reply) is None
    assert get_metric("green").statistics(answer("?", "?"), verdict(reply, "green")) is None


@pytest.mark.parametrize(
    ("dataset", "prompt", "truth", "is_one"),
    [
        ("iu-xray", "Describe the picture.", "Clear.", True),
        ("MIMIC_CXR", "Describe the picture.", "Clear.", True),
        ("mine", "Describe this chest X-ray.", "Clear.", True),
        ("mine", "Write a report.", "X-ray of the lung. There is a small cyst.", True),
        ("mine", "Describe this X-ray.", "The femur is broken.", False),
        ("mine", "Describe this chest CT.", "Clear lungs.", False),
        ("mine", "Write a report.", "MRI of the lung, no X-ray.", False),
    ],
)
def test_it_is_for_reports_of_chest_x_rays(
    answer: Callable[..., Prediction], dataset: str, prompt: str, truth: str, is_one: bool
) -> None:
    report = answer("?", truth, "report", dataset=dataset, prompt=prompt)
    assert is_chest_xray(report) == is_one
    assert get_metric("green").applies(report) == is_one
    assert not get_metric("green").applies(answer("?", truth, "open", dataset=dataset, prompt=prompt))
