"""RRPO with the divergence at the phrases' tokens alone, as FiRe-MPO's paper has it."""

from dataclasses import replace

from training.grid import Branch
from training.objective import Prefer, TokenKL
from training.variants.rrpo import VARIANT as RRPO

VARIANT = replace(
    RRPO,
    title="RRPO, KL on phrases",
    paper="FiRe-MPO, arXiv 2606.12590; after Sarkar et al. 2025, arXiv 2504.12083",
    objective=(
        Prefer(Branch.CHOSEN, over=Branch.REJECTED_RESPONSE, where="spans"),
        TokenKL(Branch.CHOSEN, where="spans", forward=1.0, weight=0.01),
    ),
)
