"""Scores into an adapter's folder and, from its files, out again: whatever was changed is named."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.conftest import MakeAdapter
from tests.zoo.evaluation._answers import answers, verdict
from zoo.cli._text import between
from zoo.cli.report import report as report_verb
from zoo.cli.score import score as score_verb
from zoo.errors import BadInput, NotInstalled
from zoo.evaluation.answers import benchmark_fingerprint
from zoo.evaluation.bootstrap import STATISTICS
from zoo.evaluation.metrics import wording
from zoo.evaluation.record import how_made, record
from zoo.evaluation.rescore import AGAIN, Rescored, rescore
from zoo.evaluation.run import EvaluationRun, write_run
from zoo.manifest import Benchmark, Bounds, read_manifest, write_manifest
from zoo.records import PREDICTIONS_NAME, Prediction, Verdict, read_jsonl, write_jsonl

FILE, SAID = "predictions/phantom-test.jsonl", "verdicts/phantom-test.jsonl"


def benchmark(predictions: Sequence[Prediction], **changes: Any) -> Benchmark:
    own = [p for p in predictions if p.shown == "own"]
    keys: dict[str, Any] = {
        "dataset": own[0].dataset,
        "split": "test",
        "questions": len({p.question_id for p in own}),
        "images": len({p.images for p in own}),
        "fingerprint": benchmark_fingerprint(own),
        "license": "apache-2.0",
        "publishable": True,
        "max_tokens": 64,
        "predictions_sha256": "0" * 64,
        "created": "2026-11-22T10:00:00+00:00",
    }
    return Benchmark(**keys | changes)


def evaluated(folder: Path, **changes: Any) -> list[Prediction]:
    """Answers of base, SFT, the folder's adapter and one more, with an image ablation."""
    digest = read_manifest(folder).weights_sha256
    found = []
    for name, right in (
        ("base", "1000110010"),
        ("sft", "1100110011"),
        ("dpo", "1010101010"),
        ("mdpo", "1110111011"),
    ):
        mine = {"digest": digest} if name == "mdpo" else {}
        found += answers(name, right, per_image=2, **mine, **changes)
        found += answers(name, right[3:7], shown="noise", per_image=2, **mine, **changes)
    return found


@pytest.fixture
def folder(make_adapter: MakeAdapter) -> Path:
    """An adapter that has not been evaluated."""
    return make_adapter(evaluation=[])


@pytest.fixture
def recorded(folder: Path) -> Path:
    """The same with a benchmark and a judge's verdicts."""
    predictions = evaluated(folder)
    said = [verdict(p, p.answer == "left") for p in predictions]
    record(folder, "mdpo", predictions, [benchmark(predictions)], verdicts=said, precision="float32")
    return folder


def test_a_folder_holds_base_sft_and_its_own_answers_and_gives_its_scores_again(recorded: Path) -> None:
    kept = read_jsonl(recorded / FILE, Prediction)
    assert list(dict.fromkeys(p.adapter for p in kept)) == ["base", "sft", "mdpo"]
    manifest = read_manifest(recorded)
    whole = {
        (e.metric, e.shown): e for e in manifest.evaluation if e.subset == "all" and e.metric != "open_f1"
    }
    own = whole["accuracy", "own"]
    assert (own.value, own.n, own.base_value, own.sft_value, own.precision) == (0.8, 10, 0.4, 0.6, "float32")
    assert own.over_sft is not None
    assert own.over_sft.adjusted_p is not None
    assert whole["judge_accuracy", "own"].judge == "invented correct@1"
    noise = whole["accuracy", "noise"]
    assert (noise.value, noise.own_value, noise.n) == (0.75, 0.75, 4)
    again = rescore(recorded)
    assert again.faults == ()
    assert again.withheld == ()
    assert again.checked == len(manifest.evaluation) >= 8


def change_score(folder: Path) -> None:
    path = folder / "zoo.json"
    raw = json.loads(path.read_text())
    raw["evaluation"][0]["value"] = 0.9
    path.write_text(json.dumps(raw))


def truncate(folder: Path) -> None:
    path = folder / FILE
    path.write_bytes(path.read_bytes()[:-40])


def with_digest(folder: Path, **digests: str) -> None:
    manifest = read_manifest(folder)
    (one,) = manifest.benchmarks
    write_manifest(folder, manifest.model_copy(update={"benchmarks": [one.model_copy(update=digests)]}))


def edit_answer_and_digest(folder: Path) -> None:
    import hashlib

    found = read_jsonl(folder / FILE, Prediction)
    last = next(n for n, p in enumerate(found) if p.adapter == "base")
    found[last] = replace(found[last], answer="right")
    write_jsonl(folder / FILE, found)
    (folder / SAID).unlink()
    digest = hashlib.sha256((folder / FILE).read_bytes()).hexdigest()
    manifest = read_manifest(folder)
    rules = [e for e in manifest.evaluation if e.judge == "rules"]
    write_manifest(folder, manifest.model_copy(update={"evaluation": rules}))
    with_digest(folder, predictions_sha256=digest, verdicts_sha256=None)  # type: ignore[arg-type]


def leave_out(folder: Path) -> None:
    manifest = read_manifest(folder)
    write_manifest(folder, manifest.model_copy(update={"evaluation": manifest.evaluation[1:]}))


def swap_weights(folder: Path) -> None:
    manifest = read_manifest(folder)
    write_manifest(folder, manifest.model_copy(update={"weights_sha256": "f" * 64}))


def forget_benchmarks(folder: Path) -> None:
    manifest = read_manifest(folder)
    write_manifest(folder, manifest.model_copy(update={"benchmarks": []}))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            change_score,
            "accuracy on phantom/test, all: value is 0.9 in the manifest, and 0.8 by predictions/",
        ),
        (truncate, "predictions/phantom-test.jsonl has sha256"),
        (
            lambda folder: (folder / FILE).unlink(),
            "phantom-test.jsonl is not here, and its answers are not withheld",
        ),
        (lambda folder: (folder / SAID).unlink(), "verdicts/phantom-test.jsonl is not here"),
        (
            edit_answer_and_digest,
            "accuracy on phantom/test, all: base_value is 0.4 in the manifest, and 0.3 by",
        ),
        (
            leave_out,
            "accuracy on phantom/test, all follows from predictions/phantom-test.jsonl, but is left out",
        ),
        (swap_weights, "holds no answer of the weights ffffffffffff"),
        (forget_benchmarks, "the scores on phantom/test rest on no stored answers"),
    ],
)
def test_whatever_was_changed_is_named(recorded: Path, change: Callable[[Path], None], fault: str) -> None:
    change(recorded)
    again = rescore(recorded)
    assert any(fault in found for found in again.faults), again.faults


def test_answers_that_may_not_be_passed_on_are_withheld_and_where_they_are_they_are_checked(
    folder: Path,
) -> None:
    predictions = evaluated(folder)
    record(folder, "mdpo", predictions, [benchmark(predictions, publishable=False)])
    assert rescore(folder).withheld == ()
    assert rescore(folder).checked > 0
    shutil.rmtree(folder / "predictions")
    again = rescore(folder)
    assert (again.faults, again.withheld, again.checked) == ((), ("phantom/test",), 0)


def test_intervals_of_another_version_of_the_statistics_are_not_checked_and_values_are(folder: Path) -> None:
    predictions = evaluated(folder, answer_type="closed")
    manifest = record(folder, "mdpo", predictions, [benchmark(predictions)])
    (made,), (score, *others) = manifest.benchmarks, manifest.evaluation
    assert made.statistics == STATISTICS

    def with_first(version: int, **changes: Any) -> Rescored:
        moved = {
            "benchmarks": [made.model_copy(update={"statistics": version})],
            "evaluation": [score.model_copy(update=changes), *others],
        }
        write_manifest(folder, manifest.model_copy(update=moved))
        return rescore(folder)

    older = with_first(STATISTICS - 1, low=0.1, over_base=Bounds(low=0.0, high=0.1))
    assert (older.faults, older.checked) == ((), 1 + len(others))
    assert older.unchecked == (
        f"phantom/test was scored by version {STATISTICS - 1} of the statistics, here is {STATISTICS}: "
        "intervals not checked",
    )
    assert len(with_first(STATISTICS - 1, value=0.1).faults) == 1
    assert len(with_first(STATISTICS, low=0.1).faults) == 1


def test_what_judges_said_stays_with_the_same_answers_and_goes_with_other_ones(recorded: Path) -> None:
    predictions = evaluated(recorded)
    again = record(recorded, "mdpo", predictions, [benchmark(predictions)])
    first = read_jsonl(recorded / SAID, Verdict)
    assert {e.judge for e in again.evaluation} == {"rules", "invented correct@1"}
    second = [verdict(p, p.answer == "left", judge="other correct@1") for p in predictions]
    again = record(recorded, "mdpo", predictions, [benchmark(predictions)], verdicts=second)
    assert {e.judge for e in again.evaluation} == {"rules", "invented correct@1", "other correct@1"}
    assert read_jsonl(recorded / SAID, Verdict)[: len(first)] == first
    assert rescore(recorded).faults == ()
    changed = [replace(p, answer="left") for p in predictions]
    again = record(recorded, "mdpo", changed, [benchmark(changed)])
    assert {e.judge for e in again.evaluation} == {"rules"}
    assert not (recorded / SAID).exists()


def test_a_difference_is_kept_where_lost_replies_make_it_another_than_that_of_the_scores(
    folder: Path,
) -> None:
    """Of ten answers the base has 4 right, the adapter 8; the replies on q4 to q9 of it were lost, so that it
    is at 3 of 4, and the base on these four at 1."""
    predictions = [p for p in evaluated(folder) if p.shown == "own"]
    said = [verdict(p, p.answer == "left") for p in predictions]
    lost = {f"q{n}" for n in range(4, 10)}
    said = [replace(v, reply="?") if v.adapter == "mdpo" and v.question_id in lost else v for v in said]
    names = ["accuracy", "judge_accuracy"]
    found = record(folder, "mdpo", predictions, [benchmark(predictions)], verdicts=said, names=names)
    by_rule, by_judge = (e for e in found.evaluation if e.subset == "all")
    assert (by_judge.value, by_judge.base_value, by_judge.n, by_judge.failed) == (0.75, 0.4, 4, 6)
    assert by_judge.over_base is not None
    assert by_judge.over_base.value == 0.5
    assert between(by_judge.value, by_judge.base_value, by_judge.over_base).startswith(("+0.500", "no diff"))
    assert by_rule.over_base is not None
    assert by_rule.over_base.value is None
    assert rescore(folder).faults == ()


def test_a_usual_metric_whose_library_is_not_here_is_left_out_loudly_unless_it_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / PREDICTIONS_NAME
    write_jsonl(path, answers("base", "10", answer_type="report"))
    wording._rouge.cache_clear()
    monkeypatch.setitem(sys.modules, "rouge_score.rouge_scorer", None)
    said = (
        "NOT SCORED by rouge_l: this metric needs the library rouge_score.rouge_scorer, which is not here. "
        "Install it: pip install 'medvlm-zoo[evaluate]'"
    )
    for verb in (score_verb, report_verb):
        done = CliRunner().invoke(verb, [str(path)], catch_exceptions=False)
        assert done.exit_code == 0
        assert "bleu" in done.stdout
        assert "rouge_l" not in done.stdout
        assert done.stderr == said + "\n"
    with pytest.raises(NotInstalled, match="rouge_score"):
        CliRunner().invoke(score_verb, [str(path), "--metric", "rouge_l"], catch_exceptions=False)


def test_a_metric_whose_library_is_not_here_is_left_unchecked_and_the_others_are_not(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictions = evaluated(folder, answer_type="report", truth="left")
    record(folder, "mdpo", predictions, [benchmark(predictions)], names=["accuracy", "rouge_l"])
    before = rescore(folder)
    wording._rouge.cache_clear()
    monkeypatch.setitem(sys.modules, "rouge_score.rouge_scorer", None)
    monkeypatch.setitem(sys.modules, "rouge_score", None)
    again = rescore(folder)
    assert (before.faults, again.faults) == ((), ())
    assert again.checked == before.checked / 2 > 0
    (new,) = set(again.unchecked) - set(before.unchecked)
    assert new.startswith("rouge_l: this metric needs the library rouge_score")


def test_a_usual_score_that_the_answers_give_and_the_manifest_has_not_is_named(folder: Path) -> None:
    predictions = evaluated(folder)
    record(folder, "mdpo", predictions, [benchmark(predictions)], names=["open_f1"])
    again = rescore(folder)
    assert again.faults == (f"accuracy follows from {FILE}, but no score is by it; record them: {AGAIN}",)
    assert again.unchecked == (f"open_recall follows from {FILE}, but no score is by it",)
    assert again.checked == len(read_manifest(folder).evaluation)
    record(folder, "mdpo", predictions, [benchmark(predictions)])
    assert (rescore(folder).faults, rescore(folder).unchecked) == ((), ())


def test_a_benchmark_takes_the_place_of_its_own_earlier_scores_alone(recorded: Path) -> None:
    other = evaluated(recorded, dataset="slake")
    record(recorded, "mdpo", other, [benchmark(other)])
    first = read_manifest(recorded)
    assert [b.dataset for b in first.benchmarks] == ["phantom", "slake"]
    again = [replace(p, answer="left") for p in evaluated(recorded)]
    record(recorded, "mdpo", again, [benchmark(again)], names=["accuracy"])
    manifest = read_manifest(recorded)
    kept = [e for e in first.evaluation if e.dataset == "slake"]
    assert kept
    assert [e for e in manifest.evaluation if e.dataset == "slake"] == kept
    assert {e.value for e in manifest.evaluation if e.dataset == "phantom"} == {1.0}
    assert {e.metric for e in manifest.evaluation if e.dataset == "phantom"} == {"accuracy"}
    assert not (recorded / SAID).exists()
    assert rescore(recorded).faults == ()


def test_the_sft_adapter_itself_and_one_of_another_name_come_out_again_too(make_adapter: MakeAdapter) -> None:
    sft = make_adapter("sft", variant="sft", evaluation=[])
    digest = read_manifest(sft).weights_sha256
    found = [*answers("base", "1000"), *answers("me/sft", "1110", variant="sft", digest=digest)]
    record(sft, "me/sft", found, [benchmark(found)])
    assert rescore(sft).faults == ()
    named = make_adapter("named", evaluation=[], seed=1)
    digest = read_manifest(named).weights_sha256
    more = [*found, *answers("dpo", "1100"), *answers("mdpo", "1111", digest=digest)]
    record(named, "mdpo", more, [benchmark(more)], sft="dpo")
    assert {e.sft_value for e in read_manifest(named).evaluation if e.metric == "accuracy"} == {0.5}
    assert rescore(named).faults == ()
    record(named, "mdpo", more, [benchmark(more)], sft="mdpo")
    assert {e.sft_value for e in read_manifest(named).evaluation if e.metric == "accuracy"} == {None}
    assert rescore(named).faults == ()


def test_answers_of_other_weights_another_base_or_other_questions_are_not_recorded(folder: Path) -> None:
    before = (folder / "zoo.json").read_bytes()
    found = evaluated(folder)
    with pytest.raises(BadInput, match="does not hold the weights of dpo"):
        record(folder, "dpo", found, [benchmark(found)])
    foreign = [replace(p, digest="") for p in found]
    with pytest.raises(BadInput, match="does not hold the weights of mdpo"):
        record(folder, "mdpo", foreign, [benchmark(found)])
    with pytest.raises(BadInput, match=r"is an adapter of phantom@a+, and qwen@1 gave these answers"):
        record(folder, "mdpo", [replace(p, base="qwen@1") for p in found], [benchmark(found)])
    fewer = [p for p in found if p.question_id != "q9"]
    with pytest.raises(BadInput, match="these are not all answers to the 10 questions of phantom/test"):
        record(folder, "mdpo", fewer, [benchmark(found)])
    with pytest.raises(BadInput, match="nobody has no answers"):
        record(folder, "nobody", found, [benchmark(found)])
    assert (folder / "zoo.json").read_bytes() == before
    assert not (folder / "predictions").exists()


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_kill_leaves_the_old_state_or_one_that_is_seen_and_mended_by_recording_again(
    recorded: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Killed before a file takes its place: before any, all is as it was."""
    new = [replace(p, answer="left") for p in evaluated(recorded)]
    said = [verdict(p, True) for p in new]
    real, calls = os.replace, [0]

    def killed(*names: Any) -> None:
        if calls[0] == step:
            raise KeyboardInterrupt
        calls[0] += 1
        real(*names)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            record(recorded, "mdpo", new, [benchmark(new)], verdicts=said)
    assert bool(rescore(recorded).faults) == (step > 0)
    record(recorded, "mdpo", new, [benchmark(new)], verdicts=said)
    assert rescore(recorded).faults == ()
    assert not [path for path in recorded.rglob("*") if path.suffix in (".new", ".part")]


def made(out: Path, predictions: Sequence[Prediction], **changes: Any) -> Path:
    """A folder as `medzoo evaluate` leaves it."""
    keys: dict[str, Any] = {
        "base": predictions[0].base,
        "precision": "bfloat16",
        "adapters": [],
        "seconds": 1.0,
    }
    write_jsonl(out / PREDICTIONS_NAME, predictions)
    write_run(out, EvaluationRun(**keys | {"benchmarks": [benchmark(predictions)]} | changes))
    return out / PREDICTIONS_NAME


def run(*words: object) -> str:
    done = CliRunner().invoke(score_verb, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_score_records_into_the_folder_of_the_weights_that_answered(folder: Path, tmp_path: Path) -> None:
    file = made(tmp_path / "out", evaluated(folder))
    assert f"recorded in {folder}" in run(file, "--record", folder, "--metric", "accuracy")
    manifest = read_manifest(folder)
    assert {(e.metric, e.precision) for e in manifest.evaluation} == {("accuracy", "bfloat16")}
    assert rescore(folder).faults == ()


def test_what_a_folder_keeps_can_be_scored_again_with_a_judge_and_recorded(
    folder: Path, tmp_path: Path
) -> None:
    run(made(tmp_path / "out", evaluated(folder)), "--record", folder)
    said = [verdict(p, True) for p in read_jsonl(folder / FILE, Prediction)]
    write_jsonl(tmp_path / "said.jsonl", said)
    output = run(folder / FILE, "--verdicts", tmp_path / "said.jsonl", "--record", folder)
    assert "judge_accuracy by invented correct@1" in output
    assert {e.judge for e in read_manifest(folder).evaluation} == {"rules", "invented correct@1"}
    assert {e.precision for e in read_manifest(folder).evaluation} == {"bfloat16"}
    assert rescore(folder).faults == ()


def test_files_of_answers_made_in_two_ways_are_not_recorded_together(folder: Path, tmp_path: Path) -> None:
    predictions = evaluated(folder)
    one = made(tmp_path / "one", predictions)
    with pytest.raises(BadInput, match="no such file, so nothing says how these answers were made"):
        how_made([one, tmp_path / "bare" / PREDICTIONS_NAME])
    other = made(tmp_path / "other", predictions, precision="float32")
    with pytest.raises(BadInput, match="bfloat16 and in float32"):
        how_made([one, other])
    longer = made(tmp_path / "longer", predictions, benchmarks=[benchmark(predictions, max_tokens=9)])
    with pytest.raises(BadInput, match="made in two ways: max_tokens 64 and 9"):
        how_made([one, longer])
