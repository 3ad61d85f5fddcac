"""Text-Hallu with the likelihood of the true answer added."""

from training.grid import Branch
from training.objective import Imitate, Prefer
from training.pairs.hallucinate import Hallucinate
from training.variant import Variant

VARIANT = Variant(
    title="Text-Hallu + NLL",
    paper="Kim et al. 2026, arXiv 2601.17918",
    objective=(Prefer(Branch.CHOSEN, over=Branch.REJECTED_RESPONSE), Imitate(Branch.CHOSEN)),
    steps=(Hallucinate(),),
    departures=("The prompt of the rewrite is not published; without a language model rules rewrite.",),
)
