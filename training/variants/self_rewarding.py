"""Self-rewarding: the best over the worst of the model's own samples by its own judgement, in rounds."""

from training.grid import Branch
from training.objective import Prefer
from training.pairs.self_rewarding import SelfRewarding
from training.variant import Numbers, Variant

VARIANT = Variant(
    title="Self-Rewarding",
    paper="Yuan et al. 2024, arXiv 2401.10020",
    objective=(Prefer(Branch.CHOSEN, over=Branch.REJECTED_RESPONSE),),
    steps=(SelfRewarding(),),
    numbers=Numbers(rank=128, alpha=256),
    rounds=2,
    departures=(
        "A base that cannot judge takes the rule-based judge, which sees the truth.",
        "Learning rate, epochs, rank and the number of rounds are ours.",
    ),
)
