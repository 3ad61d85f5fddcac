"""Leaderboards as HTML: a table a benchmark, metric and judge, each score drawn in its row. Pure."""

from collections.abc import Sequence
from html import escape
from itertools import groupby
from urllib.parse import quote

from model_cards import words
from serving.ui.browse.boards import SFT, Board, Row, Trial
from zoo.evaluation.report.usual import explained
from zoo.manifest import Benchmark

SHORT = 8
"""Hex digits shown of a digest."""
_DASH = '<span class="mz-soft">–</span>'


def leaderboards_html(boards: Sequence[Board]) -> str:
    """Every board, under the trial that it is of: the headline metric open, the others to be opened."""
    return "".join(_trial(trial, list(of)) for trial, of in groupby(boards, key=lambda board: board.trial))


def _trial(trial: Trial, boards: list[Board]) -> str:
    whole = [board for board in boards if board.measure.subset == "all"]
    kinds = [board for board in boards if board.measure.subset != "all"]
    first, rest = whole[:1] or kinds[:1], whole[1:]
    tables = "".join(f"<h4>{_measured(board)}</h4>{_board(board)}" for board in first)
    tables += "".join(_folded(_measured(board), _board(board)) for board in rest)
    kinds = [board for board in kinds if board not in first]
    if kinds:
        told = f'<p class="mz-soft">{escape(explained(board.measure.subset for board in kinds))}</p>'
        inner = told + "".join(f"<h5>{_measured(board)}</h5>{_board(board)}" for board in kinds)
        tables += _folded(f"By kind of question: {len(kinds)}", inner)
    base = f"{trial.base.partition('@')[0]}@{trial.base.partition('@')[2][:SHORT]}"
    return (
        f'<section class="mz-trial"><h3>{escape(f"{trial.dataset}/{trial.split}")}'
        f' <small title="{escape(trial.base)}">on {escape(base)}</small></h3>'
        f'<p class="mz-soft">{_told(trial, boards[0].benchmark)}</p>{tables}</section>'
    )


def _told(trial: Trial, benchmark: Benchmark | None) -> str:
    """What the benchmark is, as far as the manifests say."""
    said = []
    if benchmark:
        said += [f"{benchmark.questions} questions on {benchmark.images} images", *benchmark.notes]
        said += [f"at most {benchmark.max_tokens} tokens an answer", f"licence {benchmark.license}"]
    said += [f"answered in {trial.precision}"] if trial.precision else []
    digest = f'<span title="{trial.fingerprint}">sha256 {trial.fingerprint[:SHORT]}</span>'
    return f"Benchmark: {escape('; '.join([*said, '']))}{digest}."


def _measured(board: Board) -> str:
    measure = board.measure
    of = "all questions" if measure.subset == "all" else measure.subset
    return escape(f"{measure.metric} · {of} · judge: {measure.judge}")


def _folded(summary: str, inner: str) -> str:
    return f"<details><summary>{summary}</summary>{inner}</details>"


def _board(board: Board) -> str:
    scale = _Scale(board)
    lines = "".join(_line(row, board, scale) for row in board.rows)
    less = " Less is better." if board.measure.better < 0 else ""
    about = escape(f"{board.measure.about}{less}".strip())
    caption = f"<caption>{about}</caption>" if board.measure.subset == "all" and about else ""
    apart = ""
    if board.apart:
        apart = (
            f'<p class="mz-apart">Not to be compared with the other tables of {escape(board.measure.metric)} '
            f"on {escape(board.trial.dataset)}: there are some {escape(', '.join(board.apart))}.</p>"
        )
    name = escape(
        f"{board.measure.metric} on {board.trial.dataset}/{board.trial.split}, {board.measure.subset}"
    )
    return (
        f'{apart}<div class="mz-scroll" role="group" tabindex="0" aria-label="{name}">'
        f'<table class="mz-ladder">{caption}<thead><tr>'
        f'<th scope="col">adapter</th><th scope="col">score (95 % interval)</th>'
        f'<th scope="col" class="mz-axis"><span class="mz-unseen">drawn</span>{scale.ticks()}</th>'
        f'<th scope="col">n</th><th scope="col">against base</th><th scope="col">against SFT</th>'
        f"</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def _line(row: Row, board: Board, scale: "_Scale") -> str:
    e = row.score
    if e is None:
        return _against(row, board, scale)
    said = f"{e.value:.3f}, interval {e.low:.3f} to {e.high:.3f}{_beside(e.value, board.base_value)}"
    name = f'<a href="#{quote(row.variant)}">{escape(row.name)}</a>'
    if row.variant != row.name:
        name += f" <small>{escape(row.variant)}</small>"
    find = f' data-find="{escape(finding(row.name, row.variant, board.trial.base))}"'
    return (
        f'<tr{"" if row.variant == SFT else find}><th scope="row">{name}</th>'
        f"<td><b>{e.value:.3f}</b> <small>{e.low:.3f} to {e.high:.3f}</small></td>"
        f"<td>{scale.drawn(e.value, e.low, e.high, said)}</td><td>{escape(words.questions(e))}</td>"
        f"<td>{_difference(words.difference(e.value, e.base_value, e.over_base))}</td>"
        f"<td>{_difference(words.difference(e.value, e.sft_value, e.over_sft))}</td></tr>"
    )


def _against(row: Row, board: Board, scale: "_Scale") -> str:
    """The line of the base, or of an SFT adapter that is not here."""
    value, note, drawn = _DASH, "no manifest has it", ""
    if row.value is not None:
        value, note = f"{row.value:.3f}", "interval not in the manifests"
        drawn = scale.drawn(row.value, None, None, f"{row.name}, {value}")
    counts = {one.score.n for one in board.rows if one.score}
    lost = any(one.score.failed for one in board.rows if one.score)
    n = _DASH if row.value is None or lost or len(counts) > 1 else counts.pop()
    return (
        f'<tr class="mz-against"><th scope="row">{escape(row.name)}</th>'
        f'<td>{value} <small class="mz-note">{note}</small></td><td>{drawn}</td><td>{n}</td>'
        f"<td>{_DASH}</td><td>{_DASH}</td></tr>"
    )


def finding(*parts: str) -> str:
    """What the filter looks for in an entry: its names, and of the base no digits."""
    return " ".join(part.partition("@")[0] for part in parts if part).lower()


def _beside(value: float, base: float | None) -> str:
    if base is None:
        return ""
    way = "above" if value > base else "below" if value < base else "at"
    return f", {way} the base at {base:.3f}"


def _difference(said: str) -> str:
    """The finding, and its interval in small."""
    if said == "–":
        return _DASH
    head, opened, rest = escape(said).partition("(")
    bounds, closed, after = rest.partition(")")
    after = f'<small class="mz-note">{after.removeprefix(", ")}</small>' if after else ""
    return f"{head}<small>{opened}{bounds}{closed}</small>{after}" if opened else head


class _Scale:
    """The axis of one board: all of its scores and intervals, with room at both ends."""

    def __init__(self, board: Board) -> None:
        ends = [row.value for row in board.rows if row.value is not None]
        ends += [end for row in board.rows if row.score for end in (row.score.low, row.score.high)]
        low, high = min(ends, default=0.0), max(ends, default=1.0)
        room = (high - low) * 0.06 or 0.05
        self._low, self._high = low - room, high + room
        self._base = board.base_value

    def _at(self, value: float) -> str:
        """Percent from the left."""
        return f"{100 * (value - self._low) / (self._high - self._low):.2f}%"

    def ticks(self) -> str:
        """Both ends as figures."""
        return (
            f'<span class="mz-ends" aria-hidden="true"><i>{self._low:.2f}</i><i>{self._high:.2f}</i></span>'
        )

    def drawn(self, value: float, low: float | None, high: float | None, said: str) -> str:
        """One row's picture; `said` is the same in words."""
        lines = "" if self._base is None else self._line("mz-zero", self._base, self._base, "0", "100%")
        if low is not None and high is not None:
            lines += self._line("mz-span", low, high, "50%", "50%")
            lines += "".join(self._line("mz-span", end, end, "32%", "68%") for end in (low, high))
        return (
            f'<svg class="mz-drawn" role="img" aria-label="{escape(said)}">{lines}'
            f'<circle cx="{self._at(value)}" cy="50%" r="4.5"/></svg>'
        )

    def _line(self, kind: str, left: float, right: float, top: str, bottom: str) -> str:
        x1, x2 = self._at(left), self._at(right)
        return f'<line class="{kind}" x1="{x1}" x2="{x2}" y1="{top}" y2="{bottom}"/>'
