"""A study's tables in Markdown: every difference with its interval, or the words `no difference`."""

from collections.abc import Sequence

from training.study.plan import SFT
from training.study.result import SUBSETS, TWINS, Row, Study
from zoo.evaluation.bootstrap import Interval
from zoo.records import BASE


def as_markdown(study: Study) -> str:
    """What was run, the outcome, the outcome by subset, the targeted variants, and how rates were chosen."""
    targeted = [row for row in study.rows if row.twin and row.scores]
    parts = [_about(study), _outcome(study), _failures(study), _subsets(study)]
    parts += [_targeted(study, targeted)] if targeted else []
    return "\n\n".join(filter(None, [*parts, _rates(study)])) + "\n"


def difference(interval: Interval | None) -> str:
    """A difference in points; one whose interval holds zero is none."""
    if interval is None:
        return ""
    bounds = f"({_points(interval.low)} to {_points(interval.high)})"
    return f"no difference {bounds}" if interval.holds_zero else f"{_points(interval.value)} {bounds}"


def _about(study: Study) -> str:
    about, settings = study.about, study.settings
    test, validation = about["test"], about["validation"]
    packages = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    return (
        f"`{settings.command()}`: {about['seconds'] / 60:.0f} minutes, {about['cpu_seconds'] / 60:.0f} "
        f"processor minutes; {about['hardware']}; {packages}; commit {about['commit'][:12] or 'unknown'}; "
        f"base `{about['base']}`.\n\n"
        f"Accuracy on {test['questions']} questions about {test['images']} scans of the test split. Learning "
        f"rates chosen on {validation['questions']} validation questions, seed 0. Each question counts with "
        f"its mean over {settings.seeds} seeds; intervals are 95 % percentile bootstrap over whole scans, "
        "differences paired by question and seed. Intervals say how far other scans could move a number; "
        "`sd` is over seeds. With so many comparisons some intervals miss zero by chance alone."
    )


def _outcome(study: Study) -> str:
    head = ["variant", "rate", "pairs (dropped)", "accuracy", "sd", "95 % interval", "over base", "over SFT"]
    return _table(head, [_outcome_row(row) for row in _by_accuracy(study.rows)])


def _outcome_row(row: Row) -> list[str]:
    if not row.scores:
        why = "every rate failed" if row.rate is None else "every seed failed"
        return [row.name, "", "", why, "", "", "", ""]
    score = row.scores["all"]
    rate = next((f"{t.learning_rate:.1e} (x{t.multiple:g})" for t in row.tried if t.multiple == row.rate), "")
    first = next((seed.pairs for seed in row.seeds if seed.failed is None), [])
    pairs = " + ".join(f"{p['kept']} ({sum(p['dropped'].values())})" for p in first)
    interval = f"{score.accuracy.low:.1%} to {score.accuracy.high:.1%}".replace("%", "")
    return [
        row.name,
        rate,
        pairs,
        _percent(score.accuracy.value),
        "" if row.spread is None else f"{100 * row.spread:.1f}",
        interval,
        difference(score.over_base),
        difference(score.over_sft),
    ]


def _failures(study: Study) -> str:
    found = [
        f"- {row.name} x{tried.multiple:g}, seed 0: {_short(tried.failed)}"
        for row in study.rows
        for tried in row.tried
        if tried.failed
    ]
    found += [
        f"- {row.name} x{row.rate:g}, seed {seed.seed}: {_short(seed.failed)}"
        for row in study.rows
        for seed in row.seeds
        if seed.failed
    ]
    return "\n".join(["Runs that failed:", "", *found]) if found else ""


def _subsets(study: Study) -> str:
    rows = [row for row in _by_accuracy(study.rows) if row.scores]
    subsets = [subset for subset in SUBSETS if subset in rows[0].scores]
    head = ["accuracy on", *(f"{s} (n {rows[0].scores[s].accuracy.n})" for s in subsets)]
    return _table(
        head, [[row.name, *(_percent(row.scores[s].accuracy.value) for s in subsets)] for row in rows]
    )


def _targeted(study: Study, rows: Sequence[Row]) -> str:
    head = ["targeted", "on", "n", "accuracy", "over base", "over SFT", "over its untargeted twin"]
    cells = []
    for row in rows:
        for subset in ("MM", "AM", "SLC", "LAS"):
            if subset in row.scores:
                s = row.scores[subset]
                numbers = [str(s.accuracy.n), _percent(s.accuracy.value)]
                twin = f"{TWINS[row.name]}: {difference(s.over_twin)}" if s.over_twin else ""
                cells.append(
                    [row.name, subset, *numbers, difference(s.over_base), difference(s.over_sft), twin]
                )
    return "The targeted variants on the questions of each error type:\n\n" + _table(head, cells)


def _rates(study: Study) -> str:
    multiples = study.settings.rates
    head = ["validation accuracy", "declared rate", *(f"x{m:g}" for m in multiples)]
    cells = []
    for row in study.rows:
        if not row.tried:
            continue
        of = {tried.multiple: tried for tried in row.tried}
        shown = ["failed" if of[m].accuracy is None else _percent(of[m].accuracy or 0.0) for m in multiples]
        marked = [f"**{text}**" if m == row.rate else text for m, text in zip(multiples, shown, strict=True)]
        cells.append([row.name, f"{row.tried[0].learning_rate / row.tried[0].multiple:.1e}", *marked])
    base = _percent(study.about["validation"]["base_accuracy"])
    return f"How the rates were chosen, seed 0; the base has {base}:\n\n" + _table(head, cells)


def _by_accuracy(rows: Sequence[Row]) -> list[Row]:
    """Base and SFT first, then from the best to the worst, then what failed."""

    def order(row: Row) -> tuple[int, float]:
        first = [BASE, SFT].index(row.name) if row.name in (BASE, SFT) else 2
        return first, -row.scores["all"].accuracy.value if row.scores else 1.0

    return sorted(rows, key=order)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


def _short(reason: str) -> str:
    return reason if len(reason) <= 120 else reason[:117] + "..."
