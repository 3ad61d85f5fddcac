"""Scores as a table for people: every difference with its interval, or the words `no difference`."""

from collections.abc import Sequence

from zoo.evaluation.bootstrap import Interval
from zoo.evaluation.score import Score


def score_table(scores: Sequence[Score]) -> str:
    """The whole-benchmark rows with their differences, then the accuracy by subset, in plain text."""
    whole = [s for s in scores if s.subset == "all" and s.metric == "accuracy"]
    rows = [["adapter", "accuracy", "95 % interval", "n", "over base", "over SFT"]]
    for s in whole:
        i = s.interval
        rows.append(
            [
                s.adapter,
                f"{i.value:.1%}",
                f"{i.low:.1%} to {i.high:.1%}",
                str(i.n),
                _difference(s.over_base),
                _difference(s.over_sft),
            ]
        )
    names = [s.adapter for s in whole]
    by_subset: dict[str, dict[str, Interval]] = {}
    for s in scores:
        if s.subset != "all" and s.metric == "accuracy":
            by_subset.setdefault(s.subset, {})[s.adapter] = s.interval
    parts = [["accuracy on", "n", *names]]
    for subset, found in by_subset.items():
        n = str(next(iter(found.values())).n)
        parts.append([subset, n, *(f"{found[name].value:.1%}" for name in names)])
    return f"{_aligned(rows)}\n\n{_aligned(parts)}"


def _difference(interval: Interval | None) -> str:
    if interval is None:
        return "-"
    if interval.holds_zero:
        return f"no difference ({interval.low:+.1%} to {interval.high:+.1%})"
    return f"{interval.value:+.1%} ({interval.low:+.1%} to {interval.high:+.1%})"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
