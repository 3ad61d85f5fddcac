"""DPO on pairs that raters ranked, each weighted by how badly its rejected answer misreads the image."""

from training.grid import Branch
from training.objective import Prefer
from training.pairs.given import Given
from training.pairs.weighed import Weighed
from training.variant import Variant

VARIANT = Variant(
    title="DPO weighted by raters' severity",
    paper="Rafailov et al. 2023, arXiv 2305.18290; weights as in MMedPO, Zhu et al. 2025, arXiv 2412.06141",
    objective=(Prefer(Branch.CHOSEN, over=Branch.REJECTED_RESPONSE, weights="raw"),),
    steps=(Given(), Weighed()),
    departures=(
        "The weight is raters' word on the rejected answer, not a language model's on its relevance.",
        "Weights are taken as they are: what is severe counts as many times more as the scale says.",
    ),
)
