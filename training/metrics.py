"""What a step says of itself: margins and how often they are positive. Knows no model and no file."""

from collections.abc import Mapping

import torch

from training.grid import Branch, Scores


@torch.no_grad()
def margins(scores: Mapping[Branch, Scores]) -> dict[str, float]:
    """Mean margin of the chosen log ratio over each other branch's, and how often it is positive."""
    found: dict[str, float] = {}
    chosen = scores.get(Branch.CHOSEN)
    if chosen is None or chosen.reference is None:
        return {}
    for branch, other in scores.items():
        if branch in (Branch.CHOSEN, Branch.QUESTION):
            continue
        margin = chosen.log_ratio() - other.log_ratio()
        if other.present is not None:
            margin = margin[other.present]
        if len(margin):
            found[f"margin_over_{branch}"] = margin.mean().item()
            found[f"accuracy_over_{branch}"] = (margin > 0).float().mean().item()
    return found
