"""FiRe-MPO: prefer the true spans over the wrong ones, not so on the corrupted image, near the reference."""

from typing import Literal

from training.grid import Branch
from training.objective import Prefer, Term, TokenKL
from training.pairs.blank import Blank
from training.pairs.crop import Crop
from training.pairs.minimal_edit import MinimalEdit
from training.pairs.noise import GaussianNoise
from training.pairs.step import Step
from training.variant import Numbers, Variant

PAPER = "FiRe-MPO, arXiv 2606.12590"
NUMBERS = Numbers(learning_rate=1e-6, epochs=1, batch_size=8, warmup_ratio=0.0, rank=128, alpha=256)


def variant(
    *,
    kl: Literal["both", "none", "forward", "reverse"] = "both",
    corruption: Literal["lesion", "crop", "noise", "black"] = "lesion",
    visual: Literal["v3", "v1", "v2"] = "v3",
    style: Literal["own", "truth", "agnostic"] = "own",
    gamma: float = 0.1,
    kl_weight: float = 0.01,
) -> Variant:
    """The method, and its paper's ablations."""
    preferred, over = {
        "v1": (Branch.CHOSEN, Branch.REJECTED_IMAGE),
        "v2": (Branch.CHOSEN, Branch.REJECTED_BOTH),
        "v3": (Branch.REJECTED_BOTH, Branch.REJECTED_IMAGE),
    }[visual]
    corruptions: dict[str, Step] = {
        "lesion": GaussianNoise(sigma=45, where="roi", without_roi="image", reports="image", image_sigma=12),
        "crop": Crop(),
        "noise": GaussianNoise(sigma=12),
        "black": Blank(where="roi", without_roi="image", reports="image"),
    }
    forward = {"both": 0.5, "forward": 1.0, "reverse": 0.0, "none": 0.0}[kl]
    near: tuple[Term, ...] = (
        TokenKL(Branch.CHOSEN, where="spans", forward=forward, reverse=1.0 - forward, weight=kl_weight),
    )
    return Variant(
        title="FiRe-MPO",
        paper=PAPER,
        objective=(
            Prefer(Branch.CHOSEN, over=Branch.REJECTED_RESPONSE, where="spans"),
            Prefer(preferred, over=over, where="spans", weight=gamma, missing="skip"),
            *(near if kl != "none" else ()),
        ),
        steps=(MinimalEdit(style=style), corruptions[corruption]),
        numbers=NUMBERS,
        departures=(
            "A corrected answer is checked against the truth; the released code takes any opposite answer.",
            "Without a language model, answers are judged and edited by rules.",
            "The prompts of the style-agnostic ablation are not published: in ours every word counts.",
            "The released code also rank-stabilises the LoRA; ours does only with --set use_rslora=true.",
            "The segmentation is an annotated mask or box in place of a segmentation model's.",
        ),
    )
