"""Which of an adapter's scores its card shows, and what it says of the benchmarks that they rest on."""

from collections.abc import Sequence
from dataclasses import dataclass

from model_cards import words
from zoo.manifest import AdapterManifest, Benchmark, Evaluation, predictions_name

OVERALL = ("closed", "open", "report")
"""Subsets that stand beside `all`; every other one is a type of question or of error."""
HEADLINE = "accuracy"
"""The metric that is shown by question type, if it is there."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows of a card's tables: every metric over all questions, the headline one by type and with other
    pictures too."""

    headline: list[Evaluation]
    """The first score of each benchmark: the headline one over all questions."""
    overall: list[Evaluation]
    by_type: list[Evaluation]
    ablation: list[Evaluation]
    shortened: bool
    """Whether the manifest holds more scores than these."""

    @classmethod
    def of(cls, evaluation: Sequence[Evaluation]) -> "Rows":
        first: dict[tuple[str, str], str] = {}
        for e in evaluation:
            where = (e.dataset, e.split)
            if where not in first or (e.metric == HEADLINE and first[where] != HEADLINE):
                first[where] = e.metric

        def is_headline(e: Evaluation) -> bool:
            return e.metric == first[e.dataset, e.split]

        def is_overall(e: Evaluation) -> bool:
            return e.subset == "all" or (is_headline(e) and e.subset in OVERALL)

        own = [e for e in evaluation if e.shown == "own"]
        overall = [e for e in own if is_overall(e)]
        by_type = [e for e in own if is_headline(e) and not is_overall(e)]
        ablation = [e for e in evaluation if e.shown != "own" and is_overall(e) and is_headline(e)]
        shown = len(overall) + len(by_type) + len(ablation)
        return cls(
            headline=[e for e in overall if is_headline(e) and e.subset == "all"],
            overall=overall,
            by_type=by_type,
            ablation=ablation,
            shortened=shown < len(evaluation),
        )


def benchmark_lines(manifest: AdapterManifest) -> list[str]:
    """A line for each benchmark: how large it is, what is known against it, where its answers are."""
    told = {(b.dataset, b.split) for b in manifest.benchmarks}
    old = {(e.dataset, e.split, e.fingerprint): None for e in manifest.evaluation}
    return [
        *(_line(b, manifest.evaluation) for b in manifest.benchmarks),
        *(
            f"{words.cell(dataset)}/{words.cell(split)}: questions' sha256 `{fingerprint}`; the answers were "
            "not kept, so the scores cannot be made again"
            for dataset, split, fingerprint in old
            if (dataset, split) not in told
        ),
    ]


def _line(b: Benchmark, evaluation: Sequence[Evaluation]) -> str:
    of = [e for e in evaluation if (e.dataset, e.split) == (b.dataset, b.split)]
    precisions = sorted({e.precision for e in of} - {""})
    name = predictions_name(b.dataset, b.split)
    said = [
        f"{b.questions} questions on {b.images} images",
        *map(words.cell, b.notes),
        f"at most {b.max_tokens} tokens an answer" + (f", in {', '.join(precisions)}" if precisions else ""),
        f"licence `{b.license}`",
        f"answers in [`{name}`]({name})" if b.publishable else "answers withheld",
        f"sha256 `{b.fingerprint}`",
    ]
    return f"{words.cell(b.dataset)}/{words.cell(b.split)}: {'; '.join(said)}"
