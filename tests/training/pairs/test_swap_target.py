"""Swaps of one error type: that type changes and nothing else, and the record says what became what."""

import pytest

from training.pairs.step import Draft, Dropped, Tools, pair_seed
from training.pairs.swap_target import SwapTarget
from zoo.datasets import load_questions
from zoo.lexicon import find_terms

REPORT = "CT of the lungs. There is a small mass in the upper zone of the left lung."


@pytest.mark.parametrize(
    ("kind", "was"), [("MM", {"CT"}), ("AM", {"lung"}), ("SLC", {"upper", "left"}), ("LAS", {"upper"})]
)
def test_only_terms_of_the_type_change(kind, was, make_draft, make_tools) -> None:  # type: ignore[no-untyped-def]
    for seed in range(10):
        (pair,) = SwapTarget(kind).run([make_draft(REPORT, seed=seed)], make_tools())
        assert isinstance(pair, Draft)
        pairs = zip(find_terms(REPORT), find_terms(pair.rejected or ""), strict=True)
        changed = {(a.term[0], b.term[0]) for a, b in pairs if a.term != b.term}
        target = pair.made_by["target"]
        assert changed == {(target["was"], target["now"])}
        assert target["was"] in was
        assert target["error_type"] == kind


def test_any_draws_every_type_that_the_text_has_and_no_other(make_draft, make_tools) -> None:  # type: ignore[no-untyped-def]
    drafts = [make_draft("mass in the left lung", seed=seed) for seed in range(40)]
    kinds = {d.made_by["target"]["error_type"] for d in SwapTarget().run(drafts, make_tools())}
    assert kinds == {"AM", "SLC"}


@pytest.mark.parametrize(
    ("truth", "rejected", "was", "now"), [("Yes", "No", "CT", ""), ("No", "Yes", "", "CT")]
)
def test_a_yes_or_no_flips_where_the_question_names_the_type(  # type: ignore[no-untyped-def]
    truth, rejected, was, now, make_draft, make_tools
) -> None:
    draft = make_draft(truth, prompt="Is this a CT?", options=("Yes", "No"))
    (pair,) = SwapTarget("MM").run([draft], make_tools())
    assert isinstance(pair, Draft)
    assert pair.rejected == rejected
    assert pair.made_by["target"] == {"error_type": "MM", "group": "modality", "was": was, "now": now}
    assert SwapTarget("SLC").run([draft], make_tools()) == [
        Dropped(draft, "no term of the target error type")
    ]


def test_options_change_within_the_type(make_draft, make_tools) -> None:  # type: ignore[no-untyped-def]
    draft = make_draft("kidneys", options=("kidneys", "brain"), prompt="kidneys or brain?")
    (pair,) = SwapTarget().run([draft], make_tools())
    assert pair.rejected == "brain"
    assert (pair.made_by["target"]["was"], pair.made_by["target"]["now"]) == ("kidney", "brain")


def test_a_fine_place_loses_its_detail(make_draft, make_tools) -> None:  # type: ignore[no-untyped-def]
    (pair,) = SwapTarget("LAS").run([make_draft("Mass in the right lower lobe")], make_tools())
    assert pair.rejected == "Mass in the right lung"
    assert pair.made_by["target"] == {
        "error_type": "LAS",
        "group": "lobe of the lung",
        "was": "RLL",
        "now": "right lung",
    }


def test_a_new_term_is_one_that_the_data_sets_answers_hold_as_they_spell_it(make_draft, make_tools) -> None:  # type: ignore[no-untyped-def]
    others = [make_draft(text).question for text in ("kidneys", "brain")]
    drafts = [make_draft("lungs", seed=seed) for seed in range(20)]
    found = SwapTarget("AM").run(drafts, make_tools(questions=others))
    assert {pair.rejected for pair in found} == {"kidneys", "brain"}


def test_a_writer_may_change_the_targets_terms_alone(make_draft, make_tools, scripted_writer) -> None:  # type: ignore[no-untyped-def]
    for truth, kind, reply, outcome in (
        ("A CT of the left lung", "MM", "An MRI of the left lung", "writer-1 swap_target@1"),
        ("A CT of the left lung", "MM", "An MRI of the right lung", "more than the target changed"),
        ("A CT of the left lung", "MM", "A nice MRI of the left lung", "more than the target changed"),
        ("A CT of the left lung", "MM", "a CT of the left lung.", "writer repeated the truth"),
        ("mass in the RUL", "LAS", "mass in the right lung", "writer-1 swap_target@1"),
    ):
        writer = scripted_writer({"answer": reply})
        (pair,) = SwapTarget(kind).run([make_draft(truth)], make_tools(writer=writer))
        assert outcome == (pair.made_by["writer"] if isinstance(pair, Draft) else pair.reason), reply
        assert "Change only the words for" in writer.asked[0].text


def test_a_closed_question_needs_no_writer(make_draft, make_tools, scripted_writer) -> None:  # type: ignore[no-untyped-def]
    writer = scripted_writer({"answer": "nothing"})
    draft = make_draft("Yes", prompt="Is this a CT?", options=("Yes", "No"))
    (pair,) = SwapTarget().run([draft], make_tools(writer=writer))
    assert (pair.rejected, pair.made_by["writer"], writer.asked) == ("No", "rule-based writer 1", [])


@pytest.mark.parametrize("kind", ["MM", "AM", "SLC", "LAS"])
def test_every_drawn_scans_question_of_a_type_gives_a_pair_of_that_type(kind) -> None:  # type: ignore[no-untyped-def]
    questions = load_questions("phantom", "train", limit=400)
    asked = [q for q in questions.questions if kind in q.error_types]
    drafts = [
        Draft(question=q, images=(), seed=pair_seed(0, q.id), prompt=q.prompt, chosen=q.answer) for q in asked
    ]
    found = SwapTarget(kind).run(drafts, Tools(questions=questions, seed=0))
    assert len(asked) > 50
    assert [d for d in found if isinstance(d, Dropped)] == []
