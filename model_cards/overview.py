"""The card of the zoo: every adapter of a Hub on one page, by base and data set, beside base and SFT.

The same entries give the same page, byte for byte. It passes scores on and computes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from model_cards import words
from zoo.catalog import Entry
from zoo.manifest import AdapterManifest, Evaluation
from zoo.notice import NOTICE

METRIC = "accuracy"
_HEAD = (
    "| variant | adapter | score (95 % interval) | n | base | SFT | over base | over SFT | seed | licence "
    "| commit |\n|---|---|---|---:|---:|---:|---|---|---:|---|---|"
)


@dataclass(frozen=True, kw_only=True)
class _Row:
    """One adapter on one benchmark, or on none."""

    entry: Entry
    manifest: AdapterManifest
    score: Evaluation | None

    @property
    def group(self) -> tuple[str, str, str]:
        where = (
            f"{self.score.dataset}/{self.score.split}"
            if self.score
            else f"{self.manifest.data.dataset}, unscored"
        )
        return self.manifest.base.name, self.manifest.base.revision, where


def render(entries: Sequence[Entry], *, hub: str) -> str:
    """The page in Markdown; `hub` is where the entries were found."""
    whole = [(entry, entry.manifest) for entry in entries if entry.manifest is not None]
    rows = [
        _Row(entry=entry, manifest=manifest, score=score)
        for entry, manifest in whole
        for score in _scores(manifest) or [None]
    ]
    lines = [
        "# MedVLM Zoo",
        f"> **{NOTICE}**",
        f"{len(whole)} adapters on {hub}. Each is one variant of preference tuning on one base and one data "
        "set, with its answers and scores; `medzoo verify REPO` makes the scores again from the answers.",
        f"A score is the {METRIC} over all questions; a difference is paired by question, and one whose 95 % "
        "interval holds zero is called no difference.",
    ]
    rows.sort(key=lambda row: (row.group, row.manifest.variant.name, row.entry.repo))
    for (base, revision, where), group in groupby(rows, key=lambda row: row.group):
        table = "\n".join([_HEAD, *map(_line, group)])
        lines += [f"## {base} on {where}", f"Base `{base}` at `{revision}`.", table]
    broken = [
        f"- `{entry.repo}` at `{entry.sha[:12]}`: {words.cell(entry.error.message)}"
        for entry in entries
        if entry.error is not None
    ]
    if broken:
        lines += ["## Cannot be read", "\n".join(broken)]
    return "\n\n".join(lines) + "\n"


def _scores(manifest: AdapterManifest) -> list[Evaluation | None]:
    """The score on each benchmark."""
    return [e for e in manifest.evaluation if (e.metric, e.subset, e.shown) == (METRIC, "all", "own")]


def _line(row: _Row) -> str:
    entry, manifest = row.entry, row.manifest
    cells = (
        words.cell(manifest.variant.name),
        f"`{entry.repo}`" + (" (private)" if entry.private else ""),
        *(_scored(row.score) if row.score else (_unscored(manifest), *"–––––")),
        str(manifest.training.seed),
        f"`{words.cell(manifest.license)}`",
        f"`{entry.sha[:12]}`",
    )
    return f"| {' | '.join(cells)} |"


def _unscored(manifest: AdapterManifest) -> str:
    return f"not scored by {METRIC}" if manifest.evaluation else "not evaluated"


def _scored(e: Evaluation) -> tuple[str, ...]:
    base, sft = ("–" if value is None else f"{value:.3f}" for value in (e.base_value, e.sft_value))
    return (
        f"{e.value:.3f} ({e.low:.3f} to {e.high:.3f})",
        words.questions(e),
        base,
        sft,
        words.difference(e.value, e.base_value, e.over_base),
        words.difference(e.value, e.sft_value, e.over_sft),
    )
