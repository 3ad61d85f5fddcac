"""SIMA: the model picks the better of its greedy answer and a sample, with the truth in view."""

from training.grid import Branch
from training.objective import Prefer
from training.pairs.self_critic import SelfCritic
from training.variant import Numbers, Variant

VARIANT = Variant(
    title="SIMA",
    paper="Wang et al. 2024, arXiv 2405.15973",
    objective=(Prefer(Branch.CHOSEN, over=Branch.REJECTED_RESPONSE),),
    steps=(SelfCritic(),),
    numbers=Numbers(rank=128, alpha=256),
    departures=("A base that cannot judge takes the rule-based judge, which grades by the truth.",),
)
