"""mDPO with an answer and a retrieved image that differ from the true ones in one attribute alone."""

from training.grid import Branch
from training.objective import Anchor, Prefer
from training.pairs.retrieve import Retrieve
from training.pairs.swap_target import SwapTarget
from training.variant import Variant
from training.variants.targeted_copo import DEPARTURES

VARIANT = Variant(
    title="Targeted mDPO",
    paper="Kim et al. 2026, arXiv 2601.17918",
    objective=(
        Prefer(Branch.CHOSEN, over=Branch.REJECTED_RESPONSE),
        Prefer(Branch.CHOSEN, over=Branch.REJECTED_IMAGE),
        Anchor(Branch.CHOSEN),
    ),
    steps=(SwapTarget(), Retrieve()),
    departures=DEPARTURES,
)
