"""DPO of the true answer over the base's own answer to a noised image; both are scored on the clean one."""

from training.grid import Branch
from training.objective import Prefer
from training.pairs.answer_to_rejected_image import AnswerToRejectedImage
from training.pairs.noise import GaussianNoise
from training.variant import Variant

STEPS = (GaussianNoise(), AnswerToRejectedImage(keep_image=False))
DEPARTURES = ("The strength of the noise is not published: ours is a quarter of the range.",)

VARIANT = Variant(
    title="Text-Noise",
    paper="Kim et al. 2026, arXiv 2601.17918",
    objective=(Prefer(Branch.CHOSEN, over=Branch.REJECTED_RESPONSE),),
    steps=STEPS,
    departures=DEPARTURES,
)
