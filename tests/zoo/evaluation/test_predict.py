"""One pass over benchmarks: who says what to which picture, each seen once, and nothing lost by a kill."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from tests._adapters import random_adapter
from zoo.asking import Sampling
from zoo.bases import get_base
from zoo.cli.evaluate import evaluate
from zoo.datasets import QuestionSet, load_questions
from zoo.errors import BadInput
from zoo.evaluation import predict as predicting
from zoo.evaluation.asked import PICTURES, Asked, in_batches
from zoo.evaluation.part import JOB_NAME, PART_NAME
from zoo.evaluation.pictures import AT_ONCE, pixels_digest
from zoo.evaluation.plan import adapter_names
from zoo.evaluation.predict import predict
from zoo.manifest import read_manifest
from zoo.records import PREDICTIONS_NAME, Prediction, Question, to_line
from zoo.vlm.decode import Row
from zoo.vlm.generate import generate
from zoo.vlm.model import VisionLanguageModel, load_base

NAMES = ("one", "two")
ABLATION = 6


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    bare, made = load_base(get_base("phantom")), tmp_path_factory.mktemp("adapters")
    for seed, name in enumerate(NAMES):
        random_adapter(made / name, bare, seed=seed, rank=4, spread=0.2)
    return [made / name for name in NAMES]


@pytest.fixture
def vlm() -> VisionLanguageModel:
    return load_base(get_base("phantom"))


def asked(split: str = "test", limit: int = 24) -> QuestionSet:
    return load_questions("phantom", split, limit=limit)


def lines(answers: Sequence[Prediction]) -> str:
    return "".join(map(to_line, answers))


@pytest.fixture
def shown(vlm: VisionLanguageModel) -> Iterator[list[int]]:
    """How many pictures went through the vision tower, a number each time that it ran."""
    runs: list[int] = []

    def count(module: Any, words: tuple[Any, ...], named: dict[str, Any]) -> None:
        runs.append(len(words[0] if words else named["pixel_values"]))

    hook = vlm.model.model.vision_tower.register_forward_pre_hook(count, with_kwargs=True)
    yield runs
    hook.remove()


def test_each_distinct_picture_runs_through_the_vision_tower_once(
    folders: list[Path], vlm: VisionLanguageModel, shown: list[int]
) -> None:
    """Asked of three, about two benchmarks, with pictures of others and with noise."""
    benchmarks = [asked(limit=60), asked("validation", limit=20)]
    found = predict(vlm, folders, benchmarks, names=NAMES, ablation=ABLATION).answers
    distinct = {digest for answer in found for digest in answer.shown_digests}
    assert len(distinct) > 3 * AT_ONCE
    assert sum(shown) == len(distinct)
    assert max(shown) == AT_ONCE


def test_features_are_forgotten_once_nobody_asks_about_them_any_more(
    vlm: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.evaluation.asked.PICTURES", 8)
    held = []

    class Watched(predicting.Eyes):
        def of(self, number: int, batch: Sequence[Asked]) -> Any:
            found = super().of(number, batch)
            held.append(len(self._seen))
            return found

    monkeypatch.setattr(predicting, "Eyes", Watched)
    predict(vlm, [], [asked(limit=150)], rows=8)
    assert max(held) <= 2 * AT_ONCE
    assert held[-1] == 0


def test_every_answer_is_what_its_adapter_says_alone_to_the_picture_it_was_shown(
    folders: list[Path], vlm: VisionLanguageModel
) -> None:
    questions = asked(limit=16)
    found = predict(vlm, folders, [questions], names=NAMES, ablation=ABLATION, max_tokens=12).answers
    by_digest = {
        pixels_digest(questions.open_image(name)): name for q in questions.questions for name in q.images
    }
    at = 0
    for slot, name in enumerate(("base", *NAMES)):
        for kind, count in (("own", 16), ("noise", ABLATION), ("other", ABLATION)):
            part = found[at : at + count]
            assert {(p.adapter, p.shown) for p in part} == {(name, kind)}
            at += count
            for answer in part if kind != "noise" else []:
                image = questions.open_image(by_digest[answer.shown_digests[0]])
                assert (by_digest[answer.shown_digests[0]] == answer.images[0]) == (kind == "own")
                row = Row(vlm.encode_images([image]), answer.prompt, slot, Sampling(max_tokens=12))
                (alone,) = generate(vlm, [row])
                assert (answer.answer, answer.tokens, answer.finish) == (
                    alone.text,
                    alone.tokens,
                    alone.finish,
                )
    assert at == len(found)
    assert [p.question_id for p in found[:16]] == [q.id for q in questions.questions]
    assert {p.digest for p in found} == {"", *(read_manifest(f).weights_sha256 for f in folders)}
    noise = {p.shown_digests[0] for p in found if p.shown == "noise"}
    assert not noise & set(by_digest)


def cut_short(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """From now on an evaluation is broken off after so many batches."""
    real, done = predicting.generate, []

    def ask(vlm: VisionLanguageModel, rows: Sequence[Row]) -> Any:
        if len(done) == after:
            raise KeyboardInterrupt
        done.append(rows)
        return real(vlm, rows)

    monkeypatch.setattr(predicting, "generate", ask)


@pytest.mark.parametrize("left", [4 * 12, 4 * 12 - 3, 4 * 12 - 3.5])
def test_what_is_broken_off_goes_on_and_gives_the_same_bytes(
    left: float, folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After four batches of twelve, or in the midst of writing the fourth, or of one of its lines."""
    words: dict[str, Any] = {"names": NAMES, "ablation": ABLATION, "rows": 12}
    whole = predict(load_base(get_base("phantom")), folders, [asked()], **words).answers
    with monkeypatch.context() as patch:
        cut_short(patch, 4)
        with pytest.raises(KeyboardInterrupt):
            predict(load_base(get_base("phantom")), folders, [asked()], **words, folder=tmp_path)
    written = (tmp_path / PART_NAME).read_bytes().splitlines(keepends=True)
    assert len(written) == 4 * 12
    torn = written[int(left)][:40] if left % 1 else b""
    (tmp_path / PART_NAME).write_bytes(b"".join(written[: int(left)]) + torn)
    with monkeypatch.context() as patch:  # and once more
        cut_short(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            predict(load_base(get_base("phantom")), folders, [asked()], **words, folder=tmp_path)
    rows_asked: list[int] = []
    real = predicting.generate

    def counting(vlm: VisionLanguageModel, rows: Sequence[Row]) -> Any:
        rows_asked.append(len(rows))
        return real(vlm, rows)

    monkeypatch.setattr(predicting, "generate", counting)
    found = predict(load_base(get_base("phantom")), folders, [asked()], **words, folder=tmp_path)
    assert lines(found.answers) == lines(whole)
    assert found.resumed == (5 * 12 if left == 4 * 12 else 4 * 12)
    assert sum(rows_asked) == len(whole) - found.resumed


def test_answers_that_are_not_due_are_never_taken_over(
    vlm: VisionLanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        cut_short(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            predict(vlm, [], [asked()], rows=8, folder=tmp_path)
    part = tmp_path / PART_NAME
    part.write_bytes(b"".join(reversed(part.read_bytes().splitlines(keepends=True))))
    with pytest.raises(BadInput, match=r"jsonl:1 is base's answer to .* where base's to .* is due"):
        predict(load_base(get_base("phantom")), [], [asked()], rows=8, folder=tmp_path)


def test_another_evaluation_in_the_folder_is_refused_with_both_values(
    vlm: VisionLanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        cut_short(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            predict(vlm, [], [asked()], rows=8, folder=tmp_path)
    changes: dict[str, tuple[list[QuestionSet], dict[str, Any]]] = {
        "max tokens: 5 here, and 64 in": ([asked()], {"max_tokens": 5}),
        "ablation: 3 here, and 0 in": ([asked()], {"ablation": 3}),
        "batch size: 9 here, and 8 in": ([asked()], {"rows": 9}),
        'benchmarks: ["phantom/validation ': ([asked("validation")], {}),
    }
    before = (tmp_path / PART_NAME).read_bytes()
    for said, (benchmarks, words) in changes.items():
        with pytest.raises(BadInput) as refused:
            predict(
                load_base(get_base("phantom")), [], benchmarks, **{"rows": 8, "folder": tmp_path, **words}
            )
        assert said in refused.value.message
        assert f"rm -r {tmp_path}" in refused.value.hint
    assert (tmp_path / PART_NAME).read_bytes() == before
    predict(load_base(get_base("phantom")), [], [asked()], rows=8, folder=tmp_path)


def test_a_folder_whose_pixels_changed_is_another_evaluation(
    vlm: VisionLanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        cut_short(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            predict(vlm, [], [asked()], rows=8, folder=tmp_path)
    questions = asked()
    brighter = replace(questions, open_image=lambda name: questions.open_image(name).point(lambda v: v // 2))
    with pytest.raises(BadInput, match="benchmarks: "):
        predict(load_base(get_base("phantom")), [], [brighter], rows=8, folder=tmp_path)


def test_a_full_disk_is_told_and_loses_nothing(
    folders: list[Path], vlm: VisionLanguageModel, tmp_path: Path
) -> None:
    """A limit of a file's size stands for the disk: of a batch of twelve a part fits."""
    words: dict[str, Any] = {"names": NAMES, "rows": 12}
    whole = predict(vlm, folders, [asked()], **words).answers
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(lines(whole)) // 2, before[1]))
    try:
        with pytest.raises(BadInput, match="the answers so far are kept") as full:
            predict(load_base(get_base("phantom")), folders, [asked()], **words, folder=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "type the same command again" in full.value.hint
    found = predict(load_base(get_base("phantom")), folders, [asked()], **words, folder=tmp_path)
    assert found.resumed >= 12
    assert lines(found.answers) == lines(whole)


def test_two_processes_do_not_write_into_one_folder(vlm: VisionLanguageModel, tmp_path: Path) -> None:
    import fcntl

    with (tmp_path / PART_NAME).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(BadInput, match="another process"):
            predict(vlm, [], [asked(limit=4)], folder=tmp_path)


@pytest.mark.parametrize("count", [0, 99])
def test_a_question_with_more_images_than_the_base_takes_is_named(
    count: int, vlm: VisionLanguageModel
) -> None:
    questions = asked(limit=4)
    odd = replace(questions.questions[0], id="odd", images=questions.questions[0].images * count)
    with pytest.raises(BadInput, match=f"odd has {count} images; phantom takes 1 to "):
        predict(vlm, [], [replace(questions, questions=(*questions.questions, odd))])


def test_a_benchmark_named_twice_is_refused(vlm: VisionLanguageModel) -> None:
    with pytest.raises(BadInput, match="phantom/test is asked for twice"):
        predict(vlm, [], [asked(limit=4), asked(limit=5)])


def test_adapters_of_one_variant_are_told_apart_by_their_seeds_and_nothing_else(folders: list[Path]) -> None:
    manifests = [read_manifest(folder) for folder in folders]
    assert adapter_names(manifests[:1]) == ["random"]
    assert adapter_names(manifests) == ["random-seed0", "random-seed1"]
    assert adapter_names([manifests[0].model_copy(update={"repo": "a/b"}), manifests[1]]) == ["a/b", "random"]
    with pytest.raises(BadInput, match="bear the name random-seed0"):
        adapter_names([manifests[0], manifests[0]])


def test_questions_about_one_picture_are_near_each_other_and_each_is_asked_once() -> None:
    def one(number: int) -> Asked:
        question = Question(
            id=str(number),
            dataset="d",
            split="test",
            images=(f"p{number % 1000}",),
            prompt="w " * (number % 7),
            answer="yes",
            answer_type=("closed", "open")[number % 2],  # type: ignore[arg-type]
            question_type="q",
        )
        return Asked(question, "own", question.images)

    batches = in_batches([one(number) for number in range(3000)], 16, length=len)
    assert sorted(int(one.question.id) for batch in batches for one in batch) == list(range(3000))
    assert {len(batch) for batch in batches[:-1]} == {16}
    places: dict[str, list[int]] = {}
    for number, batch in enumerate(batches):
        for one_asked in batch:
            places.setdefault(one_asked.pictures[0], []).append(number)
    assert max(max(found) - min(found) for found in places.values()) <= 3 * PICTURES / 16 + 1
    alike = [len({len(one.question.prompt) for one in batch}) for batch in batches]
    assert sum(alike) / len(alike) < 2


def test_a_killed_command_goes_on_when_typed_again_to_the_same_bytes(
    folders: list[Path], tmp_path: Path
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"

    def words(out: Path) -> list[str]:
        options = ("--limit", "40", "--ablation", "8", "--batch-size", "9", "--out", str(out))
        return [*map(str, folders), *options]

    child = subprocess.Popen(
        [sys.executable, "-m", "zoo", "evaluate", *words(killed)],
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    part = killed / PART_NAME
    while not (part.exists() and part.read_bytes().count(b"\n") >= 27):
        assert child.poll() is None, child.communicate()
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert not (killed / PREDICTIONS_NAME).exists()
    with part.open("ab") as file:
        file.write(b'{"question_id": ')
    again, once = (CliRunner().invoke(evaluate, words(out)) for out in (killed, whole))
    assert again.exit_code == once.exit_code == 0, again.output + once.output
    assert "answers are there; " in again.stderr
    assert (killed / PREDICTIONS_NAME).read_bytes() == (whole / PREDICTIONS_NAME).read_bytes()
    assert json.loads((killed / "evaluation.json").read_text())["resumed"] >= 27
    assert not {PART_NAME, JOB_NAME} & {path.name for path in killed.iterdir()}
    finished = CliRunner().invoke(evaluate, words(killed)).exception
    assert isinstance(finished, BadInput)
    assert "exists already" in finished.message
    assert "choose another --out" in finished.hint
