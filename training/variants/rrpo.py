"""RRPO: prefer the true phrases over the wrong ones, and stay near the reference at every token."""

from training.grid import Branch
from training.objective import Prefer, TokenKL
from training.pairs.minimal_edit import MinimalEdit
from training.variant import Variant
from training.variants.fire_mpo import NUMBERS

VARIANT = Variant(
    title="RRPO",
    paper="Sarkar et al. 2025, arXiv 2504.12083",
    objective=(
        Prefer(Branch.CHOSEN, over=Branch.REJECTED_RESPONSE, where="spans"),
        TokenKL(Branch.CHOSEN, where="all", forward=1.0, weight=0.01),
    ),
    steps=(MinimalEdit(),),
    numbers=NUMBERS,
    departures=(
        "The pairs and numbers are those of FiRe-MPO, as its paper compares them; the pairs depart as there.",
    ),
)
