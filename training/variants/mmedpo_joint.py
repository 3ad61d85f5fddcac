"""MMedPO with a rejected response and a rejected image in one pair, as Kim et al. have it."""

from training.grid import Branch
from training.objective import Prefer
from training.pairs.hallucinate import Hallucinate
from training.pairs.noise import GaussianNoise
from training.pairs.relevance import Relevance
from training.variant import Variant

VARIANT = Variant(
    title="MMedPO, both halves in one pair",
    paper="Kim et al. 2026, arXiv 2601.17918; after Zhu et al. 2025, arXiv 2412.06141",
    objective=(Prefer(Branch.CHOSEN, over=Branch.REJECTED_BOTH, weights="rescaled"),),
    steps=(Hallucinate(), GaussianNoise(where="roi"), Relevance()),
    departures=(
        "The prompt of the rewrite is not published; without language models rules rewrite and weigh.",
        "The strength of the noise and the finder of the region are not published: ours is a quarter of the "
        "range inside annotated masks or boxes, or a heat map; a question without a region is dropped.",
        "A pair without a weight is refused, where the released trainer takes it as unweighted.",
        "Weights are rescaled around 1 in each pair set: the paper's own normalisation makes all equal.",
    ),
)
