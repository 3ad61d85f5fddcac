"""The phantom study: what is chosen, compared and said, and what a kill leaves."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from training.cli.study import study as study_verb
from training.pairs.report import PairReport
from training.study.plan import (
    Ask,
    Job,
    MakePairs,
    Settings,
    Train,
    best_rate,
    failure_of,
    most_jobs,
    open_study,
    pair_jobs,
    steps_key,
    write_text,
)
from training.study.result import Study, read_study
from training.study.run import run_study
from training.study.table import as_markdown, difference
from training.study.workers import Do, Done, do_one
from zoo.bases import get_base
from zoo.errors import BadInput
from zoo.evaluation.bootstrap import Interval
from zoo.evaluation.metrics.vqa import correct
from zoo.records import Prediction, read_jsonl, write_jsonl

SETTINGS = Settings(
    variants=("sft", "mdpo", "targeted_mdpo", "text_hallu"),
    seeds=2,
    rates=(0.3, 1.0, 3.0),
    limit=10,
    epochs=None,
    validation_limit=4,
    test_limit=8,
)
MakeAdapter = Callable[..., Path]


def prediction(number: int, *, right: bool, name: str) -> Prediction:
    """An answer to question `number`; two questions share a scan, and odd ones are about side."""
    return Prediction(
        question_id=f"q/{number}",
        dataset="phantom",
        split="test",
        images=(f"{number // 2}.png",),
        prompt="?",
        truth="yes",
        answer_type="closed",
        question_type="side",
        options=("yes", "no"),
        error_types=("SLC",) if number % 2 else (),
        base="phantom@0",
        adapter=name,
        variant=name,
        digest="",
        answer="yes" if right else "no",
        tokens=2,
    )


def report() -> PairReport:
    return PairReport(
        variant="mdpo",
        base="phantom@0",
        policy="",
        dataset="phantom",
        split="train",
        license="apache-2.0",
        publishable=True,
        seed=0,
        steps=[],
        questions=10,
        kept=7,
        dropped={"no span": 2, "rejected equals chosen": 1},
        halves={},
        words={},
        longer_is_chosen=0.5,
        length_only_accuracy=0.5,
        makers=[],
        fingerprint="0" * 64,
    )


@pytest.fixture
def scripted(make_adapter: MakeAdapter, tmp_path: Path) -> Callable[..., Study]:
    """Call it with the count of right answers by (split, variant, seed, rate), and with reasons by (variant,
    seed, rate), to get the study that jobs with such outcomes make. The first questions are the right ones;
    half of them is the default."""
    manifest = (make_adapter() / "zoo.json").read_text()
    out = tmp_path / "study"

    def study(
        right: dict[tuple[str, str, int, float], int], failed: dict[tuple[str, int, float], str] | None = None
    ) -> Study:
        def act(job: Job) -> None:
            match job:
                case MakePairs():
                    write_text(job.folder(out) / "pairs.json", json.dumps(asdict(report())))
                    write_text(job.outcome(out), '{"failed": null}')
                case Train():
                    reason = (failed or {}).get((job.variant, job.seed, job.rate))
                    write_text(job.folder(out) / "zoo.json", manifest)
                    write_text(job.outcome(out), json.dumps({"failed": reason}))
                case Ask():
                    asked = SETTINGS.validation_limit if job.split == "validation" else SETTINGS.test_limit
                    keys = [(r.variant, r.seed, r.rate) for r in job.runs] or [("base", 0, 1.0)]
                    for key, path in zip(keys, job.files(out), strict=True):
                        count = right.get((job.split, *key), asked // 2)
                        answers = [prediction(n, right=n < count, name=key[0]) for n in range(asked)]
                        write_jsonl(path, answers)

        def do(jobs: Sequence[Job]) -> Iterator[Done]:
            for job in jobs:
                act(job)
                yield Done(job.name, 1.0, 0.5)

        return run_study(SETTINGS, out, do)

    return study


@pytest.mark.parametrize(
    ("accuracies", "best"),
    [
        ({0.1: 0.7, 0.3: 0.75, 1.0: 0.75, 3.0: 0.2}, 0.3),  # of equals the smaller
        ({0.1: None, 0.3: 0.1}, 0.3),
        ({0.1: None, 0.3: None}, None),
    ],
)
def test_the_best_validation_accuracy_decides_and_a_tie_goes_to_the_smaller_rate(
    accuracies: dict[float, float | None], best: float | None
) -> None:
    assert best_rate(accuracies) == best


def test_the_rate_is_chosen_on_validation_alone_and_only_its_runs_are_tested(
    scripted: Callable[..., Study], tmp_path: Path
) -> None:
    """On the test split x3 would have won."""
    study = scripted({("validation", "mdpo", 0, 1.0): 4, ("test", "mdpo", 0, 3.0): 8})
    row = next(row for row in study.rows if row.name == "mdpo")
    assert row.rate == 1.0
    assert [(t.multiple, t.learning_rate, t.accuracy) for t in row.tried] == [
        (0.3, pytest.approx(3e-5), 0.5),
        (1.0, pytest.approx(1e-4), 1.0),
        (3.0, pytest.approx(3e-4), 0.5),
    ]
    runs = tmp_path / "study" / "runs" / "mdpo"
    assert {p.parent.name for p in runs.glob("*/test.jsonl")} == {"seed-0-rate-1", "seed-1-rate-1"}
    assert "| mdpo | 1.0e-04 | 50.0 % | **100.0 %** | 50.0 % |" in as_markdown(study)


def test_a_question_counts_with_its_mean_over_seeds_and_sft_is_compared_seed_by_seed(
    scripted: Callable[..., Study],
) -> None:
    """mdpo: 8 and 6 of 8 right, so 0.875. SFT: 4 and 6, so 0.625. Base 4. Side: questions 1, 3, 5, 7; mdpo
    has all, then 3 of 4; its twin `targeted_mdpo` 2 of 4 both times."""
    right = {
        ("test", "mdpo", 0, 0.3): 8,
        ("test", "mdpo", 1, 0.3): 6,
        ("test", "sft", 1, 0.3): 6,
    }
    rows = {row.name: row for row in scripted(right).rows}
    whole = rows["mdpo"].scores["all"]
    assert whole.over_base is not None
    assert whole.over_sft is not None
    assert (whole.accuracy.value, whole.over_base.value, whole.over_sft.value) == (0.875, 0.375, 0.25)
    assert [seed.accuracy for seed in rows["mdpo"].seeds] == [1.0, 0.75]
    assert rows["mdpo"].spread == pytest.approx(0.1768, abs=1e-4)
    over_twin = rows["targeted_mdpo"].scores["SLC"].over_twin
    assert over_twin is not None
    assert (over_twin.value, over_twin.n) == (-0.375, 4)
    assert rows["sft"].scores["all"].over_sft is None
    assert list(rows["mdpo"].scores) == ["all", "closed", "SLC"]  # no subset without questions


def test_a_failed_run_is_told_of_and_the_seeds_that_both_have_are_compared(
    scripted: Callable[..., Study],
) -> None:
    """Of mdpo only seed 0 is left: 6 right against SFT's 4 on that seed, whatever SFT's seed 1 did."""
    failed = {("mdpo", 1, 0.3): "the loss is nan", ("sft", 0, 3.0): "the loss is inf"}
    failed |= {("text_hallu", 0, rate): "no gradient" for rate in SETTINGS.rates}
    study = scripted({("test", "mdpo", 0, 0.3): 6, ("test", "sft", 1, 0.3): 8}, failed)
    rows = {row.name: row for row in study.rows}
    over_sft = rows["mdpo"].scores["all"].over_sft
    assert over_sft is not None
    assert over_sft.value == 0.25
    assert rows["text_hallu"].scores == {}
    text = as_markdown(study)
    assert "| text_hallu |  |  | every rate failed |  |  |  |  |" in text
    assert "- mdpo x0.3, seed 1: the loss is nan" in text
    assert "- sft x3, seed 0: the loss is inf" in text
    assert "| text_hallu | 1.0e-04 | failed | failed | failed |" in text


def test_the_pairs_kept_and_dropped_stand_in_the_table(scripted: Callable[..., Study]) -> None:
    assert "| mdpo | 3.0e-05 (x0.3) | 7 (3) | 50.0 % |" in as_markdown(scripted({}))


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (Interval(0.02, -0.01, 0.05, 9), "no difference (-1.0 to +5.0)"),
        (Interval(-0.1, -0.151, -0.05, 9), "-10.0 (-15.1 to -5.0)"),
        (Interval(0.0, 0.0, 0.0, 9), "no difference (+0.0 to +0.0)"),
        (None, ""),
    ],
)
def test_a_difference_whose_interval_holds_zero_is_no_difference(
    interval: Interval | None, text: str
) -> None:
    assert difference(interval) == text


def test_variants_whose_first_stage_has_the_same_steps_share_a_pair_set() -> None:
    settings = replace(SETTINGS, variants=("sft", "rrpo", "rrpo_phrase_kl", "stllava_med"), seeds=2)
    assert steps_key("rrpo") == steps_key("rrpo_phrase_kl") != steps_key("sft") == steps_key("stllava_med")
    assert len(pair_jobs(settings)) == 4  # two sets, two seeds
    assert most_jobs(settings) == 4 + 4 * (3 + 1) + 1 + 1 + 1 + 1


def test_a_folder_of_other_settings_is_refused(tmp_path: Path) -> None:
    open_study(tmp_path / "study", SETTINGS)
    open_study(tmp_path / "study", SETTINGS)
    with pytest.raises(BadInput, match="other settings: seeds 2, not 3") as refused:
        open_study(tmp_path / "study", replace(SETTINGS, seeds=3))
    assert "choose another --out" in refused.value.hint
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(BadInput, match="holds no study"):
        open_study(tmp_path / "other", SETTINGS)


def test_a_study_that_began_before_it_could_take_another_base_goes_on(tmp_path: Path) -> None:
    open_study(tmp_path, SETTINGS)
    path = tmp_path / "settings.json"
    kept = {k: v for k, v in json.loads(path.read_text()).items() if k not in ("base", "dataset", "data_dir")}
    path.write_text(json.dumps(kept))
    open_study(tmp_path, SETTINGS)
    with pytest.raises(BadInput, match="base phantom, not pocket"):
        open_study(tmp_path, replace(SETTINGS, base="pocket"))


def test_a_study_of_another_base_says_so_in_its_command() -> None:
    other = replace(SMALL, base="pocket", dataset="records", data_dir="/data", dtype="bfloat16")
    assert SMALL.command() == (
        "medzoo study --variants sft,text_hallu --seeds 1 --rates 1,1e+30 --limit 24 --epochs 1 "
        "--validation-limit 6 --test-limit 12 --out DIR"
    )
    ours = "--base pocket --dataset records --data-dir /data --dtype bfloat16"
    assert other.command() == SMALL.command().replace("--out", f"{ours} --out")


@pytest.mark.parametrize("rates", ["0.1,fast", "0,1", "nan", "inf", ""])
def test_rates_that_are_no_numbers_above_zero_are_refused(rates: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(study_verb, ["--rates", rates, "--out", str(tmp_path / "study")])
    assert isinstance(done.exception, BadInput)
    assert "not all numbers above 0" in done.exception.message
    assert not (tmp_path / "study").exists()


SMALL = Settings(
    variants=("sft", "text_hallu"),
    seeds=1,
    rates=(1.0, 1e30),
    limit=24,
    epochs=1,
    validation_limit=6,
    test_limit=12,
)


def counting(settings: Settings, out: Path, names: list[str]) -> Do:
    """Does jobs in this process and keeps their names."""

    def do(jobs: Sequence[Job]) -> Iterator[Done]:
        for job in jobs:
            names.append(job.name)
            yield do_one(job, settings, out)

    return do


def test_a_study_trains_fails_asks_and_goes_on_without_repeating_a_run(tmp_path: Path) -> None:
    """At 1e30 times the rate the second step's loss is not finite; all else is as it should be."""
    names: list[str] = []
    study = run_study(SMALL, tmp_path, counting(SMALL, tmp_path, names))
    assert len(names) == len(set(names)) == 2 + 4 + 2 + 2
    for row in study.rows[1:]:
        assert row.rate == 1.0
        assert "nan" in str(row.tried[1].failed)
    data = json.loads((tmp_path / "study.json").read_text())
    found = {row["name"]: row["scores"]["all"]["accuracy"]["value"] for row in data["rows"]}
    files = {
        "base": "base",
        "sft": "runs/sft/seed-0-rate-1",
        "text_hallu": "runs/text_hallu/seed-0-rate-1",
    }
    answers = {name: read_jsonl(tmp_path / path / "test.jsonl", Prediction) for name, path in files.items()}
    assert found == {name: pytest.approx(sum(map(correct, ps)) / 12) for name, ps in answers.items()}
    assert data["base"] == get_base("phantom").pinned
    assert (tmp_path / "study.png").read_bytes()[:4] == b"\x89PNG"

    again: list[str] = []
    (tmp_path / "runs" / "sft" / "seed-0-rate-1" / "test.jsonl").unlink()
    (tmp_path / "runs" / "sft" / "seed-0-rate-1e+30" / "outcome.json").unlink()
    assert run_study(SMALL, tmp_path, counting(SMALL, tmp_path, again)).rows == study.rows
    assert again == ["sft seed 0 rate x1e+30", "test sft seed 0 rate x1 and 1 more"]
    assert read_study(SMALL, tmp_path).rows == study.rows


def test_a_run_whose_last_step_breaks_it_has_failed_and_the_next_one_trains_as_ever(tmp_path: Path) -> None:
    """One step at 1e30 times the rate: no loss is read after it, but the adapter says nothing finite."""
    settings = replace(SMALL, limit=8)
    for job in (MakePairs("sft", 0), Train("sft", 0, 1e30), Train("sft", 0, 1.0)):
        do_one(job, settings, tmp_path)
    assert "not be valid" in str(failure_of(Train("sft", 0, 1e30), tmp_path))
    assert failure_of(Train("sft", 0, 1.0), tmp_path) is None


@pytest.mark.slow
def test_a_killed_study_leaves_no_process_and_goes_on_where_it_was(tmp_path: Path) -> None:
    out = tmp_path / "study"
    words = "study --variants text_hallu --seeds 1 --rates 1 --limit 24 --epochs 1 --validation-limit 6"
    command = [sys.executable, "-m", "zoo", *words.split(), "--test-limit", "12", "--out", str(out)]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not (out / "jobs.jsonl").exists():
        assert first.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children = Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()
    assert len(children) >= 2
    first.send_signal(signal.SIGKILL)
    first.wait()
    while any(_lives(int(pid)) for pid in children):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    logged = [json.loads(line)["name"] for line in (out / "jobs.jsonl").read_text().splitlines()]
    trained = [name for name in logged if "rate" in name and not name.startswith(("test", "validation"))]
    assert len(trained) == len(set(trained))
    assert json.loads((out / "study.json").read_text())["rows"][2]["name"] == "text_hallu"


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
