"""CoPO of the true answer on the true image over the same answer with noise inside the region of interest."""

from training.grid import Branch
from training.objective import Prefer
from training.pairs.noise import GaussianNoise
from training.variant import Variant

VARIANT = Variant(
    title="Image-ROI",
    paper="Kim et al. 2026, arXiv 2601.17918",
    objective=(Prefer(Branch.CHOSEN, over=Branch.REJECTED_IMAGE),),
    steps=(GaussianNoise(where="roi"),),
    departures=(
        "The strength of the noise and the finder of the region are not published: ours is a quarter of the "
        "range inside annotated masks or boxes, or a heat map; a question without a region is dropped.",
    ),
)
