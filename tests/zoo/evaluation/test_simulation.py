"""Invented benchmarks whose truth is known: how often intervals hold it, and how often a difference is seen
where there is none. A share of 0.95 of 400 benchmarks has a standard error of 0.011."""

from functools import cache

import numpy as np
import pytest

from zoo.evaluation.bootstrap import Floats, Resamples
from zoo.evaluation.correction import holm
from zoo.evaluation.metrics import mean
from zoo.evaluation.tables import Questions, Table
from zoo.records import Prediction

BENCHMARKS = 400
IMAGES, PER_IMAGE = 60, 8
RESAMPLES = 1000


def right_answers(
    rng: np.random.Generator, adapters: int, *, apart: float = 0.0, runs: float = 0.0
) -> Floats:
    """(adapters, questions): right or wrong. The first is right on half of all questions that there could
    be, each next on `apart` more; images differ in how hard they are, and adapters in which images they like.
    With `runs` an adapter is off by so much besides."""
    hard = rng.uniform(-0.3, 0.3, size=(1, IMAGES, 1))
    liking = rng.uniform(-0.1, 0.1, size=(adapters, IMAGES, 1))
    share = 0.5 + apart * np.arange(adapters)[:, None, None] + hard + liking
    share = share + runs * rng.normal(size=(adapters, 1, 1))
    rows = rng.random((adapters, IMAGES, PER_IMAGE)) < share
    return rows.reshape(adapters, -1).astype(np.float64)


def with_ones(values: Floats) -> Floats:
    return np.stack([values, np.ones_like(values)], axis=-1)


IMAGE_OF = [image for image in range(IMAGES) for _ in range(PER_IMAGE)]


@cache
def simulated() -> tuple[Floats, Floats]:
    """Answers of two adapters, 0.5 and 0.55 right, to every benchmark: (benchmarks, 2, questions)."""
    rng = np.random.default_rng(0)
    found = np.stack([right_answers(rng, 2, apart=0.05) for _ in range(BENCHMARKS)])
    return found[:, 0], found[:, 1]


def coverage(values: Floats, truth: float, groups: list[int]) -> float:
    """Share of the benchmarks whose interval holds the truth."""
    held = 0
    for number, of_one in enumerate(values):
        interval = Resamples(groups, seed=number, resamples=RESAMPLES).of(with_ones(of_one), mean).interval
        held += interval.low <= truth <= interval.high
    print(f"{held / len(values):.3f} of {len(values)} benchmarks, {len(set(groups))} groups drawn")
    return held / len(values)


def test_the_interval_of_a_score_holds_the_truth_at_the_stated_rate() -> None:
    assert 0.92 <= coverage(simulated()[0], 0.5, IMAGE_OF) <= 0.98


def test_drawing_questions_in_place_of_images_is_too_sure_of_itself() -> None:
    """The reason for drawing images: questions about one image are right or wrong together."""
    assert coverage(simulated()[0][:200], 0.5, list(range(IMAGES * PER_IMAGE))) < 0.90


def test_the_interval_of_a_paired_difference_holds_the_truth_at_the_stated_rate() -> None:
    one, other = simulated()
    assert 0.92 <= coverage(other - one, 0.05, IMAGE_OF) <= 0.98


@cache
def questions() -> Questions:
    return Questions(
        ("invented", "test"),
        [
            Prediction(
                question_id=f"{number:03}",
                dataset="invented",
                split="test",
                images=(f"{image}.png",),
                prompt="?",
                truth="",
                answer_type="open",
                question_type="",
                options=(),
                error_types=(),
                base="b@0",
                adapter="base",
                variant="base",
                digest="",
                answer="",
                tokens=1,
            )
            for number, image in enumerate(IMAGE_OF)
        ],
    )


def table(rows: dict[str, Floats]) -> Table:
    """Of right answers (runs, questions) by adapter."""
    everywhere = np.ones(len(IMAGE_OF), dtype=np.bool_)
    return Table(
        questions=questions(),
        shown="own",
        applies=everywhere,
        rows={name: with_ones(of_one) for name, of_one in rows.items()},
        valid=dict.fromkeys(rows, everywhere),
        seeds={name: tuple(range(len(of_one))) for name, of_one in rows.items()},
    )


def test_holms_correction_keeps_false_differences_among_six_adapters_to_one_benchmark_in_twenty() -> None:
    """All adapters are as good as the base. Without the correction some of the six seems better or worse
    than it far more often."""
    rng = np.random.default_rng(1)
    names = [f"v{n}" for n in range(6)]
    corrected, plain = 0, 0
    for _ in range(BENCHMARKS):
        found = right_answers(rng, 7)
        of = table({name: row[None] for name, row in zip(["base", *names], found, strict=True)})
        p = [of.paired(name, "base")["all"].sample(mean).p for name in names]
        corrected += min(holm(p)) < 0.05
        plain += min(p) < 0.05
    print(f"false differences after Holm {corrected / BENCHMARKS:.3f}, uncorrected {plain / BENCHMARKS:.3f}")
    assert corrected / BENCHMARKS <= 0.05
    assert plain / BENCHMARKS > 0.12


def test_a_real_difference_is_seen() -> None:
    rng = np.random.default_rng(2)
    seen = 0
    for _ in range(50):
        found = right_answers(rng, 2, apart=0.15)
        of = table({"base": found[:1], "v": found[1:]})
        seen += of.paired("v", "base")["all"].sample(mean).p < 0.05
    assert seen >= 45


@pytest.mark.parametrize("runs", [0.0, 0.05])
def test_a_pools_interval_holds_the_truth_of_the_way_of_training(runs: float) -> None:
    """Five runs that differ by their seed, 200 benchmarks. Where runs differ, drawing images alone, as if
    these five were all that there could be, is too sure of itself."""
    rng = np.random.default_rng(3)
    held, by_images = 0, 0
    for _ in range(200):
        found = right_answers(rng, 5, runs=runs)
        interval = table({"v": found}).sums("v")["all"].sample(mean).interval
        held += interval.low <= 0.5 <= interval.high
        alone = table({"v": found.mean(axis=0)[None]}).sums("v")["all"].sample(mean).interval
        by_images += alone.low <= 0.5 <= alone.high
    print(f"pooled, runs apart by {runs}: {held / 200:.3f}, drawing images alone {by_images / 200:.3f}")
    assert 0.92 <= held / 200 <= 0.98
    if runs:
        assert by_images / 200 < 0.90
