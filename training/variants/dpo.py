"""Plain DPO on pairs as given: the baseline."""

from training.grid import Branch
from training.objective import Prefer
from training.pairs.given import Given
from training.variant import Variant

VARIANT = Variant(
    title="DPO",
    paper="Rafailov et al. 2023, arXiv 2305.18290",
    objective=(Prefer(Branch.CHOSEN, over=Branch.REJECTED_RESPONSE),),
    steps=(Given(),),
)
