"""CoPO of the true answer on the true image over the same answer on a noised one."""

from training.grid import Branch
from training.objective import Prefer
from training.pairs.noise import GaussianNoise
from training.variant import Variant

VARIANT = Variant(
    title="Image-Noise",
    paper="Kim et al. 2026, arXiv 2601.17918",
    objective=(Prefer(Branch.CHOSEN, over=Branch.REJECTED_IMAGE),),
    steps=(GaussianNoise(),),
    departures=("The strength of the noise is not published: ours is a quarter of the range.",),
)
