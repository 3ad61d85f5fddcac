"""POVID: DPO over injected hallucinations, then over what the model itself says under a noised image too."""

from training.grid import Branch
from training.objective import Prefer, PreferOverArgmax
from training.pairs.hallucinate import Hallucinate
from training.pairs.noise import DiffusionNoise
from training.variant import Numbers, Variant

PAPER = "Zhou et al. 2024, arXiv 2402.11411"

VARIANT = Variant(
    title="POVID",
    paper=PAPER,
    earlier=(
        Variant(
            title="POVID, stage 1",
            paper=PAPER,
            objective=(Prefer(Branch.CHOSEN, over=Branch.REJECTED_RESPONSE),),
            steps=(Hallucinate(),),
            numbers=Numbers(rank=128, alpha=256),
        ),
    ),
    objective=(
        PreferOverArgmax(Branch.CHOSEN, noised=Branch.REJECTED_IMAGE, weight=0.5),
        Prefer(Branch.CHOSEN, over=Branch.REJECTED_RESPONSE, weight=0.5),
    ),
    steps=(Hallucinate(), DiffusionNoise(step=500)),
    numbers=Numbers(epochs=1, rank=128, alpha=256),
    departures=(
        "Without a language model rules write the hallucinations.",
        "In stage 2 policy and reference score the policy's own tokens, made anew at each step, where the "
        "released code takes a set of its own for each.",
    ),
)
