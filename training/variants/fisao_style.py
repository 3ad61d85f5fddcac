"""FiSAO-style, not a reproduction: a contrastive encoder rewards each phrase of a sampled answer."""

from training.grid import Branch
from training.objective import Reinforce, TokenKL
from training.pairs.rewards import PhraseRewards
from training.variant import Numbers, Variant

VARIANT = Variant(
    title="FiSAO-style, not a reproduction",
    paper="after Cui et al. 2024, arXiv 2410.14148",
    objective=(Reinforce(Branch.CHOSEN), TokenKL(Branch.CHOSEN, forward=0.0, reverse=1.0, weight=0.01)),
    steps=(PhraseRewards(),),
    numbers=Numbers(rank=128, alpha=256),
    departures=(
        "The paper's formula cannot be verified from its released code: rewards are standardised excesses of "
        "the cosine beyond the means of right and of hallucinated phrases.",
        "Answers are sampled once before training, not anew at each step.",
        "The divergence's direction and weight and all hyper-parameters are ours.",
    ),
)
