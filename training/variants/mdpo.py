"""mDPO: prefer the true answer over the rejected one and under the true image, and keep it likely."""

from training.grid import Branch
from training.objective import Anchor, Prefer
from training.pairs.answer_to_rejected_image import AnswerToRejectedImage
from training.pairs.crop import Crop
from training.variant import Variant

VARIANT = Variant(
    title="mDPO",
    paper="Wang et al. 2024, arXiv 2406.11839; medical form in Kim et al. 2026, arXiv 2601.17918",
    objective=(
        Prefer(Branch.CHOSEN, over=Branch.REJECTED_RESPONSE),
        Prefer(Branch.CHOSEN, over=Branch.REJECTED_IMAGE),
        Anchor(Branch.CHOSEN),
    ),
    steps=(Crop(), AnswerToRejectedImage()),
    departures=(
        "The crop is drawn once a pair, so that policy and reference see the same one; its size, which Kim "
        "et al. do not publish, is that of mDPO's own code.",
    ),
)
