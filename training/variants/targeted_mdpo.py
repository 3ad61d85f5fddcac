"""mDPO with an answer and a retrieved image that differ from the true ones in one attribute alone."""

from training.pairs.retrieve import Retrieve
from training.pairs.swap_target import SwapTarget
from training.variant import Variant
from training.variants.mdpo import VARIANT as MDPO
from training.variants.targeted_copo import DEPARTURES
from training.variants.targeted_dpo import SWAP

VARIANT = Variant(
    title="Targeted mDPO",
    paper="Kim et al. 2026, arXiv 2601.17918",
    objective=MDPO.objective,
    steps=(SwapTarget(), Retrieve()),
    departures=(SWAP, *DEPARTURES),
)
