"""CoPO over a retrieved image that differs from the true one in one attribute alone."""

from training.objective import Branch, Prefer
from training.pairs.retrieve import Retrieve
from training.pairs.swap_target import SwapTarget
from training.variant import Variant

VARIANT = Variant(
    title="Targeted CoPO",
    paper="Kim et al. 2026, arXiv 2601.17918",
    objective=(Prefer(Branch.CHOSEN, over=Branch.REJECTED_IMAGE),),
    steps=(SwapTarget(), Retrieve()),
    departures=(
        "The retrieval is not published: ours compares the clinical terms of the questions about an image.",
    ),
)
