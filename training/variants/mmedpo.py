"""MMedPO: a text pair and a visual pair of each question, each with a weight of its own."""

from typing import Literal

from training.grid import Branch
from training.objective import Prefer
from training.pairs.given import Given
from training.pairs.most_hallucinated import MostHallucinated
from training.pairs.noise import DiffusionNoise, WrappedNoise
from training.pairs.relevance import Relevance, RoiConfidence
from training.pairs.step import Halves, Only, Step
from training.variant import Numbers, Variant


def variant(
    *,
    halves: Literal["both", "text", "visual"] = "both",
    text: Literal["sampled", "given"] = "sampled",
    models: Literal["several", "single"] = "several",
    weights: Literal["rescaled", "raw", "paper_literal", "off"] = "rescaled",
    noise: Literal["local", "global"] = "local",
    form: Literal["diffusion", "wrapped"] = "diffusion",
) -> Variant:
    """The method, and its paper's ablations. `text="given"` takes released pairs with their weights."""
    where: Literal["roi", "image"] = "roi" if noise == "local" else "image"
    made: tuple[Step, ...] = (Given(),) if text == "given" else (MostHallucinated(), Relevance(models=models))
    noised: Step = WrappedNoise(where=where) if form == "wrapped" else DiffusionNoise(where=where)
    visual: tuple[Step, ...] = (noised, RoiConfidence(whole_image=1.0 if noise == "global" else None))
    both: tuple[Step, ...] = (
        Halves(),
        *(Only("text", s) for s in made),
        *(Only("visual", s) for s in visual),
    )
    return Variant(
        title="MMedPO",
        paper="Zhu et al. 2025, arXiv 2412.06141",
        objective=(
            Prefer(
                Branch.CHOSEN,
                over=Branch.REJECTED_BOTH,
                missing="chosen",
                weights=None if weights == "off" else weights,
            ),
        ),
        steps={"both": both, "text": made, "visual": visual}[halves],
        numbers=Numbers(batch_size=4, rank=128, alpha=256),
        departures=(
            "Without language models rules pick or write the rejected answer and weigh it.",
            "How many answers the text half samples is not published: ours is 5, at temperature 1.",
            "The region is an annotated mask or box, or a heat map of the user's, in place of MedKLIP's.",
            "The diffusion step is not published: ours is 500 of 1000, as POVID has it.",
            "Weights are rescaled around 1 in each pair set: the paper's own normalisation makes all equal.",
        ),
    )
