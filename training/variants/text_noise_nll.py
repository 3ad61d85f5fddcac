"""Text-Noise with the likelihood of the true answer added."""

from training.grid import Branch
from training.objective import Imitate, Prefer
from training.variant import Variant
from training.variants.text_noise import DEPARTURES, STEPS

VARIANT = Variant(
    title="Text-Noise + NLL",
    paper="Kim et al. 2026, arXiv 2601.17918",
    objective=(Prefer(Branch.CHOSEN, over=Branch.REJECTED_RESPONSE), Imitate(Branch.CHOSEN)),
    steps=STEPS,
    departures=DEPARTURES,
)
