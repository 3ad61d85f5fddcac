"""The statistics of all adapters' answers to a benchmark under one metric, and their sums in every resample.

All tables of a benchmark (metrics, judges, pictures shown) hold a row for each of its questions, in one
order, and share its resamples: a subset, a metric that is not for every question and a reply that cannot be
read are masks. So whole images of the benchmark are drawn, and how many questions of a subset a resample
holds varies as it would among other images; one that holds none says nothing of it (`Sample.interval`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from zoo.evaluation.answers import Answers, Where, subsets
from zoo.evaluation.bootstrap import Floats, Resamples, Sample, seed_weights
from zoo.evaluation.judged import Judged
from zoo.evaluation.metrics import Metric
from zoo.records import Prediction, Shown

Mask = npt.NDArray[np.bool_]
"""(questions,)"""
Combine = Callable[[Floats], Floats]


@dataclass(frozen=True, eq=False)
class Questions:
    """What a benchmark asks, by question id, whatever the order of the answers."""

    where: Where
    asked: Sequence[Prediction]
    """One a question, whoever answered."""

    @cached_property
    def resamples(self) -> Resamples:
        """Of the questions' images; benchmarks are resampled independently of each other."""
        name = "/".join(self.where)
        return Resamples([q.images for q in self.asked], seed=int.from_bytes(name.encode(), "big"))

    @cached_property
    def subsets(self) -> dict[str, Mask]:
        """Which questions are in each subset."""
        found = {}
        for subset, places in subsets(self.asked).items():
            found[subset] = np.zeros(len(self.asked), dtype=np.bool_)
            found[subset][places] = True
        return found

    def images(self, mask: Mask) -> int:
        """How many different pictures, or lists of pictures, those questions are about."""
        return len({question.images for question, there in zip(self.asked, mask, strict=True) if there})


@dataclass(frozen=True, eq=False)
class Sums:
    """The sums of an adapter's statistics over some questions."""

    total: Floats
    """(k,)"""
    draws: Floats
    """(resamples, k)"""
    drawn: Floats
    """(resamples,): how many of these questions each resample holds."""
    n: int

    def __add__(self, other: "Sums") -> "Sums":
        """Over both sets of questions."""
        return Sums(
            self.total + other.total, self.draws + other.draws, self.drawn + other.drawn, self.n + other.n
        )

    def sample(self, combine: Combine) -> Sample:
        with np.errstate(divide="ignore", invalid="ignore"):
            draws = np.where(self.drawn > 0, combine(self.draws), np.nan)
        return Sample(float(combine(self.total)), draws, self.n)


@dataclass(frozen=True, eq=False)
class Paired:
    """The sums of two adapters, or of one under two kinds of pictures, over the same questions."""

    mine: Sums
    other: Sums
    moved: Floats
    """(resamples, k): mine less other's over a random half of the images."""

    def __add__(self, more: "Paired") -> "Paired":
        """Over both sets of questions."""
        return Paired(self.mine + more.mine, self.other + more.other, self.moved + more.moved)

    def sample(self, combine: Combine) -> Sample:
        """The difference, with what it looks like when each image's answers are swapped at random."""
        difference = self.mine.sample(combine).minus(self.other.sample(combine))
        with np.errstate(divide="ignore", invalid="ignore"):
            null = combine(self.other.total + self.moved) - combine(self.mine.total - self.moved)
        return replace(difference, null=null)


def average(samples: Sequence[Sample]) -> Sample:
    """The mean of scores, or of differences, on several benchmarks; each counts alike."""
    nulls = [s.null for s in samples if s.null is not None]
    return Sample(
        float(np.mean([s.value for s in samples])),
        np.mean([s.draws for s in samples], axis=0),
        sum(s.n for s in samples),
        np.mean(nulls, axis=0) if nulls else None,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """The statistics of every adapter's answers to a benchmark's questions under one metric."""

    questions: Questions
    shown: Shown
    applies: Mask
    """The questions that the metric is for and that were asked with these pictures."""
    rows: dict[str, Floats]
    """(runs, questions, k) by adapter or pool; 0 where there is none."""
    valid: dict[str, Mask]
    """Where there is a row of every run."""
    seeds: dict[str, tuple[int, ...]]
    """Of the runs."""
    _sums: dict[tuple[str, bytes], dict[str, Sums]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        metric: Metric,
        judge: str,
        questions: Questions,
        shown: Shown,
        answers: Mapping[str, Answers],
        judged: Judged,
        pools: Mapping[str, Sequence[str]],
    ) -> "Table | None":
        """None if the metric is for none of the questions. An adapter, or a pool, on which no question's
        reply can be read is left out; None if all are.

        Raises:
            BadInput: the judge has not judged an answer.
        """
        asked = next(iter(answers.values()))
        applies = np.array([q.question_id in asked and metric.applies(q) for q in questions.asked])
        places = np.flatnonzero(applies).tolist()
        if not places:
            return None
        runs = {name: [one for one in of_pool if one in answers] for name, of_pool in pools.items()}
        runs = {name: found for name, found in runs.items() if found}
        found = {}
        for one in (one for of_pool in runs.values() for one in of_pool):
            given = [answers[one][questions.asked[place].question_id] for place in places]
            found[one] = [metric.statistics(p, judged.on(metric, judge, p)) for p in given]
        width = next((len(row) for rows in found.values() for row in rows if row is not None), None)
        if width is None:
            return None
        rows, valid = {}, {}
        for name, of_pool in runs.items():
            rows[name] = np.zeros((len(of_pool), len(applies), width))
            valid[name] = applies.copy()
            for run, one in enumerate(of_pool):
                for place, row in zip(places, found[one], strict=True):
                    if row is None:
                        valid[name][place] = False
                    else:
                        rows[name][run, place] = row
            rows[name][:, ~valid[name]] = 0.0
            if not valid[name].any():
                del rows[name], valid[name]
        if not rows:
            return None
        seeds = {
            name: tuple(next(iter(answers[one].values())).seed for one in of_pool)
            for name, of_pool in runs.items()
            if name in rows
        }
        return cls(questions=questions, shown=shown, applies=applies, rows=rows, valid=valid, seeds=seeds)

    def mask(self, subset: str, name: str | None = None) -> Mask:
        """The questions of a subset that the metric is for, or those of them on which `name` has a row."""
        return self.questions.subsets[subset] & (self.applies if name is None else self.valid[name])

    def sums(self, name: str, among: Mask | None = None) -> dict[str, Sums]:
        """By subset, those where there is any, over the questions of `among` that have a row.

        A pool's are the mean over its runs, and in a resample over the runs that were drawn.
        """
        valid = self.valid[name] if among is None else self.valid[name] & among
        key = name, valid.tobytes()
        if key not in self._sums:
            self._sums[key] = self._summed(name, valid)
        return self._sums[key]

    def _summed(self, name: str, valid: Mask) -> dict[str, Sums]:
        rows = self.rows[name]
        masks = {s: mask & valid for s, mask in self.questions.subsets.items() if (mask & valid).any()}
        columns = [row for mask in masks.values() for row in (mask[None, :], *_columns(rows, mask))]
        resamples = self.questions.resamples
        draws = resamples.sums(np.concatenate(columns).T)
        weights = seed_weights(self.seeds[name], resamples=resamples.resamples)
        runs, _, width = rows.shape
        found = {}
        for number, (subset, mask) in enumerate(masks.items()):
            own = draws[:, number * (1 + runs * width) :][:, : 1 + runs * width]
            by_run = own[:, 1:].reshape(-1, runs, width)
            found[subset] = Sums(
                rows[:, mask].sum(axis=1).mean(axis=0),
                np.einsum("rm,rmk->rk", weights, by_run),
                own[:, 0],
                int(mask.sum()),
            )
        return found

    def paired(self, name: str, other: str, than: "Table | None" = None) -> dict[str, Paired]:
        """By subset, `name` beside `other` (in the table `than`, without it in this one), over the questions
        that have a row in both."""
        than = than or self
        joint = self.valid[name] & than.valid[other]
        mine, others = self.sums(name, joint), than.sums(other, joint)
        if not mine:
            return {}
        apart = (self.rows[name].mean(axis=0) - than.rows[other].mean(axis=0))[None]
        columns = [row for s in mine for row in _columns(apart, self.questions.subsets[s] & joint)]
        moved = self.questions.resamples.swaps(np.concatenate(columns).T)
        width = apart.shape[2]
        return {
            s: Paired(mine[s], others[s], moved[:, n * width : (n + 1) * width]) for n, s in enumerate(mine)
        }


def _columns(rows: Floats, mask: Mask) -> list[Floats]:
    """(runs, questions, k) as runs arrays of (k, questions), 0 outside of the mask."""
    return [np.where(mask, run.T, 0.0) for run in rows]
