"""CoPO over a retrieved image that differs from the true one in one attribute alone."""

from training.grid import Branch
from training.objective import Prefer
from training.pairs.retrieve import Retrieve
from training.pairs.swap_target import SwapTarget
from training.variant import Variant

DEPARTURES = (
    "The retrieval is not published: ours compares the clinical terms of the answers about each image. Two "
    "images agree in every attribute that is known of both, modality and some anatomy among them unless "
    "these are the target; what nobody asked about may differ.",
)

VARIANT = Variant(
    title="Targeted CoPO",
    paper="Kim et al. 2026, arXiv 2601.17918",
    objective=(Prefer(Branch.CHOSEN, over=Branch.REJECTED_IMAGE),),
    steps=(SwapTarget(), Retrieve()),
    departures=DEPARTURES,
)
