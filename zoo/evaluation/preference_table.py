"""Win rates and strengths as text for a terminal. Knows no file."""

from collections.abc import Mapping, Sequence

from zoo.evaluation.agreement_table import columns
from zoo.evaluation.bootstrap import Interval
from zoo.evaluation.preferences import FEW, Pair, Strength
from zoo.evaluation.rated_cases import Drawn
from zoo.evaluation.report.table import DASH, NO_DIFFERENCE


def preference_text(pairs: Sequence[Pair], against: Mapping[str, Sequence[Strength]], *, drawn: Drawn) -> str:
    """How often each of two was preferred, then what that says of each against each reference."""
    wins = [["% of questions", "preferred", "tied", "not", "lead, points", "n"]]
    for pair in pairs:
        lead = f"{100 * pair.lead.value:+.1f} {_bounds(pair.lead, '+.1f')}"
        cells = (*(f"{100 * one.value:.1f} {_bounds(one)}" for one in (pair.win, pair.tie, pair.loss)),)
        shown = f"{NO_DIFFERENCE} {_bounds(pair.lead, '+.1f')}" if pair.lead.holds_zero else lead
        wins.append([f"{pair.first} over {pair.second}", *cells, shown, str(pair.win.n)])
    lines = columns(wins)
    for reference, strengths in against.items():
        lines += ["", *columns(_strength_rows(reference, strengths))]
    lines += ["", METHOD.format(drawn=drawn)]
    fewest = min(pair.units for pair in pairs)
    return "\n".join([*lines, few(fewest)] if fewest < FEW else lines)


def _strength_rows(reference: str, strengths: Sequence[Strength]) -> list[list[str]]:
    rows = [[f"preferred to {reference}, %", "strength", "n"]]
    for one in strengths:
        if one.share is None:
            rows.append([one.adapter, one.reason if one.side else f"{DASH} {one.reason}", ""])
            continue
        equal = "" if one.differs else f", {NO_DIFFERENCE}"
        rows.append(
            [one.adapter, f"{100 * one.share.value:.1f} {_bounds(one.share)}{equal}", str(one.share.n)]
        )
    return rows


METHOD = (
    "Strengths: Bradley and Terry 1952, a tie half a win for either, one tie added to each pair that met.\n"
    "What is above or below in all rankings has no finite strength: in how many is told. Intervals are\n"
    "95 %, over {drawn}, whose questions are drawn together, and not corrected for many comparisons."
)


def few(units: int) -> str:
    """What is said of few units."""
    return f"Only {units} of them were ranked: intervals of fewer than {FEW} are too narrow."


def _bounds(interval: Interval, form: str = ".1f") -> str:
    return f"[{100 * interval.low:{form}}, {100 * interval.high:{form}}]"
