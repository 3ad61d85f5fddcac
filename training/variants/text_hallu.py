"""DPO of the true answer over a hallucinated rewrite of it."""

from training.grid import Branch
from training.objective import Prefer
from training.pairs.hallucinate import Hallucinate
from training.variant import Variant

VARIANT = Variant(
    title="Text-Hallu",
    paper="Kim et al. 2026, arXiv 2601.17918",
    objective=(Prefer(Branch.CHOSEN, over=Branch.REJECTED_RESPONSE),),
    steps=(Hallucinate(),),
    departures=("The prompt of the rewrite is not published; without a language model rules rewrite.",),
)
