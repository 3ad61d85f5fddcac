"""Which scores may stand in one table, and in which order: never of two benchmarks, judges or bases. Pure.

It takes scores as the manifests have them and computes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from model_cards.results import HEADLINE, Rows
from serving.service import Listing
from zoo.errors import UnknownName
from zoo.evaluation.metrics import get_metric
from zoo.manifest import AdapterManifest, Benchmark, Evaluation


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A benchmark as one base's adapters were put to it: what scores must share to be set side by side."""

    base: str
    """`name@revision`."""
    dataset: str
    split: str
    fingerprint: str
    precision: str
    max_tokens: int | None
    """Most tokens of an answer; None where it was not noted."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What was scored in a trial, and by whom."""

    metric: str
    subset: str
    judge: str

    @property
    def better(self) -> int:
        """1 where more is better, as for a metric that is not known here, else -1."""
        try:
            return get_metric(self.metric).better
        except UnknownName:
            return 1

    @property
    def about(self) -> str:
        """What the metric counts; empty for one that is not known here."""
        try:
            return get_metric(self.metric).about
        except UnknownName:
            return ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of a board: an adapter with its score, or what adapters are set against, with a value alone."""

    name: str
    variant: str = ""
    """Empty for the base and for an SFT adapter that is not here."""
    value: float | None
    """None where no manifest has it."""
    score: Evaluation | None = None


@dataclass(frozen=True, kw_only=True)
class Board:
    """One table: the best first, the base and SFT among them, those without a value last."""

    trial: Trial
    measure: Measure
    rows: tuple[Row, ...]
    benchmark: Benchmark | None
    apart: tuple[str, ...] = ()
    """In what other tables of this metric on this data set differ: none of them can be compared with it."""

    @property
    def base_value(self) -> float | None:
        """The base's score, where there is one and all manifests agree on it."""
        values = [row.value for row in self.rows if row.name == BASE_ROW and not row.score]
        return values[0] if len(values) == 1 else None


SFT = "sft"
"""The variant that others are set against."""
BASE_ROW, SFT_ROW = "base", "SFT, not served here"
_APART = {
    "base": "of another base",
    "split": "of another split",
    "fingerprint": "of other questions or pictures",
    "precision": "in another precision",
    "max_tokens": "of answers of another length",
    "judge": "by another judge",
}


def boards(listings: Sequence[Listing]) -> list[Board]:
    """Every table of the scores that cards show, image ablations left out: by trial, there the headline
    metric first and all questions before kinds of them. An adapter that failed here is in none."""
    found: dict[tuple[Trial, Measure], list[Row]] = {}
    known: dict[Trial, Benchmark | None] = {}
    for listing in listings:
        if listing.files is None or listing.status.state == "failed":
            continue
        manifest = listing.files.manifest
        shown = Rows.of(manifest.evaluation)
        for e in (*shown.overall, *shown.by_type):
            benchmark = _benchmark(manifest, e)
            trial = _trial(manifest, e, benchmark)
            known[trial] = known.get(trial) or benchmark
            measure = Measure(metric=e.metric, subset=e.subset, judge=e.judge)
            row = Row(name=listing.alias, variant=manifest.variant.name, value=e.value, score=e)
            found.setdefault((trial, measure), []).append(row)
    made = [
        Board(trial=trial, measure=measure, rows=_ordered(rows, measure), benchmark=known[trial])
        for (trial, measure), rows in found.items()
    ]
    made.sort(key=lambda one: _place(one.trial, one.measure))
    return [replace(one, apart=_apart(one, made)) for one in made]


def _benchmark(manifest: AdapterManifest, e: Evaluation) -> Benchmark | None:
    wanted = (e.dataset, e.split, e.fingerprint)
    return next((b for b in manifest.benchmarks if (b.dataset, b.split, b.fingerprint) == wanted), None)


def _trial(manifest: AdapterManifest, e: Evaluation, benchmark: Benchmark | None) -> Trial:
    return Trial(
        base=f"{manifest.base.name}@{manifest.base.revision}",
        dataset=e.dataset,
        split=e.split,
        fingerprint=e.fingerprint,
        precision=e.precision,
        max_tokens=benchmark.max_tokens if benchmark else None,
    )


def _place(trial: Trial, measure: Measure) -> tuple[object, ...]:
    where = (trial.base, trial.dataset, trial.split, trial.fingerprint, trial.precision)
    what = (measure.subset != "all", measure.metric != HEADLINE, measure.metric, measure.judge)
    return (*where, trial.max_tokens or 0, *what, measure.subset)


def _ordered(rows: Sequence[Row], measure: Measure) -> tuple[Row, ...]:
    """With the base and SFT, which have a row for each value that the manifests have of them."""
    scores = [row.score for row in rows if row.score]
    base = {e.base_value for e in scores if e.base_value is not None}
    sft = {e.sft_value for e in scores if e.sft_value is not None}
    here = {row.value for row in rows if row.variant == SFT}
    against = [Row(name=BASE_ROW, value=value) for value in sorted(base)] or [Row(name=BASE_ROW, value=None)]
    if not here or sft - here:
        elsewhere = [Row(name=SFT_ROW, value=value) for value in sorted(sft - here)]
        against += elsewhere or [Row(name=SFT_ROW, value=None)]

    def worth(row: Row) -> tuple[bool, float, str]:
        return row.value is None, -measure.better * (row.value or 0.0), row.name.lower()

    return tuple(sorted((*rows, *against), key=worth))


def _apart(board: Board, others: Sequence[Board]) -> tuple[str, ...]:
    def named(one: Board) -> dict[str, object]:
        return vars(one.trial) | vars(one.measure)

    mine = named(board)
    alike = [named(one) for one in others]
    alike = [one for one in alike if all(one[key] == mine[key] for key in ("dataset", "metric", "subset"))]
    return tuple(words for key, words in _APART.items() if any(one[key] != mine[key] for one in alike))
