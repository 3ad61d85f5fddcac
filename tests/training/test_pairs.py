"""Pairs: made from a seed, inspectable, whole, and every drop counted."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

import training.variants
from training.data import read_pair_set
from training.pairs.build import build_pairs
from training.pairs.draft import Draft, Dropped, Made, pair_seed
from training.pairs.hallucinate import make as hallucinate
from training.variants import get_variant, variants
from zoo.datasets import QuestionSet, load_questions
from zoo.errors import BadInput, BadRecord, UnknownName
from zoo.lexicon import find_terms
from zoo.records import PreferencePair, Question, read_jsonl


def question(answer: str, *, options: tuple[str, ...] = ()) -> Question:
    return Question(
        id="q/1",
        dataset="phantom",
        split="train",
        images=("phantom/train/000001.png",),
        prompt="Where is it?",
        answer=answer,
        answer_type="closed" if options else "open",
        question_type="side",
        options=options,
    )


def draft(answer: str, *, options: tuple[str, ...] = (), seed: int = 1) -> Draft:
    return Draft(question(answer, options=options), (), None, seed)


@pytest.fixture(scope="module")
def questions() -> QuestionSet:
    return load_questions("phantom", "train", limit=40)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_closed_answer_becomes_another_option() -> None:
    made = hallucinate([draft("Yes", options=("Yes", "No")), draft("CT", options=("CT", "MRI"))])
    assert [m.response for m in made if isinstance(m, Made)] == ["No", "MRI"]


def test_an_open_answer_has_one_clinical_term_swapped_within_its_group() -> None:
    for seed in range(20):
        made = hallucinate([draft("left upper zone", seed=seed)])[0]
        assert isinstance(made, Made)
        was, now = find_terms("left upper zone"), find_terms(made.response)
        changed = [(a, b) for a, b in zip(was, now, strict=True) if a.term != b.term]
        assert len(changed) == 1, made.response
        assert changed[0][0].group == changed[0][1].group
        assert made.how["writer"] == "rule-based writer 1"


def test_every_mention_of_the_swapped_term_changes_and_no_yes_stands_for_a_no() -> None:
    truth = "MRI of the liver. No cyst on the right side of the liver."
    for seed in range(40):
        made = hallucinate([draft(truth, seed=seed)])[0]
        assert isinstance(made, Made)
        assert "Yes" not in made.response
        assert made.response.count("liver") in (0, 2)


def test_an_answer_without_a_clinical_term_is_dropped_with_a_reason() -> None:
    assert hallucinate([draft("42 mm")]) == [Dropped("no clinical term to swap")]


def test_a_pairs_seed_depends_on_its_question_and_not_on_its_place() -> None:
    assert pair_seed(0, "a") == pair_seed(0, "a")
    assert len({pair_seed(0, "a"), pair_seed(0, "b"), pair_seed(1, "a")}) == 3


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    questions: QuestionSet, tmp_path: Path
) -> None:
    variant = get_variant("text_hallu")
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        build_pairs(variant, questions, tmp_path / name, base="phantom@0", seed=seed)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
    assert files_of(tmp_path / "a")["pairs.jsonl"] != files_of(tmp_path / "c")["pairs.jsonl"]


def test_mdpo_pairs_hold_a_crop_and_the_bases_answer_to_it(questions: QuestionSet, tmp_path: Path) -> None:
    truths = [q.answer for q in questions.questions]
    seen: list[tuple[int, int]] = []

    def answer(requests: object) -> list[str]:
        assert isinstance(requests, list)
        seen.extend(images[0].size for images, _ in requests)
        return [truths[0].upper(), *["something else"] * (len(requests) - 1)]

    report = build_pairs(
        get_variant("mdpo"), questions, tmp_path / "p", base="phantom@0", seed=0, answer=answer
    )
    assert report.dropped == {"rejected equals chosen": 1}
    assert (report.kept, report.questions, len(seen)) == (39, 40, 40)
    for pair in read_jsonl(tmp_path / "p" / "pairs.jsonl", PreferencePair):
        assert pair.rejected == "something else"
        assert pair.rejected_images is not None
        left, top, width, height = pair.made_by["images"][0]["crop"]
        whole = Image.open(tmp_path / "p" / pair.images[0])
        crop = Image.open(tmp_path / "p" / pair.rejected_images[0])
        assert crop.size == whole.size
        assert 0 <= left <= left + width <= whole.width
        assert 0 <= top <= top + height <= whole.height
        assert width * height <= 0.25 * whole.width * whole.height


def test_a_variant_that_asks_the_base_says_so_where_there_is_none(
    questions: QuestionSet, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="no base was loaded"):
        build_pairs(get_variant("mdpo"), questions, tmp_path / "p", base="phantom@0", seed=0)
    assert not (tmp_path / "p").exists()


def test_a_pair_set_that_changed_is_refused(questions: QuestionSet, tmp_path: Path) -> None:
    variant = get_variant("text_hallu")
    build_pairs(variant, questions, tmp_path / "p", base="phantom@0", seed=0)
    assert len(read_pair_set(tmp_path / "p", variant, base="phantom@0").pairs) == 40
    path = tmp_path / "p" / "pairs.jsonl"
    path.write_text(path.read_text().replace('"weight": null', '"weight": 1.0', 1))
    with pytest.raises(BadRecord, match="has changed since it was made"):
        read_pair_set(tmp_path / "p", variant, base="phantom@0")
    with pytest.raises(BadInput, match="exists already"):
        build_pairs(variant, questions, tmp_path / "p", base="phantom@0", seed=0)


def test_a_pair_without_the_half_that_a_variant_reads_is_refused(
    questions: QuestionSet, tmp_path: Path
) -> None:
    build_pairs(get_variant("sft"), questions, tmp_path / "p", base="phantom@0", seed=0)
    with pytest.raises(BadRecord, match="pairs of the variant sft, and this run is of text_hallu"):
        read_pair_set(tmp_path / "p", get_variant("text_hallu"), base="phantom@0")
    with pytest.raises(BadRecord, match="pairs of the base phantom@0, and this run is of phantom@1"):
        read_pair_set(tmp_path / "p", get_variant("sft"), base="phantom@1")
    report = tmp_path / "p" / "pairs.json"
    report.write_text(report.read_text().replace('"sft"', '"text_hallu"'))
    with pytest.raises(BadRecord, match="has no rejected response, and text_hallu reads one"):
        read_pair_set(tmp_path / "p", get_variant("text_hallu"), base="phantom@0")
    report.write_text("[]")
    with pytest.raises(BadRecord, match="not the report of a pair set"):
        read_pair_set(tmp_path / "p", get_variant("sft"), base="phantom@0")


def test_the_report_tells_what_length_alone_gives_away(tmp_path: Path, questions: QuestionSet) -> None:
    build_pairs(get_variant("text_hallu"), questions, tmp_path / "p", base="phantom@0", seed=0)
    pairs = read_jsonl(tmp_path / "p" / "pairs.jsonl", PreferencePair)
    expected = [
        (len(p.chosen) > len(p.rejected)) + 0.5 * (len(p.chosen) == len(p.rejected))
        for p in pairs
        if p.rejected is not None
    ]
    report = json.loads((tmp_path / "p" / "pairs.json").read_text())
    assert report["longer_is_chosen"] == pytest.approx(sum(expected) / len(expected), abs=1e-4)


def test_the_folder_of_variants_is_what_is_known_and_a_near_name_is_suggested() -> None:
    files = {p.stem for p in Path(training.variants.__file__).parent.glob("[a-z]*.py")}
    assert set(variants()) == files
    assert {"sft", "text_hallu", "mdpo"} <= files
    with pytest.raises(UnknownName, match="did you mean 'mdpo'"):
        get_variant("mdop")


@pytest.mark.parametrize("name", sorted(variants()))
def test_every_variant_declares_makers_for_all_that_its_objective_reads(name: str) -> None:
    variant = get_variant(name)
    assert variant.lacks == ""
    assert variant.title
    assert "arXiv" in variant.paper
    bare = replace(variant, rejected_response=None, rejected_image=None)
    assert bool(bare.lacks) == (len(variant.branches) > 1)
