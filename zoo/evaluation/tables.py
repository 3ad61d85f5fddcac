"""The statistics of all adapters' answers to one benchmark under one metric, and what they come to."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from zoo.evaluation.answers import Answers, Where
from zoo.evaluation.bootstrap import Floats, Resamples, Sample
from zoo.evaluation.judged import Judged
from zoo.evaluation.metrics import Metric
from zoo.records import Prediction, Shown


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """The statistics of every adapter's answers to the questions of one benchmark that a metric is for."""

    where: Where
    shown: Shown
    questions: list[Prediction]
    """One a question, whoever answered: for what was asked."""
    rows: dict[str, Floats]
    """(questions, k) by adapter or pool; nan where the judge's reply could not be read."""
    members: dict[str, list[Floats]]
    """The same of each member of a pool."""

    @classmethod
    def of(
        cls,
        metric: Metric,
        judge: str,
        where: Where,
        shown: Shown,
        answers: Mapping[str, Answers],
        judged: Judged,
        pools: Mapping[str, Sequence[str]],
    ) -> "Table | None":
        questions = [q for q in next(iter(answers.values())).values() if metric.applies(q)]
        if not questions:
            return None

        def statistics(of_one: Answers) -> Floats:
            found = [of_one[q.question_id] for q in questions]
            rows = [metric.statistics(p, judged.on(metric, judge, p)) for p in found]
            width = max((len(row) for row in rows if row is not None), default=1)
            return np.array([row if row is not None else (np.nan,) * width for row in rows], dtype=np.float64)

        members = {
            name: [statistics(answers[one]) for one in of_pool if one in answers]
            for name, of_pool in pools.items()
        }
        members = {name: found for name, found in members.items() if found}
        rows = {name: np.mean(found, axis=0) for name, found in members.items()}
        return cls(where=where, shown=shown, questions=questions, rows=rows, members=members)

    def part(self, chosen: Sequence[int]) -> "Table":
        """The same of some of the questions."""
        picked = np.array(chosen)
        return replace(
            self,
            questions=[self.questions[i] for i in chosen],
            rows={name: rows[picked] for name, rows in self.rows.items()},
            members={name: [rows[picked] for rows in found] for name, found in self.members.items()},
        )

    def resamples(self) -> Resamples:
        """Of the questions' images; benchmarks are resampled independently of each other."""
        name = "/".join(self.where)
        seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
        return Resamples([q.images for q in self.questions], seed=seed)


def sample_of(resamples: Resamples, rows: Floats, valid: npt.NDArray[np.bool_], metric: Metric) -> Sample:
    """The score over the valid rows."""
    kept = np.where(valid[:, None], rows, 0.0)
    return replace(resamples.of(kept, metric.combine), n=int(valid.sum()))


def valid_rows(rows: Floats) -> npt.NDArray[np.bool_]:
    return np.asarray(~np.isnan(rows).any(axis=1))


def paired(resamples: Resamples, mine: Floats, other: Floats, metric: Metric) -> Sample:
    """The paired difference over the rows that are valid in both."""
    valid = valid_rows(mine) & valid_rows(other)
    return sample_of(resamples, mine, valid, metric).minus(sample_of(resamples, other, valid, metric))
