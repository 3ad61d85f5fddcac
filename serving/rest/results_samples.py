"""What the API's own document shows as results."""

from typing import Any

from serving.annotations.beside import NO_SFT
from serving.annotations.outcome import AdapterShares, Again, Against, Outcome, PairOfRaters, Scale
from serving.rest.annotation_samples import shown
from serving.rest.results_bodies import PooledList, RaterProgress, ResultsReply
from zoo.evaluation.agreement import Agreement
from zoo.evaluation.bootstrap import Interval
from zoo.evaluation.preferences import Pair, Strength
from zoo.evaluation.rated_cases import Drawn

_RATERS = ("rater-0d6f12ab", "rater-91c3e47f")
_KAPPA = Agreement(value=0.71, low=0.48, high=0.9, n=36)
_OUTCOME = Outcome(
    questions=12,
    ratings=48,
    again=2,
    raters=_RATERS,
    drawn=Drawn(pictures=11, cases=0),
    few=True,
    adapters=(
        AdapterShares(
            adapter="base", variant="base", shares={"none": Interval(0.25, 0.04, 0.5, 12)}, unjudged=0
        ),
        AdapterShares(
            adapter="mdpo", variant="mdpo", shares={"none": Interval(0.5, 0.25, 0.79, 12)}, unjudged=1
        ),
    ),
    ranked=12,
    pairs=(
        Pair(
            first="base",
            second="mdpo",
            win=Interval(0.25, 0.08, 0.5, 12),
            tie=Interval(0.25, 0.08, 0.5, 12),
            loss=Interval(0.5, 0.25, 0.75, 12),
            lead=Interval(-0.25, -0.67, 0.17, 12),
            units=11,
        ),
    ),
    against=(
        Against(
            reference="base",
            strengths=(Strength(adapter="mdpo", share=Interval(0.62, 0.42, 0.81, 12)),),
        ),
    ),
    agreement=(
        Scale(
            name="misunderstanding",
            ordered=True,
            alpha=_KAPPA,
            pairs=(
                PairOfRaters(
                    first=_RATERS[0], second=_RATERS[1], same=_KAPPA, kappa=_KAPPA, linear_kappa=_KAPPA
                ),
            ),
        ),
    ),
    agreement_again=(Again(name="misunderstanding", same=_KAPPA, kappa=_KAPPA),),
    remarks=(NO_SFT,),
)
RESULTS = shown(
    ResultsReply(
        id="5f0c1d7e",
        title="Chest, November",
        state="open",
        cases=12,
        pooled=[PooledList(id="5f0c1d7e", title="Chest, November", cases=12)],
        in_several=0,
        progress=[RaterProgress(rater=name, assigned=12, done=12) for name in _RATERS],
        modalities=["CT", "MR"],
        error_types=["SLC"],
        plots=["strengths", "severity", "wins"],
        outcome=_OUTCOME,
    )
)
PICTURE: dict[str, Any] = {"image/svg+xml": {"schema": {"type": "string"}, "example": "<svg> ... </svg>"}}
