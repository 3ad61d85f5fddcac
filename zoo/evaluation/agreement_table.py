"""Agreement between raters as text for a terminal. Knows no file."""

from collections.abc import Mapping, Sequence

from zoo.evaluation.agreement import Agreement, Rated, alpha, confusion, kappa, same
from zoo.evaluation.bootstrap import Interval
from zoo.evaluation.report.table import DASH

_MOST_LABELS = 6
"""Of a table of who said what; of more the coefficients say it shorter."""


def agreement_text(rated: Rated) -> str:
    """Alpha of all raters; of each two percentage agreement, kappa and who said what."""
    if len(rated.raters) == 1:
        return f"{rated.name}: {rated.raters[0]} alone"
    scale = "ordinal" if rated.ordered else "nominal"
    lines = [f"{rated.name}: {len(rated.raters)} raters", f"  alpha ({scale}) {_shown(alpha(rated))}"]
    for two in rated.pairs():
        lines += ["", f"  {two.raters[0]}  |  {two.raters[1]}"]
        if not len(two.said):
            lines.append("    nothing that both rated" + _HINTS.get(rated.name, ""))
            continue
        lines += [f"    same label   {_shown(same(two))}", f"    kappa        {_shown(kappa(two))}"]
        if two.ordered:
            lines.append(f"    linear kappa {_shown(kappa(two, weighted=True))}")
        if len(two.labels) <= _MOST_LABELS:
            lines += ["", *_who_said_what(two)]
    return "\n".join(lines)


def own_text(scales: Sequence[Rated]) -> str:
    """How far raters say the same of an answer again, a line a scale."""
    rows = [["raters with themselves", "same label", "kappa"]]
    rows += [[one.name, _shown(same(one)), _shown(kappa(one, weighted=one.ordered))] for one in scales]
    return "\n".join(columns(rows))


_HINTS = {"facts": ": they split the truths differently; judge again with --facts"}


def shares_text(shares: Mapping[str, Mapping[str, Interval]], unjudged: Mapping[str, int]) -> str:
    """Shares of judged answers with each severity and error type, a line an adapter, and how often a rater
    could not judge."""
    names = next((list(of) for of in shares.values() if of), [])
    rows = [
        [
            adapter,
            *(_percent(of[name]) if of else DASH for name in names),
            str(of[names[0]].n if of else 0),
            str(unjudged[adapter]),
        ]
        for adapter, of in shares.items()
    ]
    return "\n".join(columns([["% of answers", *names, "n", "cannot judge"], *rows]))


def _who_said_what(two: Rated) -> list[str]:
    """Rows are the first rater's labels, columns the second's."""
    found = confusion(two)
    rows = [[label, *map(str, row)] for label, row in zip(two.labels, found, strict=True)]
    return ["    " + line for line in columns([["first \\ second", *two.labels], *rows])]


def columns(rows: list[list[str]]) -> list[str]:
    """Rows of cells as lines: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]


def _shown(found: Agreement) -> str:
    if found.value is None:
        return f"not defined (n {found.n}): " + ("one label alone" if found.n else "nothing that two rated")
    if found.low is None or found.high is None:
        return f"{found.value:.3f}, no interval: too few items with more than one label (n {found.n})"
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}] (n {found.n})"


def _percent(share: Interval) -> str:
    return f"{100 * share.value:.1f} [{100 * share.low:.1f}, {100 * share.high:.1f}]"
