"""A paper's tables from our scores: what a declaration names, and a dash where the data has nothing of it."""

from collections.abc import Sequence

from zoo.errors import BadInput
from zoo.evaluation.answers import subsets
from zoo.evaluation.metrics import get_metric
from zoo.evaluation.report.layouts import Layout, Part, Place
from zoo.evaluation.report.panels import Chosen, panels
from zoo.evaluation.report.scored import Scored
from zoo.evaluation.report.table import Table
from zoo.evaluation.score import WHOLE, Score
from zoo.records import RULES


def paper_tables(layout: Layout, scored: Scored) -> list[Table]:
    """The layout's tables that have any figure; one that needs a judge comes once for each judge.

    Raises:
        BadInput: none has, or a data set is here with several splits.
    """
    splits: dict[str, set[str]] = {}
    for p in scored.predictions:
        splits.setdefault(p.dataset, set()).add(p.split)
    if several := next((name for name, found in splits.items() if len(found) > 1), None):
        raise BadInput(
            f"{several} is here with the splits {', '.join(sorted(splits[several]))}", hint="give one"
        )
    found = [table for part in layout.parts for table in _part(part, scored)]
    if not found:
        wanted = dict.fromkeys(name for part in layout.parts for p in part.places for name in p.datasets)
        raise BadInput(
            f"no table of {layout.about} has a figure: it needs answers to {', '.join(wanted)}, and for some "
            f"figures verdicts; here are {', '.join(splits)}",
            hint="choose another --layout, or give --verdicts",
        )
    return found


def _part(part: Part, scored: Scored) -> list[Table]:
    found = [(place, get_metric(place.metric), _scores(place, scored)) for place in part.places]
    scores = [score for _, _, of_place in found for score in of_place]
    judges = list(dict.fromkeys(s.judge for s in scores if s.judge != RULES)) or [RULES]
    tables = []
    for judge in judges:
        columns = [
            Chosen(
                group=place.group,
                name=place.name,
                metric=metric,
                scores={s.adapter: s for s in of_place if s.judge in (judge, RULES)},
            )
            for place, metric, of_place in found
        ]
        title = scored.title(part.title if judge == RULES else f"{part.title} ({judge})")
        notes = [*filter(None, [part.note]), *_notes(part, scored)]
        tables += panels(title, columns, scored, notes)
    return tables


def _scores(place: Place, scored: Scored) -> Sequence[Score]:
    """A place's scores, by all adapters and judges."""
    asked = [p for p in scored.predictions if p.dataset in place.datasets and place.subset in subsets([p])]
    here = {p.dataset for p in asked}
    if len(here) < 2:
        found, dataset, subset = scored.scores, next(iter(here), ""), place.subset
    else:  # of these data sets alone, and of that part of their questions
        found, dataset, subset = scored.part(asked, place.metric), place.over, WHOLE
    wanted = (place.metric, dataset, subset, "own")
    return [s for s in found if (s.metric, s.dataset, s.subset, s.shown) == wanted]


def _notes(part: Part, scored: Scored) -> list[str]:
    """What the data sets of a table leak, and which of several are not here."""
    here = {p.dataset for p in scored.predictions}
    names = list(dict.fromkeys(name for place in part.places for name in place.datasets))
    found = [
        f"{dataset}/{split}: {' '.join(notes)}"
        for (dataset, split), notes in scored.made.items()
        if dataset in names
    ]
    means = dict.fromkeys((p.group, p.datasets) for p in part.places if len(p.datasets) > 1)
    for group, datasets in means:
        if missing := [name for name in datasets if name not in here]:
            found.append(f"{group} is without {', '.join(missing)}, to which no answers are here.")
    return found
