"""IRPO: the best of the base's own samples over the worst, with the likelihood of the best added."""

from training.grid import Branch
from training.objective import Imitate, Prefer
from training.pairs.rank_samples import RankSamples
from training.variant import Variant

VARIANT = Variant(
    title="IRPO",
    paper="Pang et al. 2024, arXiv 2404.19733; medical form in Kim et al. 2026, arXiv 2601.17918",
    objective=(Prefer(Branch.CHOSEN, over=Branch.REJECTED_RESPONSE), Imitate(Branch.CHOSEN)),
    steps=(RankSamples(n=20, temperature=1.2),),
)
