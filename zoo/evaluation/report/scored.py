"""The answers of a report, scored, with what is known of how they were made. Reads files, knows no table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from zoo.errors import BadInput
from zoo.evaluation.answers import Where, by_base, sft_adapter
from zoo.evaluation.report.layouts import Layout
from zoo.evaluation.run import RUN_NAME, read_run
from zoo.evaluation.score import Score, score_predictions
from zoo.manifest import MANIFEST_NAME, read_manifest
from zoo.records import Prediction, Verdict, read_jsonl

NOT_RECORDED = f"Nothing says how these answers were made, nor what leaks: no {RUN_NAME} is beside them."


@dataclass(frozen=True, kw_only=True)
class Scored:
    """The scores of one base and its adapters, and what they rest on."""

    base: str
    """The base's name where there are several; else empty."""
    predictions: Sequence[Prediction]
    verdicts: Sequence[Verdict]
    scores: Sequence[Score]
    """Of base and SFT first."""
    sft: str | None
    """The name under which SFT is scored."""
    pool: bool
    made: Mapping[Where, tuple[str, ...]]
    """What is known of each benchmark and of how its answers were made, a sentence each."""

    @property
    def adapters(self) -> tuple[str, ...]:
        """Base and SFT first, then as they came."""
        return tuple(dict.fromkeys(score.adapter for score in self.scores))

    def part(self, predictions: Sequence[Prediction], metric: str) -> list[Score]:
        """The scores of some of the answers by one metric."""
        asked = {(p.dataset, p.split, p.question_id) for p in predictions}
        verdicts = [v for v in self.verdicts if (v.dataset, v.split, v.question_id) in asked]
        return score_predictions(predictions, verdicts=verdicts, sft=self.sft, names=[metric], pool=self.pool)

    def label(self, adapter: str) -> str:
        """An adapter's name for people; SFT is named as such."""
        return f"{adapter} (SFT)" if adapter == self.sft and adapter.lower() != "sft" else adapter

    def title(self, text: str) -> str:
        """A title, with the base's name where there are several."""
        return f"{self.base}, {text}" if self.base else text


def score_files(
    files: Sequence[Path],
    *,
    verdicts: Sequence[Path] = (),
    sft: str | None = None,
    metrics: Sequence[str] = (),
    layout: Layout | None = None,
    pool: bool = False,
) -> list[Scored]:
    """Score the answers of some files, each base by itself; a line that stands in several files counts once.

    By `metrics`, else by those that `layout` needs, else by the usual ones.

    Raises:
        BadRecord: a file that cannot be read.
        BadInput: answers that cannot be compared, see `score_predictions`, or no metric is for them.
    """
    predictions = list(dict.fromkeys(p for file in files for p in read_jsonl(file, Prediction)))
    heard = list(dict.fromkeys(v for file in verdicts for v in read_jsonl(file, Verdict)))
    if layout is not None and not metrics:
        metrics = layout.metrics({p.dataset for p in predictions})
    scores = score_predictions(predictions, verdicts=heard, sft=sft, names=metrics or None, pool=pool)
    if not scores:
        raise BadInput(
            f"none of {', '.join(metrics) or 'the metrics'} is for these questions, or no judge was asked",
            hint="medzoo judge --help",
        )
    made = _made(files, predictions)
    bases = by_base(predictions)
    found = []
    for base, of_base in bases.items():
        known = {name for p in of_base for name in (p.adapter, p.variant)}
        whole = Scored(
            base=_short(base) if len(bases) > 1 else "",
            predictions=of_base,
            verdicts=heard,
            scores=[score for score in scores if score.base == base],
            sft=sft_adapter(of_base, sft if sft in known or len(bases) == 1 else None, pool=pool),
            pool=pool,
            made=made,
        )
        found.append(replace(whole, sft=whole.sft if whole.sft in whole.adapters else None))
    return found


def _made(files: Sequence[Path], predictions: Sequence[Prediction]) -> dict[Where, tuple[str, ...]]:
    """What the records beside the files say of each benchmark: `evaluation.json`, or a manifest."""
    said: dict[Where, dict[str, None]] = {(p.dataset, p.split): {} for p in predictions}
    for file in files:
        for where, notes in _recorded(file).items():
            if where in said:
                said[where] |= dict.fromkeys(notes)
    return {where: tuple(notes) or (NOT_RECORDED,) for where, notes in said.items()}


def _recorded(file: Path) -> dict[Where, list[str]]:
    folder = file.parent.parent
    if (file.parent / RUN_NAME).is_file():
        run = read_run(file.parent)
        benchmarks, base = run.benchmarks, f"{_short(run.base)} in {run.precision}"
    elif file.parent.name == "predictions" and (folder / MANIFEST_NAME).is_file():
        manifest = read_manifest(folder)
        benchmarks, base = manifest.benchmarks, f"{manifest.base.name}@{manifest.base.revision[:12]}"
    else:
        return {}
    return {
        (b.dataset, b.split): [
            f"{b.questions} questions about {b.images} images ({b.license}); answers of at most "
            f"{b.max_tokens} tokens; base {base}.",
            *(f"{note[:1].upper()}{note[1:].rstrip('.')}." for note in b.notes),
        ]
        for b in benchmarks
    }


def _short(pinned: str) -> str:
    """`name@revision` with the revision's first digits."""
    name, at, revision = pinned.partition("@")
    return f"{name}{at}{revision[:12]}"
