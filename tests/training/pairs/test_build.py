"""Pairs: made from a seed, inspectable, whole, and every drop counted."""

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

import training.variants
from training.data import read_pair_set
from training.pairs.blank import Blank
from training.pairs.build import build_pairs
from training.pairs.hallucinate import Hallucinate
from training.pairs.report import PairReport
from training.pairs.step import Draft, Dropped, Halves, Heat, Only, Part, Policy, Request, Tools, pair_seed
from training.variants import get_variant, variants
from zoo.datasets import Given, QuestionSet, load_questions
from zoo.errors import BadImage, BadInput, BadRecord, UnknownName
from zoo.records import PreferencePair, read_jsonl, write_jsonl


class Scripted:
    """A policy that answers from a list and remembers what it was shown."""

    name = "scripted"
    can_judge = False

    def __init__(self, answers: Sequence[str]) -> None:
        self.script = list(answers)
        self.seen: list[tuple[int, int]] = []

    def answers(self, requests: Sequence[Request]) -> list[str]:
        self.seen += [request.images[0].size for request in requests]
        return [self.script.pop(0) for _ in requests]

    def samples(
        self, requests: Sequence[Request], *, n: int, temperature: float, top_p: float = 1.0
    ) -> list[list[str]]:
        return [[text] * n for text in self.answers(requests)]

    def attention(self, requests: Sequence[Request]) -> list[Heat]:
        raise NotImplementedError


def build(
    variant: str, questions: QuestionSet, out: Path, *, seed: int = 0, policy: Policy | None = None
) -> PairReport:
    tools = Tools(questions=questions, seed=seed, policy=policy)
    return build_pairs(variant, get_variant(variant).steps, tools, out, base="phantom@0")


@pytest.fixture(scope="module")
def questions() -> QuestionSet:
    return load_questions("phantom", "train", limit=40)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_pairs_seed_depends_on_its_question_and_not_on_its_place() -> None:
    assert pair_seed(0, "a") == pair_seed(0, "a")
    assert len({pair_seed(0, "a"), pair_seed(0, "b"), pair_seed(1, "a")}) == 3


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    questions: QuestionSet, tmp_path: Path
) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        build("text_hallu", questions, tmp_path / name, seed=seed)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
    assert files_of(tmp_path / "a")["pairs.jsonl"] != files_of(tmp_path / "c")["pairs.jsonl"]


def test_mdpo_pairs_hold_a_crop_and_the_bases_answer_to_it(questions: QuestionSet, tmp_path: Path) -> None:
    truths = [q.answer for q in questions.questions]
    policy = Scripted([truths[0].upper(), *["something else"] * (len(truths) - 1)])
    report = build("mdpo", questions, tmp_path / "p", policy=policy)
    assert report.dropped == {"rejected equals chosen": 1}
    assert (report.kept, report.questions, len(policy.seen)) == (39, 40, 40)
    for pair in read_jsonl(tmp_path / "p" / "pairs.jsonl", PreferencePair):
        assert pair.rejected == "something else"
        assert pair.rejected_images is not None
        left, top, width, height = pair.made_by["crop_boxes"][0]
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
        build("mdpo", questions, tmp_path / "p")
    assert not (tmp_path / "p").exists()


def test_a_pair_set_that_changed_is_refused(questions: QuestionSet, tmp_path: Path) -> None:
    variant = get_variant("text_hallu")
    build("text_hallu", questions, tmp_path / "p")
    assert len(read_pair_set(tmp_path / "p", variant, base="phantom@0").pairs) == 40
    path = tmp_path / "p" / "pairs.jsonl"
    path.write_text(path.read_text().replace('"weight": null', '"weight": 1.0', 1))
    with pytest.raises(BadRecord, match="has changed since it was made"):
        read_pair_set(tmp_path / "p", variant, base="phantom@0")
    with pytest.raises(BadInput, match="exists already"):
        build("text_hallu", questions, tmp_path / "p")


def test_a_pair_without_the_half_that_a_variant_reads_is_refused(
    questions: QuestionSet, tmp_path: Path
) -> None:
    build("sft", questions, tmp_path / "p")
    with pytest.raises(BadRecord, match="pairs of the variant sft, made otherwise than those of text_hallu"):
        read_pair_set(tmp_path / "p", get_variant("text_hallu"), base="phantom@0")
    with pytest.raises(BadRecord, match="pairs of the base phantom@0, and this run is of phantom@1"):
        read_pair_set(tmp_path / "p", get_variant("sft"), base="phantom@1")
    report = tmp_path / "p" / "pairs.json"
    report.write_text("[]")
    with pytest.raises(BadRecord, match="not the report of a pair set"):
        read_pair_set(tmp_path / "p", get_variant("sft"), base="phantom@0")


def test_the_report_tells_what_length_alone_gives_away(tmp_path: Path, questions: QuestionSet) -> None:
    build("text_hallu", questions, tmp_path / "p")
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


def test_a_build_stopped_half_way_goes_on_where_it_was_and_ends_the_same(
    questions: QuestionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches of 16; the policy fails in the second of three."""
    monkeypatch.setattr("training.pairs.build._BATCH", 16)
    whole = Scripted(["something else"] * 40)
    build("mdpo", questions, tmp_path / "whole", policy=whole)
    with pytest.raises(IndexError):
        build("mdpo", questions, tmp_path / "p", policy=Scripted(["something else"] * 20))
    assert not (tmp_path / "p").exists()
    rest = Scripted(["something else"] * 24)
    build("mdpo", questions, tmp_path / "p", policy=rest)
    assert len(rest.seen) == 24
    assert files_of(tmp_path / "p") == files_of(tmp_path / "whole")


def test_a_build_stopped_while_its_report_was_written_goes_on(
    questions: QuestionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    build("mdpo", questions, tmp_path / "whole", policy=Scripted(["something else"] * 40))
    with monkeypatch.context() as patched:
        patched.setattr("training.pairs.build.write_report", stopped)
        with pytest.raises(KeyboardInterrupt):
            build("mdpo", questions, tmp_path / "p", policy=Scripted(["something else"] * 40))
    build("mdpo", questions, tmp_path / "p", policy=Scripted([]))
    assert files_of(tmp_path / "p") == files_of(tmp_path / "whole")


def test_a_build_stopped_before_it_got_its_name_is_made_again(
    questions: QuestionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build("mdpo", questions, tmp_path / "whole", policy=Scripted(["something else"] * 40))
    rmtree = shutil.rmtree

    def stopped(folder: Path, **options: Any) -> None:
        finished = any(folder.glob("*.json"))
        rmtree(folder, **options)
        if finished:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("training.pairs.build.shutil.rmtree", stopped)
        with pytest.raises(KeyboardInterrupt):
            build("mdpo", questions, tmp_path / "p", policy=Scripted(["something else"] * 40))
        assert not (tmp_path / "p").exists()
    rest = Scripted(["something else"] * 40)
    build("mdpo", questions, tmp_path / "p", policy=rest)
    assert rest.script == []
    assert files_of(tmp_path / "p") == files_of(tmp_path / "whole")


def test_a_second_build_into_a_folder_is_refused_while_the_first_is_at_work(
    questions: QuestionSet, tmp_path: Path
) -> None:
    class Interrupted(Scripted):
        def answers(self, requests: Sequence[Request]) -> list[str]:
            with pytest.raises(BadInput, match="another process is making pairs in"):
                build("mdpo", questions, tmp_path / "p", policy=Scripted(["of the second"] * 40))
            return super().answers(requests)

    build("mdpo", questions, tmp_path / "p", policy=Interrupted(["something else"] * 40))
    build("mdpo", questions, tmp_path / "whole", policy=Scripted(["something else"] * 40))
    assert files_of(tmp_path / "p") == files_of(tmp_path / "whole")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["p", "whole"]


def test_what_outlives_its_command_writes_nothing_into_the_set_of_the_next(
    questions: QuestionSet, tmp_path: Path
) -> None:
    part = tmp_path / "p.part"

    class Outlived(Scripted):
        def answers(self, requests: Sequence[Request]) -> list[str]:
            identity = part / ".identity.json"
            identity.write_text(identity.read_text().replace('"seed": 0', '"seed": 1'))
            return super().answers(requests)

    with pytest.raises(BadInput, match="with other seed"):
        build("mdpo", questions, tmp_path / "p", policy=Outlived(["something else"] * 40))
    assert not [one for one in part.rglob("*") if one.suffix in (".png", ".jsonl")]


@pytest.mark.parametrize("changed", ["known", "given", "policy", "wordings", "heat maps"])
def test_an_unfinished_build_is_known_by_all_that_its_pairs_are_made_from(
    questions: QuestionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    heat_maps = tmp_path / "heat"
    heat_maps.mkdir()
    np.save(heat_maps / "a.png.npy", np.zeros((2, 2)))
    monkeypatch.setattr("training.pairs.build._BATCH", 16)
    answers = Scripted(["something else"] * 16)
    tools = Tools(questions=questions, seed=0, policy=answers, heat_maps=heat_maps)
    steps = get_variant("mdpo").steps
    with pytest.raises(IndexError):
        build_pairs("mdpo", steps, tools, tmp_path / "p", base="phantom@0")
    assert str(tmp_path) not in (tmp_path / "p.part" / ".identity.json").read_text()
    with pytest.raises(IndexError):  # the same goes on, to the answers that the policy lacks
        build_pairs("mdpo", steps, tools, tmp_path / "p", base="phantom@0")
    if changed == "known":
        tools = replace(tools, questions=replace(questions, known=questions.questions[:1]))
    elif changed == "given":
        tools = replace(tools, questions=replace(questions, given={"q/1": Given(rejected="wrong")}))
    elif changed == "policy":
        monkeypatch.setattr(Scripted, "name", "scripted, tuned")
    elif changed == "wordings":
        monkeypatch.setattr("training.pairs.build.prompt_ids", lambda: ["hallucinate@2"])
    else:
        np.save(heat_maps / "a.png.npy", np.ones((2, 2)))
    named = {"wordings": "prompts", "heat maps": "heat_maps"}.get(changed, changed)
    with pytest.raises(BadInput, match=f"holds an unfinished pair set with other {named}"):
        build_pairs("mdpo", steps, tools, tmp_path / "p", base="phantom@0")


def test_the_two_halves_of_a_question_stand_together_with_seeds_of_their_own(
    questions: QuestionSet, tmp_path: Path
) -> None:
    steps = (Halves(), Only("text", Hallucinate()), Only("visual", Blank()))
    tools = Tools(questions=questions, seed=0)
    build_pairs("x", steps, tools, tmp_path / "p", base="phantom@0")
    pairs = read_jsonl(tmp_path / "p" / "pairs.jsonl", PreferencePair)
    assert [p.id for p in pairs] == [
        f"{q.id}/{half}" for q in questions.questions for half in ("text", "visual")
    ]
    assert len({p.made_by["seed"] for p in pairs}) == len(pairs) == 80


def test_a_missing_image_stops_the_build_with_the_records_id(questions: QuestionSet, tmp_path: Path) -> None:
    def gone(name: str) -> Image.Image:
        raise BadImage(f"no such image: {name}")

    with pytest.raises(BadImage, match=f"^{questions.questions[0].id}: no such image"):
        build("text_hallu", replace(questions, open_image=gone), tmp_path / "p")


def test_a_question_without_a_true_answer_is_dropped(questions: QuestionSet, tmp_path: Path) -> None:
    first, *others = questions.questions
    report = build("sft", replace(questions, questions=(replace(first, answer=" "), *others)), tmp_path / "p")
    assert (report.kept, report.dropped) == (39, {"empty chosen response": 1})


def test_an_unfinished_build_of_another_seed_is_not_gone_on_with_unless_nothing_was_finished(
    questions: QuestionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.pairs.build._BATCH", 16)
    with pytest.raises(IndexError):
        build("mdpo", questions, tmp_path / "p", seed=1, policy=Scripted([]))
    with pytest.raises(IndexError):  # takes the place of the folder in which nothing was finished
        build("mdpo", questions, tmp_path / "p", policy=Scripted(["something else"] * 16))
    with pytest.raises(BadInput, match="holds an unfinished pair set with other seed"):
        build("mdpo", questions, tmp_path / "p", seed=1, policy=Scripted([]))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"weight": None}, "pair q/1/pair has no weight, and mmedpo reads one"),
        ({"weight": -0.5}, "pair q/1/pair has the weight -0.5"),
        ({"rejected": None}, "pair q/1/pair has no rejected response"),
        (
            {"rejected_spans": ((0, 99),)},
            "pair q/1/pair has the span 0 to 99, outside its text of 5 characters",
        ),
        ({"chosen_spans": ((3, 2),)}, "pair q/1/pair has the span 3 to 2"),
        (
            {"images": ("images/gone.png",)},
            "pair q/1/pair names the image images/gone.png, which is not there",
        ),
    ],
)
def test_a_pair_that_cannot_be_trained_on_is_refused_by_its_id(
    questions: QuestionSet, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    """A given pair set of one pair; the objective is MMedPO's."""
    variant = get_variant("mmedpo", {"halves": "text", "text": "given"})
    first = replace(questions.questions[0], id="q/1")
    given = replace(questions, questions=(first,), given={"q/1": Given(rejected="wrong", weight=0.5)})
    build_pairs("mmedpo", variant.steps, Tools(questions=given, seed=0), tmp_path / "p", base="phantom@0")
    pairs = read_jsonl(tmp_path / "p" / "pairs.jsonl", PreferencePair)
    assert len(read_pair_set(tmp_path / "p", variant, base="phantom@0").pairs) == 1
    write_jsonl(tmp_path / "p" / "pairs.jsonl", [replace(pairs[0], **changes)])
    with pytest.raises(BadRecord, match=re.escape(said)):
        read_pair_set(tmp_path / "p", variant, base="phantom@0")


def test_a_step_whose_spans_lie_outside_their_text_stops_the_build_with_the_pairs_id(
    questions: QuestionSet, tmp_path: Path
) -> None:
    @dataclass(frozen=True)
    class Wrong:
        makes: ClassVar[tuple[Part, ...]] = ("spans",)
        needs_policy: ClassVar[bool] = False

        def run(self, drafts: Sequence[Draft], tools: Tools) -> list[Draft | Dropped]:
            return [d.having({}, rejected="no", chosen_spans=((0, 999),)) for d in drafts]

    with pytest.raises(BadInput, match=rf"{questions.questions[0].id}/pair: spans .* outside their text"):
        build_pairs("x", (Wrong(),), Tools(questions=questions, seed=0), tmp_path / "p", base="phantom@0")
