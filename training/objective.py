"""Objectives as data: a tuple of frozen terms over the four branches of the preference grid.

                      chosen response     rejected response
    chosen image      CHOSEN              REJECTED_RESPONSE
    rejected image    REJECTED_IMAGE      REJECTED_BOTH

Which branches to run and whether a reference is needed is derived from the terms. A term knows its
pure loss function in `training.losses`; it does not know how log-probs are made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Protocol

import torch

from training.losses import anchor_loss, nll_loss, preference_loss


class Branch(StrEnum):
    """One cell of the preference grid."""

    CHOSEN = "chosen"
    REJECTED_RESPONSE = "rejected_response"
    REJECTED_IMAGE = "rejected_image"
    REJECTED_BOTH = "rejected_both"

    @property
    def on_rejected_image(self) -> bool:
        """Whether the branch is scored under the rejected image."""
        return self in (Branch.REJECTED_IMAGE, Branch.REJECTED_BOTH)

    @property
    def of_rejected_response(self) -> bool:
        """Whether the branch scores the rejected response."""
        return self in (Branch.REJECTED_RESPONSE, Branch.REJECTED_BOTH)


@dataclass(frozen=True)
class Scores:
    """Log-probs of one branch of a batch of pairs."""

    logps: torch.Tensor
    """The policy's, `(pairs, tokens)`, 0 at padding."""
    mask: torch.Tensor
    """True at response tokens, `(pairs, tokens)`."""
    reference_sum: torch.Tensor | None = None
    """Sum of the reference's log-probs, `(pairs,)`."""

    @property
    def log_ratio(self) -> torch.Tensor:
        """r(y|m) = s_policy - s_reference, `(pairs,)`."""
        if self.reference_sum is None:
            raise ValueError("this objective needs reference log-probs and none were given")
        return (self.logps * self.mask).sum(dim=1) - self.reference_sum


class Term(Protocol):
    """One summand of an objective."""

    @property
    def branches(self) -> tuple[Branch, ...]:
        """The branches it reads."""

    @property
    def needs_reference(self) -> bool:
        """Whether it reads log ratios."""

    def loss(self, scores: Mapping[Branch, Scores]) -> torch.Tensor:
        """Its value a pair, `(pairs,)`."""


Objective = Sequence[Term]


@dataclass(frozen=True)
class Imitate:
    """Negative log-likelihood of a branch's response, a mean over its tokens."""

    branch: Branch
    weight: float = 1.0
    needs_reference = False

    @property
    def branches(self) -> tuple[Branch, ...]:
        return (self.branch,)

    def loss(self, scores: Mapping[Branch, Scores]) -> torch.Tensor:
        return self.weight * nll_loss(scores[self.branch].logps, scores[self.branch].mask)


@dataclass(frozen=True)
class Prefer:
    """Prefer one branch over another: DPO over a response, CoPO over an image."""

    preferred: Branch
    over: Branch
    beta: float = 0.1
    needs_reference = True

    @property
    def branches(self) -> tuple[Branch, ...]:
        return (self.preferred, self.over)

    def loss(self, scores: Mapping[Branch, Scores]) -> torch.Tensor:
        return preference_loss(scores[self.preferred].log_ratio, scores[self.over].log_ratio, beta=self.beta)


@dataclass(frozen=True)
class Anchor:
    """Keep a branch at least as likely as the reference has it (AncPO)."""

    branch: Branch
    beta: float = 0.1
    delta: float = 0.0
    needs_reference = True

    @property
    def branches(self) -> tuple[Branch, ...]:
        return (self.branch,)

    def loss(self, scores: Mapping[Branch, Scores]) -> torch.Tensor:
        return anchor_loss(scores[self.branch].log_ratio, beta=self.beta, delta=self.delta)


def branches_of(objective: Objective) -> tuple[Branch, ...]:
    """The branches that an objective reads, in grid order."""
    read = {branch for term in objective for branch in term.branches}
    return tuple(branch for branch in Branch if branch in read)


def needs_reference(objective: Objective) -> bool:
    """Whether any term reads log ratios."""
    return any(term.needs_reference for term in objective)


def loss_of(objective: Objective, scores: Mapping[Branch, Scores]) -> torch.Tensor:
    """The objective's value a pair, `(pairs,)`: the plain sum of its terms."""
    return torch.stack([term.loss(scores) for term in objective]).sum(dim=0)


def as_data(objective: Objective) -> list[dict[str, Any]]:
    """The objective as JSON-ready data for the manifest."""
    return [
        {"term": type(term).__name__, **{k: _plain(v) for k, v in asdict(term).items()}}  # type: ignore[call-overload]
        for term in objective
    ]


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Branch) else value
