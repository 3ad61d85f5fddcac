"""DPO over an answer that differs from the truth in the keywords of one error type alone."""

from training.grid import Branch
from training.objective import Prefer
from training.pairs.swap_target import SwapTarget
from training.variant import Variant

SWAP = "The prompt of the swap is not published; without a language model rules swap the keywords."

VARIANT = Variant(
    title="Targeted DPO",
    paper="Kim et al. 2026, arXiv 2601.17918",
    objective=(Prefer(Branch.CHOSEN, over=Branch.REJECTED_RESPONSE),),
    steps=(SwapTarget(),),
    departures=(SWAP,),
)
