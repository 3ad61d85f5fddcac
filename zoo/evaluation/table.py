"""Scores as a table for people: every difference with its interval, or the words `no difference`."""

from collections.abc import Sequence

from zoo.evaluation.bootstrap import Interval
from zoo.evaluation.score import Score
from zoo.records import BASE


def score_table(scores: Sequence[Score]) -> str:
    """Each metric over the whole benchmark with its differences, then by subset, in plain text."""
    names = list(dict.fromkeys(s.adapter for s in scores))
    tables = []
    for metric in dict.fromkeys(s.metric for s in scores):
        found = [s for s in scores if s.metric == metric]
        whole = [s for s in found if s.subset == "all"]
        if whole:
            tables.append(_whole(metric, whole))
        tables.append(_by_subset(metric, [s for s in found if s.subset != "all"], names))
    if not any(s.sft_value is not None for s in scores) and names != [BASE]:
        tables.append("No SFT adapter is among them, so nothing here says what preference adds to imitation.")
    return "\n\n".join(tables)


def _whole(metric: str, scores: Sequence[Score]) -> str:
    rows = [["adapter", metric, "95 % interval", "n", "over base", "over SFT"]]
    for s in scores:
        i = s.interval
        bounds = f"{i.low:.1%} to {i.high:.1%}"
        rows.append(
            [s.adapter, f"{i.value:.1%}", bounds, str(i.n), _difference(s.over_base), _difference(s.over_sft)]
        )
    return _aligned(rows)


def _by_subset(metric: str, scores: Sequence[Score], names: Sequence[str]) -> str:
    rows = [[f"{metric} on", "n", *names]]
    for subset in dict.fromkeys(s.subset for s in scores):
        found = {s.adapter: s.interval for s in scores if s.subset == subset}
        cells = [f"{i.value:.1%} ({i.low:.0%} to {i.high:.0%})" for i in (found[name] for name in names)]
        rows.append([subset, str(found[names[0]].n), *cells])
    return _aligned(rows)


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
