"""Mask-DPO: DPO over the true sentences of the chosen and the false ones of the rejected answer."""

from training.grid import Branch
from training.objective import Prefer
from training.pairs.kept_sentences import KeptSentences
from training.pairs.own_answer import OwnAnswer
from training.variant import Variant
from training.variants.fire_mpo import NUMBERS

VARIANT = Variant(
    title="Mask-DPO",
    paper="Gu et al. 2025, arXiv 2503.02846",
    objective=(Prefer(Branch.CHOSEN, over=Branch.REJECTED_RESPONSE, where="spans"),),
    steps=(OwnAnswer(), KeptSentences()),
    numbers=NUMBERS,
    departures=(
        "The chosen answer is the truth, the rejected one the base's own; numbers are FiRe-MPO's.",
        "Without a language model rules judge the sentences.",
    ),
)
