"""The card of the zoo: every adapter of a Hub on one page, by base and data set, beside base and SFT.

The same entries give the same page, byte for byte. It passes scores on and computes nothing.
"""

from collections.abc import Sequence
from itertools import groupby

from model_cards import words
from zoo.catalog import Entry
from zoo.manifest import AdapterManifest, Evaluation
from zoo.notice import NOTICE

METRIC = "accuracy"
_HEAD = (
    "| variant | adapter | score (95 % interval) | n | base | SFT | over SFT | seed | licence | commit |\n"
    "|---|---|---|---:|---:|---:|---|---:|---|---|"
)


def render(entries: Sequence[Entry], *, hub: str) -> str:
    """The page in Markdown; `hub` is where the entries were found."""
    whole = [(entry, entry.manifest) for entry in entries if entry.manifest is not None]
    lines = [
        "# MedVLM Zoo",
        f"> **{NOTICE}**",
        f"{len(whole)} adapters on {hub}. Each is one variant of preference tuning on one base and one data "
        "set, with its answers and scores; `medzoo verify REPO` makes the scores again from the answers.",
        f"Scores are {METRIC} over all questions of the data set's test questions, differences paired by "
        "question; one whose 95 % interval holds zero is called no difference.",
    ]
    ordered = sorted(whole, key=lambda one: (*_group(one), one[1].variant.name, one[0].repo))
    for (base, revision, dataset), group in groupby(ordered, key=_group):
        rows = "\n".join(_row(entry, manifest) for entry, manifest in group)
        lines += [f"## {base} on {dataset}", f"Base `{base}` at `{revision}`.", f"{_HEAD}\n{rows}"]
    broken = [f"- `{entry.repo}`: {words.cell(str(entry.error.message))}" for entry in entries if entry.error]
    if broken:
        lines += ["## Cannot be read", "\n".join(broken)]
    return "\n\n".join(lines) + "\n"


def _group(one: tuple[Entry, AdapterManifest]) -> tuple[str, str, str]:
    entry, manifest = one
    score = entry.score(METRIC)
    return (
        manifest.base.name,
        manifest.base.revision,
        f"{score.dataset}/{score.split}" if score else manifest.data.dataset,
    )


def _row(entry: Entry, manifest: AdapterManifest) -> str:
    score = entry.score(METRIC)
    cells = (
        words.cell(manifest.variant.name),
        f"`{entry.repo}`",
        *(_scored(score) if score else ("not evaluated", "–", "–", "–", "–")),
        str(manifest.training.seed),
        f"`{manifest.license}`",
        f"`{entry.sha[:12]}`",
    )
    return f"| {' | '.join(cells)} |"


def _scored(e: Evaluation) -> tuple[str, ...]:
    def perhaps(value: float | None) -> str:
        return "–" if value is None else f"{value:.3f}"

    return (
        f"{e.value:.3f} ({e.low:.3f} to {e.high:.3f})",
        words.questions(e),
        perhaps(e.base_value),
        perhaps(e.sft_value),
        words.difference(e.value, e.sft_value, e.over_sft),
    )
