"""Hallucinated rewrites: false in one thing, as long as the truth, by whom the record says."""

import pytest

from training.pairs.hallucinate import Hallucinate
from training.pairs.step import Draft, Dropped
from zoo.lexicon import contradictions, find_terms


def test_a_closed_answer_becomes_another_option(make_draft, make_tools) -> None:  # type: ignore[no-untyped-def]
    drafts = [make_draft("Yes", options=("Yes", "No")), make_draft("CT", options=("CT", "MRI"))]
    assert [d.rejected for d in Hallucinate().run(drafts, make_tools())] == ["No", "MRI"]


def test_a_yes_without_stated_options_becomes_a_no(make_draft, make_tools) -> None:  # type: ignore[no-untyped-def]
    (came,) = Hallucinate().run([make_draft("Yes")], make_tools())
    assert came.rejected == "No"


def test_one_term_is_swapped_within_its_group_at_every_mention(make_draft, make_tools) -> None:  # type: ignore[no-untyped-def]
    truth = "MRI of the liver. A cyst on the right side of the liver."
    for seed in range(30):
        (pair,) = Hallucinate().run([make_draft(truth, seed=seed)], make_tools())
        changed = {
            (a.group.name, a.term, b.group.name, b.term)
            for a, b in zip(find_terms(truth), find_terms(pair.rejected), strict=True)
            if a.term != b.term
        }
        assert len(changed) == 1, pair.rejected
        ((group, _, other, _),) = changed
        assert group == other
        assert pair.made_by["writer"] == "rule-based writer 1"


def test_what_the_truth_denies_is_asserted_and_never_swapped_for_another_denial(
    make_draft, make_tools
) -> None:  # type: ignore[no-untyped-def]
    for truth, rejected in (("No cyst.", "A cyst."), ("There is no abnormality", "There is an abnormality")):
        (pair,) = Hallucinate().run([make_draft(truth)], make_tools())
        assert pair.rejected == rejected
        assert contradictions(truth, rejected)


def test_an_answer_without_a_clinical_term_is_dropped(make_draft, make_tools) -> None:  # type: ignore[no-untyped-def]
    (dropped,) = Hallucinate().run([make_draft("42 mm")], make_tools())
    assert dropped == Dropped(make_draft("42 mm"), "no clinical term to swap")


def test_a_writer_is_asked_with_a_versioned_prompt_and_named(make_draft, make_tools, scripted_writer) -> None:  # type: ignore[no-untyped-def]
    writer = scripted_writer({"answer": "right lung"})
    (pair,) = Hallucinate().run([make_draft("left lung", prompt="Where?")], make_tools(writer=writer))
    assert isinstance(pair, Draft)
    assert (pair.rejected, pair.made_by) == ("right lung", {"writer": "writer-1 hallucinate@1"})
    assert "Question: Where?\nTrue answer: left lung" in writer.asked[0].text


@pytest.mark.parametrize(
    ("reply", "options", "reason"),
    [
        ({"answer": "Left lung."}, (), "writer repeated the truth"),
        ({"answer": " "}, (), "writer repeated the truth"),
        ({"answer": "the right lung, as one can see from the many shadows"}, (), "writer changed the length"),
        ({"answer": "spleen"}, ("left lung", "right lung"), "writer left the options"),
        ("malformed reply", (), "writer: malformed reply"),
    ],
)
def test_a_reply_that_is_no_rewrite_is_dropped(  # type: ignore[no-untyped-def]
    reply, options, reason, make_draft, make_tools, scripted_writer
) -> None:
    tools = make_tools(writer=scripted_writer(reply))
    (dropped,) = Hallucinate().run([make_draft("left lung", options=options)], tools)
    assert isinstance(dropped, Dropped)
    assert dropped.reason == reason
