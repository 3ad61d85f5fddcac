"""Mask-DPO over phrases in place of sentences, as FiRe-MPO's paper has it."""

from training.grid import Branch
from training.objective import Prefer
from training.pairs.minimal_edit import MinimalEdit
from training.variant import Variant
from training.variants.fire_mpo import NUMBERS, PAPER

VARIANT = Variant(
    title="Mask-DPO on phrases",
    paper=f"{PAPER}; after Gu et al. 2025, arXiv 2503.02846",
    objective=(Prefer(Branch.CHOSEN, over=Branch.REJECTED_RESPONSE, where="spans"),),
    steps=(MinimalEdit(),),
    numbers=NUMBERS,
    departures=("The pairs are those of FiRe-MPO, and depart from its paper as they do there.",),
)
