"""The sample that conflicts most, picked by rules or by a model; where none conflicts, one is written."""

import pytest

from training.pairs.most_hallucinated import MostHallucinated
from training.pairs.step import Draft, Dropped

WROTE = "the policy's most hallucinated sample"


def test_the_sample_with_most_contradicted_terms_is_rejected(make_draft, make_tools) -> None:  # type: ignore[no-untyped-def]
    tools = make_tools(
        ["nodule in the left lung", "nodule, left kidney", "cyst in the right kidney", "nodule"]
    )
    (pair,) = MostHallucinated(n=4).run([make_draft("nodule in the left lung")], tools)
    assert isinstance(pair, Draft)
    assert pair.rejected == "cyst in the right kidney"
    assert pair.made_by == {
        "policy": "scripted@0",
        "samples": 4,
        "temperature": 1.0,
        "top_p": 1.0,
        "judge": "rule-based judge 1",
        "writer": WROTE,
    }


def test_of_a_closed_question_only_another_option_conflicts(make_draft, make_tools) -> None:  # type: ignore[no-untyped-def]
    draft = make_draft("CT", options=("CT", "MRI"))
    (pair,) = MostHallucinated(n=3).run([draft], make_tools(["CT", "an image", "it is MRI"]))
    assert pair.rejected == "it is MRI"


def test_where_no_sample_conflicts_one_is_written_and_the_record_says_so(make_draft, make_tools) -> None:  # type: ignore[no-untyped-def]
    (pair,) = MostHallucinated(n=2).run([make_draft("left")], make_tools(["Left.", "on the left"]))
    assert isinstance(pair, Draft)
    assert pair.rejected in ("right", "bilateral")
    assert pair.made_by["writer"] == "rule-based writer 1"
    assert pair.made_by["judge"] == "rule-based judge 1"


def test_where_a_model_finds_no_conflict_one_is_written(make_draft, make_tools, scripted_writer) -> None:  # type: ignore[no-untyped-def]
    tools = make_tools(["the left"], writer=scripted_writer([{"number": 0}, {"answer": "right"}]))
    (pair,) = MostHallucinated(n=1).run([make_draft("left")], tools)
    assert isinstance(pair, Draft)
    assert (pair.rejected, pair.made_by["writer"]) == ("right", "writer-1 hallucinate@1")


@pytest.mark.parametrize(("number", "rejected"), [(1, "a cyst"), (2, "a mass")])
def test_a_model_picks_among_the_samples_that_are_not_the_truth(  # type: ignore[no-untyped-def]
    number, rejected, make_draft, make_tools, scripted_writer
) -> None:
    writer = scripted_writer({"number": number})
    tools = make_tools(["A nodule.", "a cyst", "a cyst", "a mass"], writer=writer)
    (pair,) = MostHallucinated(n=4).run([make_draft("a nodule")], tools)
    assert pair.rejected == rejected
    assert (pair.made_by["writer"], pair.made_by["judge"]) == (WROTE, "writer-1 most_hallucinated@1")
    assert "Answer 1: a cyst\nAnswer 2: a mass" in writer.asked[0].text


@pytest.mark.parametrize(
    ("reply", "reason"), [({"number": 3}, "judge: no answer of that number"), ("refused", "judge: refused")]
)
def test_a_pick_of_nothing_known_is_dropped(reply, reason, make_draft, make_tools, scripted_writer) -> None:  # type: ignore[no-untyped-def]
    tools = make_tools(["a cyst", "a mass"], writer=scripted_writer(reply))
    (dropped,) = MostHallucinated(n=2).run([make_draft("a nodule")], tools)
    assert isinstance(dropped, Dropped)
    assert dropped.reason == reason
