"""What a set of ratings is, as plain data: the card of the data set shows it and computes nothing."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from serving.annotations.records import CaseAnswer
from zoo.evaluation.agreement import alpha
from zoo.evaluation.rated import from_ratings, shares
from zoo.evaluation.rated_cases import drawn, opinions
from zoo.records import Rating

_IDENTITY = ("variant", "repo", "sha", "digest", "base")


def rating_report(
    ratings: Sequence[Rating], answers: Sequence[CaseAnswer], *, overlap: int, **of_the_files: Any
) -> dict[str, Any]:
    """The report of these ratings of these answers, JSON-ready; `of_the_files` is carried as it is."""
    told = opinions(ratings)
    cases = {one.case: one.rating.modality for one in told}
    said_by = {answer.adapter: answer for answer in answers}
    judged = shares(ratings)
    return {
        "cases": len(cases),
        "answers": len({(one.case, one.rating.answer_sha256) for one in told}),
        "ratings": len(ratings),
        "raters": len({r.rater for r in ratings}),
        "overlap": overlap,
        "again": sum(one.time > 0 for one in told),
        "drawn": str(drawn(one.unit for one in told)),
        "cannot_judge": sum(r.misunderstanding is None for r in ratings),
        "datasets": sorted({r.dataset for r in ratings}),
        "modalities": dict(sorted(Counter(filter(None, cases.values())).items())),
        "adapters": [
            {
                "adapter": adapter,
                **{name: getattr(said_by[adapter], name) for name in _IDENTITY},
                "shares": {
                    what: {"value": one.value, "low": one.low, "high": one.high, "n": one.n}
                    for what, one in judged[adapter].items()
                },
                "cannot_judge": sum(r.adapter == adapter and r.misunderstanding is None for r in ratings),
            }
            for adapter in judged
        ],
        "agreement": _agreement(ratings),
        **of_the_files,
    }


def _agreement(ratings: Sequence[Rating]) -> list[dict[str, Any]]:
    """Krippendorff's alpha on each scale, where at least two rated the same."""
    found = []
    for rated in from_ratings(ratings):
        one = alpha(rated)
        if one.n:
            found.append(
                {"what": rated.name, "value": one.value, "low": one.low, "high": one.high, "n": one.n}
            )
    return found
