"""The preference grid, and what is scored in it.

                      chosen response     rejected response
    chosen image      CHOSEN              REJECTED_RESPONSE
    rejected image    REJECTED_IMAGE      REJECTED_BOTH

Tensors of a batch of pairs by branch; knows neither the terms that read them nor the model that made them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import torch

Where = Literal["all", "spans"]
"""Tokens of a response that count: every one, or those of its spans (never the end of turn)."""


class Branch(StrEnum):
    """One cell of the preference grid, or the question itself under the chosen image."""

    CHOSEN = "chosen"
    REJECTED_RESPONSE = "rejected_response"
    REJECTED_IMAGE = "rejected_image"
    REJECTED_BOTH = "rejected_both"
    QUESTION = "question"
    """Not a cell: the tokens of the question, for a model that is to learn to ask."""

    @property
    def on_rejected_image(self) -> bool:
        """Whether the branch is scored under the rejected image."""
        return self in (Branch.REJECTED_IMAGE, Branch.REJECTED_BOTH)

    @property
    def of_rejected_response(self) -> bool:
        """Whether the branch scores the rejected response."""
        return self in (Branch.REJECTED_RESPONSE, Branch.REJECTED_BOTH)

    @property
    def parts(self) -> tuple[str, ...]:
        """The rejected halves of a pair that the branch reads."""
        image = ("rejected_images",) if self.on_rejected_image else ()
        return (*image, "rejected") if self.of_rejected_response else image


@dataclass(frozen=True)
class Distribution:
    """What is said over the whole vocabulary at some tokens of a branch, of all pairs end to end."""

    fold: Callable[..., torch.Tensor]
    """Takes a function of the policy's and the reference's log-probs, both (positions, vocabulary), and of
    rows (positions, ...) of anything, to a value a position; then these rows. Gives its values, (positions,),
    without ever holding all of the log-probs."""
    pair: torch.Tensor
    """Number of each position's pair in the batch, (positions,)."""
    column: torch.Tensor
    """Which token of the response each position is, (positions,)."""


@dataclass(frozen=True)
class Scores:
    """Log-probs of one branch of a batch of pairs."""

    logps: torch.Tensor
    """The policy's, `(pairs, tokens)`, 0 at padding."""
    mask: torch.Tensor
    """True at response tokens, `(pairs, tokens)`."""
    reference: torch.Tensor | None = None
    """The reference's log-probs, `(pairs, tokens)`, 0 at padding."""
    spans: torch.Tensor | None = None
    """True at tokens of the response's spans, `(pairs, tokens)`."""
    rewards: torch.Tensor | None = None
    """Reward of each token, `(pairs, tokens)`."""
    distribution: Distribution | None = None
    present: torch.Tensor | None = None
    """False for pairs that lack this branch, `(pairs,)`; None where none does."""

    def where(self, where: Where) -> torch.Tensor:
        """True at the tokens that count, `(pairs, tokens)`."""
        if where == "all":
            return self.mask
        if self.spans is None:
            raise ValueError("this objective needs spans and none were given")
        return self.spans

    def log_ratio(self, where: Where = "all") -> torch.Tensor:
        """r(y|m) = s_policy - s_reference over the tokens that count, `(pairs,)`."""
        if self.reference is None:
            raise ValueError("this objective needs reference log-probs and none were given")
        return ((self.logps - self.reference) * self.where(where)).sum(dim=1)

    def whole_vocabulary(self) -> Distribution:
        """The distribution, which must be there."""
        if self.distribution is None:
            raise ValueError("this objective needs the whole vocabulary and it was not given")
        return self.distribution


@dataclass(frozen=True)
class Batch:
    """All that an objective may read of a batch of pairs."""

    branches: Mapping[Branch, Scores]
    weights: torch.Tensor | None = None
    """Each pair's weight, normalised, `(pairs,)`."""
    argmaxes: Mapping[Branch, torch.Tensor] | None = None
    """The policy's likeliest token at each response position of a branch, `(pairs, tokens)`."""
