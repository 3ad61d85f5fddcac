"""Scores as tables for a terminal: every difference with its interval, or the words `no difference`."""

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import groupby

from zoo.evaluation.answers import SFT
from zoo.evaluation.correction import MARK, stands
from zoo.evaluation.judged import Judged
from zoo.evaluation.metrics import get_metric, left_out, metrics
from zoo.evaluation.score import MACRO, MICRO, WHOLE, Difference, Score
from zoo.records import BASE, RULES, Prediction, Verdict

SHOWN = {"noise": "with noise", "other": "with another patient's image"}


def score_table(scores: Sequence[Score]) -> str:
    """By base and benchmark each metric over the whole benchmark with its differences, then by subset, then
    what the image ablation lost. Over several benchmarks (micro, macro) the whole alone."""
    tables = []
    bases = dict.fromkeys(s.base for s in scores)
    for base in bases:
        found = [s for s in scores if s.base == base]
        if len(bases) > 1:
            tables.append(f"BASE {base}")
        for dataset, split in dict.fromkeys((s.dataset, s.split) for s in found):
            here = [s for s in found if (s.dataset, s.split) == (dataset, split)]
            tables += [_heading(here), *_of_benchmark(here)]
        if {s.adapter for s in found} != {BASE} and not any(s.sft_value is not None for s in found):
            tables.append(
                "No SFT adapter is among them, so nothing here says what preference adds to imitation."
            )
    return "\n\n".join(tables)


def left_out_lines(predictions: Sequence[Prediction]) -> list[str]:
    """A line for each usual metric that is not shown, since its library is not installed."""
    return [
        f"NOT SCORED by {name}: {error.message}. Install it: {error.hint}"
        for name, error in left_out(predictions).items()
    ]


def unread_lines(
    predictions: Sequence[Prediction], verdicts: Sequence[Verdict], names: Collection[str] = ()
) -> list[str]:
    """A line for each adapter without a score since a judge gave no reply on it that could be read, and for
    each metric of `names`, by default the usual ones."""
    judged = Judged(verdicts)
    asked: Counter[tuple[str, ...]] = Counter()
    read: set[tuple[str, ...]] = set()
    for metric in metrics().values():
        if metric.task is None or not (metric.name in names if names else metric.usual):
            continue
        for p in filter(metric.applies, predictions):
            for judge in judged.judges(metric, (p.dataset, p.split), p.shown):
                key = metric.name, judge, p.base, p.adapter, f"{p.dataset}/{p.split}", p.shown
                asked[key] += 1
                if metric.statistics(p, judged.on(metric, judge, p)) is not None:
                    read.add(key)
    return [
        f"NOT SCORED by {metric}: {judge} gave no reply on {adapter}'s answers to {where}"
        f"{' ' + SHOWN[shown] if shown in SHOWN else ''} that could be read: {count} answers."
        for (metric, judge, _, adapter, where, shown), count in asked.items()
        if (metric, judge, _, adapter, where, shown) not in read
    ]


def cut_lines(predictions: Sequence[Prediction]) -> list[str]:
    """A line for each adapter and benchmark of which answers were cut at the most tokens."""
    asked = Counter((p.adapter, p.dataset, p.split) for p in predictions)
    cut = [p for p in predictions if p.finish == "length"]
    return [
        f"{count} of {asked[adapter, dataset, split]} answers of {adapter} to {dataset}/{split} were cut at "
        f"{tokens} tokens."
        for (adapter, dataset, split, tokens), count in Counter(
            (p.adapter, p.dataset, p.split, p.tokens) for p in cut
        ).items()
    ]


def figure(value: float, *, percent: bool, sign: str = "") -> str:
    """A score, or with `sign="+"` a difference, as it is shown."""
    return f"{value:{sign}.1%}" if percent else f"{value:{sign}.3f}"


def difference(found: Difference | None, *, percent: bool) -> str:
    """A difference with its interval, `no difference` where that holds zero, `†` behind one that does not
    survive the correction."""
    if found is None:
        return "-"
    low, high = (figure(end, percent=percent, sign="+") for end in (found.low, found.high))
    if found.holds_zero:
        return f"no difference ({low} to {high})"
    mark = "" if stands(found.adjusted_p) else f" {MARK}"
    return f"{figure(found.value, percent=percent, sign='+')} ({low} to {high}){mark}"


def _heading(scores: Sequence[Score]) -> str:
    where = scores[0]
    name = {
        MICRO: "All benchmarks, questions pooled (micro)",
        MACRO: "All benchmarks, mean of their scores (macro)",
    }.get(where.dataset, f"{where.dataset}/{where.split}")
    return f"{name}: {max(s.interval.n + s.failed for s in scores)} questions"


def _of_benchmark(scores: Sequence[Score]) -> list[str]:
    tables = []
    for (metric, judge), of_metric in groupby(
        sorted(scores, key=lambda s: _place(scores, s)), key=lambda s: (s.metric, s.judge)
    ):
        found = list(of_metric)
        own = [s for s in found if s.shown == "own"]
        name = metric if judge == RULES else f"{metric} by {judge}"
        name += " (less is better)" if get_metric(metric).better < 0 else ""
        percent = get_metric(metric).percent
        if own:
            tables.append(_whole(name, [s for s in own if s.subset == WHOLE], percent))
        sizes = {s.adapter: s.interval.n for s in own if s.subset == WHOLE}
        parts = [s for s in own if s.interval.n < sizes[s.adapter] and s.dataset not in (MICRO, MACRO)]
        if parts:
            tables.append(_by_subset(name, parts, percent))
        if ablated := [s for s in found if s.shown != "own" and s.subset == WHOLE]:
            tables.append(_ablation(name, ablated, percent))
    return tables


def _place(scores: Sequence[Score], score: Score) -> int:
    """Metrics and judges in the order in which they appear."""
    return list(dict.fromkeys((s.metric, s.judge) for s in scores)).index((score.metric, score.judge))


def _whole(name: str, scores: Sequence[Score], percent: bool) -> str:
    head = ["adapter", name, "95 % interval", "n", "images"]
    failed, pooled = any(s.failed for s in scores), any(s.seeds > 1 for s in scores)
    head += ["not read"] * failed + ["seeds", "sd"] * pooled
    rows = [[*head, "over base", "over SFT"]]
    for s in scores:
        low, high = (figure(end, percent=percent) for end in (s.interval.low, s.interval.high))
        row = [_name(s), figure(s.interval.value, percent=percent), f"{low} to {high}"]
        row += [str(s.interval.n), str(s.images)]
        row += [str(s.failed)] * failed
        row += [str(s.seeds), "-" if s.seed_sd is None else figure(s.seed_sd, percent=percent)] * pooled
        rows.append([*row, *(difference(one, percent=percent) for one in (s.over_base, s.over_sft))])
    return _with_unsure(rows, scores)


def _by_subset(name: str, scores: Sequence[Score], percent: bool) -> str:
    adapters = list(dict.fromkeys(s.adapter for s in scores))
    rows = [[f"{name} on", "n", "images", *adapters]]
    for subset in dict.fromkeys(s.subset for s in scores):
        found = {s.adapter: s for s in scores if s.subset == subset}
        most = max(found.values(), key=lambda s: s.interval.n)
        cells = [_cell(found[one], percent) if one in found else "-" for one in adapters]
        rows.append([subset, str(most.interval.n), str(most.images), *cells])
    marked = any(cell[-1] in "bs" for row in rows[1:] for cell in row[3:])
    marks = f"b, s: differs from base, from SFT, after Holm's correction for {_family(scores)} comparisons"
    return _aligned(rows) + (f"\n{marks}" if marked else "")


def _cell(s: Score, percent: bool) -> str:
    i = s.interval
    bounds = f"{i.low:.0%} to {i.high:.0%}" if percent else f"{i.low:.3f} to {i.high:.3f}"
    marks = [mark for mark, one in (("b", s.over_base), ("s", s.over_sft)) if one and stands(one.adjusted_p)]
    return " ".join([f"{figure(i.value, percent=percent)} ({bounds})", *marks])


def _ablation(name: str, scores: Sequence[Score], percent: bool) -> str:
    kinds = [kind for kind in SHOWN if any(s.shown == kind for s in scores)]
    head = [f"{name} without its image", "n", "own images"]
    rows = [[*head, *(cell for kind in kinds for cell in (SHOWN[kind], "lost"))]]
    for adapter in dict.fromkeys(s.adapter for s in scores):
        found = {s.shown: s for s in scores if s.adapter == adapter}
        first = next(iter(found.values()))
        row = [_name(first), str(first.interval.n)]
        row.append("-" if first.own_value is None else figure(first.own_value, percent=percent))
        for kind in kinds:
            s = found.get(kind)  # type: ignore[call-overload]
            row += (
                ["-", "-"]
                if s is None
                else [figure(s.interval.value, percent=percent), difference(s.lost, percent=percent)]
            )
        rows.append(row)
    return _with_unsure(rows, scores)


def _with_unsure(rows: Sequence[Sequence[str]], scores: Sequence[Score]) -> str:
    text = _aligned(rows)
    if any(cell.endswith(MARK) for row in rows for cell in row):
        count = _family(scores)
        text += f"\n{MARK} does not survive Holm's correction for the {count} comparisons made here"
    return text


def _name(s: Score) -> str:
    return f"{s.adapter} (SFT)" if s.variant == SFT and s.adapter != SFT else s.adapter


def _family(scores: Sequence[Score]) -> int:
    return max((d.family for s in scores for d in (s.over_base, s.over_sft, s.lost) if d), default=0)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
