"""Supervised fine-tuning on the true answers: the yardstick beside every preference variant."""

from training.grid import Branch
from training.objective import Imitate
from training.variant import Numbers, Variant

VARIANT = Variant(
    title="Supervised fine-tuning",
    paper="Kim et al. 2026, arXiv 2601.17918",
    objective=(Imitate(Branch.CHOSEN),),
    numbers=Numbers(learning_rate=2e-6),
)
