"""Minimal edits: the policy's own words, changed in their facts alone, and only towards the truth."""

from collections.abc import Callable
from typing import Any

import pytest

from training.pairs.minimal_edit import MinimalEdit, divergent_terms
from training.pairs.step import Draft, Dropped, Tools
from zoo.lexicon import contradictions

Make = Callable[..., Any]


def spans_of(made: Draft) -> tuple[list[str], list[str]]:
    assert made.rejected is not None
    assert made.chosen_spans is not None
    assert made.rejected_spans is not None
    return (
        [made.chosen[a:b] for a, b in made.chosen_spans],
        [made.rejected[a:b] for a, b in made.rejected_spans],
    )


@pytest.mark.parametrize(
    ("truth", "answer", "chosen", "spans"),
    [
        ("left", "The mass is on the right side.", "The mass is on the left side.", (["left"], ["right"])),
        ("Spleen", "the liver", "the spleen", (["spleen"], ["liver"])),
        ("CT", "This is an MRI of the head.", "This is a CT of the head.", (["a CT"], ["an MRI"])),
        ("effusion", "No effusion is seen", "An effusion is seen", (["An"], ["No"])),
        ("No abnormality", "There is a small cyst", "There is no small cyst", (["no"], ["a"])),
        ("Circular", "Oval shape", "Circular", (["Circular"], ["Oval shape"])),
    ],
)
def test_a_wrong_answer_is_rejected_and_only_its_wrong_words_are_replaced(
    make_draft: Make, make_tools: Make, answering: Make, truth: str, answer: str, chosen: str, spans: Any
) -> None:
    (made,) = MinimalEdit().run([make_draft(truth)], make_tools(policy=answering(answer)))
    assert isinstance(made, Draft), made
    assert (made.chosen, made.rejected) == (chosen, answer)
    assert spans_of(made) == spans
    assert made.made_by == {
        "policy": "scripted@0",
        "writer": "rule-based writer 1",
        "style": "own",
        "edit": "correction of a wrong answer",
    }


def test_a_right_answer_is_chosen_and_its_counterfactual_rejected(
    make_draft: Make, make_tools: Make, answering: Make
) -> None:
    answer = "The mass is in the left lung."
    for number in range(1, 20):
        policy = answering(*[answer] * number)
        (made,) = MinimalEdit().run(
            [make_draft("left lung", number=number, seed=number)], make_tools(policy=policy)
        )
        assert isinstance(made, Draft)
        assert made.chosen == answer
        assert contradictions("left lung", made.rejected or "")
        was, now = spans_of(made)
        assert (was, len(now)) in ((["left"], 1), (["lung"], 1))
        assert made.made_by["edit"] == "counterfactual of a right answer"
        assert MinimalEdit().run(
            [make_draft("left lung", number=number, seed=number)], make_tools(policy=policy)
        ) == [made]


@pytest.mark.parametrize(
    ("truth", "options", "answer", "expected"),
    [
        ("No", ("Yes", "No"), "Yes, there is a mass.", ("No", "Yes")),
        ("no", (), "Yes", ("No", "Yes")),
        ("Yes", ("Yes", "No"), "Yes.", ("Yes.", "No.")),
        ("Yes", ("Yes", "No"), "The answer is no.", ("The answer is yes.", "The answer is no.")),
        ("Yes", ("Yes", "No"), "There is no mass", ("Yes", "There is no mass")),
        ("MRI", ("CT", "MRI"), "This is a CT.", ("This is a MRI.", "This is a CT.")),
        ("upper", ("upper", "lower"), "Upper zone", ("Upper zone", "Lower zone")),
    ],
)
def test_a_closed_answer_is_edited_to_the_true_option_or_away_from_it(
    make_draft: Make, make_tools: Make, answering: Make, truth: str, options: Any, answer: str, expected: Any
) -> None:
    (made,) = MinimalEdit().run([make_draft(truth, options=options)], make_tools(policy=answering(answer)))
    assert isinstance(made, Draft), made
    assert (made.chosen, made.rejected) == expected


@pytest.mark.parametrize(
    ("truth", "options", "answer", "reason"),
    [
        ("left", (), "  ", "empty answer"),
        ("Circular", (), "A circular shape", "no span"),
        ("Circular", (), "I see what looks like an oval shape", "no span"),
        ("mass", (), "No cyst or mass is seen", "edit is not the truth"),
        ("Yes", ("Yes", "No"), "I do not really know what to say", "no span"),
    ],
)
def test_what_cannot_be_edited_is_dropped_with_a_reason(
    make_draft: Make, make_tools: Make, answering: Make, truth: str, options: Any, answer: str, reason: str
) -> None:
    one = make_draft(truth, options=options)
    (made,) = MinimalEdit().run([one], make_tools(policy=answering(answer)))
    assert isinstance(made, Dropped)
    assert made.reason == reason


def test_of_an_answer_the_clause_is_paired_and_of_a_report_everything(
    make_draft: Make, make_tools: Make, answering: Make
) -> None:
    text = "CT of the heart. There is a cyst."
    drafts = [make_draft("liver"), make_draft("CT of the liver.", kind="report", number=2)]
    one, other = MinimalEdit().run(drafts, make_tools(policy=answering(text, text)))
    assert isinstance(one, Draft)
    assert isinstance(other, Draft)
    assert one.chosen == "CT of the liver."
    assert other.chosen == "CT of the liver. There is a cyst."


def test_in_the_truths_style_the_truth_stands_over_the_answer_as_it_is(
    make_draft: Make, make_tools: Make, answering: Make
) -> None:
    drafts = [make_draft("left lung"), make_draft("CT", number=2)]
    policy = answering("The mass is in the right lung.", "A CT scan.")
    wrong, right = MinimalEdit("truth").run(drafts, make_tools(policy=policy))
    assert isinstance(wrong, Draft)
    assert isinstance(right, Draft)
    assert (wrong.chosen, wrong.rejected) == ("left lung", "The mass is in the right lung.")
    assert spans_of(wrong) == (["left"], ["mass", "right"])
    assert right.chosen == "CT"
    assert right.rejected is not None
    assert "CT" not in right.rejected


def test_agnostic_of_style_every_word_counts(make_draft: Make, make_tools: Make, answering: Make) -> None:
    policy = answering("The mass is in the right lung.")
    (made,) = MinimalEdit("agnostic").run([make_draft("left lung")], make_tools(policy=policy))
    assert isinstance(made, Draft)
    assert spans_of(made) == (["left lung"], ["The mass is in the right lung."])


def test_a_denied_finding_is_marked_with_its_no() -> None:
    one, other = "Clear. No effusion.", "An effusion on the left."
    spans = divergent_terms(one, other)
    assert [one[a:b] for a, b in spans[0]] == ["No", "effusion"]
    assert [other[a:b] for a, b in spans[1]] == ["effusion", "left"]


def test_a_writers_edit_is_used_and_named(
    make_draft: Make, make_tools: Make, answering: Make, scripted_writer: Make
) -> None:
    writer = scripted_writer(
        [
            {"right": False, "edited": "A round shape."},
            {"right": True, "edited": "No mass."},
            "no usable reply",
        ]
    )
    drafts = [make_draft("Circular"), make_draft("mass", number=2), make_draft("left", number=3)]
    policy = answering("An oval shape.", "A mass.", "right")
    mended, falsified, failed = MinimalEdit().run(drafts, make_tools(policy=policy, writer=writer))
    assert isinstance(mended, Draft)
    assert isinstance(falsified, Draft)
    assert isinstance(failed, Dropped)
    assert (mended.chosen, mended.rejected) == ("A round shape.", "An oval shape.")
    assert spans_of(mended) == (["A round"], ["An oval"])
    assert mended.made_by["writer"] == "writer-1 minimal_edit@1"
    assert (falsified.chosen, falsified.rejected) == ("A mass.", "No mass.")
    assert failed.reason == "writer: no usable reply"
    for part in ("What is it?", "Circular", "An oval shape."):
        assert part in writer.asked[0].text


@pytest.mark.parametrize(
    ("truth", "options", "answer", "reply", "reason"),
    [
        ("MRI", ("CT", "MRI", "PET"), "CT", {"right": False, "edited": "PET"}, "edit is not the truth"),
        ("left lung", (), "right lung", {"right": True, "edited": "left lung"}, "edit is not the truth"),
        ("Yes", ("Yes", "No"), "Yes", {"right": False, "edited": "Yes, it is"}, "rejected is the truth"),
        (
            "left lung",
            (),
            "Left lung.",
            {"right": False, "edited": "Left lung base."},
            "rejected is the truth",
        ),
        ("left", (), "A mass", {"right": False, "edited": "a mass."}, "no span"),
        ("left", (), "right", {"right": False, "edited": ""}, "no span"),
    ],
)
def test_a_writer_is_not_believed_against_the_truth(
    make_draft: Make,
    make_tools: Make,
    answering: Make,
    scripted_writer: Make,
    truth: str,
    options: Any,
    answer: str,
    reply: Any,
    reason: str,
) -> None:
    use: Tools = make_tools(policy=answering(answer), writer=scripted_writer([reply]))
    (made,) = MinimalEdit().run([make_draft(truth, options=options)], use)
    assert isinstance(made, Dropped)
    assert made.reason == reason
