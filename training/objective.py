"""Objectives as data: a tuple of frozen terms over the branches of the preference grid.

Which branches to run, and whether a reference, spans, weights or the whole vocabulary is needed, is derived
from the terms. A term knows its pure loss function in `training.losses`; it does not know how log-probs
are made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch

from training.grid import Batch, Branch, Where
from training.losses import (
    anchor_loss,
    forward_kl,
    nll_loss,
    policy_gradient_loss,
    preference_loss,
    reverse_kl,
    sum_by_pair,
)
from zoo.errors import BadDeclaration

Missing = Literal["refuse", "chosen", "skip"]
"""What a pair without a rejected half means to a term: an error; that half equals the chosen one; the
term is 0 for that pair."""
Weighting = Literal["raw", "rescaled", "paper_literal"]
"""How the weights of a pair set are normalised, see `training.weights`."""


class Term:
    """One summand of an objective; a frozen dataclass."""

    @property
    def branches(self) -> tuple[Branch, ...]:
        """The branches whose log-probs it reads."""
        raise NotImplementedError

    @property
    def needs_reference(self) -> bool:
        """Whether it reads log ratios."""
        return True

    @property
    def needs(self) -> tuple[str, ...]:
        """What it reads of a pair beside its texts and images: spans, weight, rewards."""
        return ()

    @property
    def missing_half(self) -> Missing:
        """What a missing rejected half means to it."""
        return "refuse"

    @property
    def distributions(self) -> Mapping[Branch, Where]:
        """The branches of which it reads the whole vocabulary, and at which tokens."""
        return {}

    @property
    def argmaxes(self) -> tuple[Branch, ...]:
        """The branches of which it reads the likeliest tokens."""
        return ()

    def loss(self, batch: Batch) -> torch.Tensor:
        """Its value a pair, `(pairs,)`."""
        raise NotImplementedError


Objective = Sequence[Term]


@dataclass(frozen=True)
class Imitate(Term):
    """Negative log-likelihood of a branch's response, a mean over its tokens."""

    branch: Branch
    weight: float = 1.0

    @property
    def branches(self) -> tuple[Branch, ...]:
        return (self.branch,)

    @property
    def needs_reference(self) -> bool:
        return False

    def loss(self, batch: Batch) -> torch.Tensor:
        scores = batch.branches[self.branch]
        return self.weight * nll_loss(scores.logps, scores.mask)


@dataclass(frozen=True)
class Prefer(Term):
    """Prefer one branch over another: DPO over a response, CoPO over an image, MMedPO over both; over
    whole responses or over their spans alone."""

    preferred: Branch
    over: Branch
    beta: float = 0.1
    where: Where = "all"
    weight: float = 1.0
    missing: Missing = "refuse"
    weights: Weighting | None = None

    @property
    def branches(self) -> tuple[Branch, ...]:
        return (self.preferred, self.over)

    @property
    def needs(self) -> tuple[str, ...]:
        spans = ("spans",) if self.where == "spans" else ()
        return (*spans, "weight") if self.weights else spans

    @property
    def missing_half(self) -> Missing:
        return self.missing

    def loss(self, batch: Batch) -> torch.Tensor:
        preferred, over = batch.branches[self.preferred], batch.branches[self.over]
        loss = preference_loss(preferred.log_ratio(self.where), over.log_ratio(self.where), beta=self.beta)
        for present in (preferred.present, over.present):
            if present is not None:
                loss = torch.where(present, loss, torch.zeros_like(loss))
        if self.weights:
            if batch.weights is None:
                raise ValueError("this objective needs the pairs' weights and none were given")
            loss = batch.weights * loss
        return self.weight * loss


@dataclass(frozen=True)
class Anchor(Term):
    """Keep a branch at least as likely as the reference has it (AncPO)."""

    branch: Branch
    beta: float = 0.1
    delta: float = 0.0

    @property
    def branches(self) -> tuple[Branch, ...]:
        return (self.branch,)

    def loss(self, batch: Batch) -> torch.Tensor:
        return anchor_loss(batch.branches[self.branch].log_ratio(), beta=self.beta, delta=self.delta)


@dataclass(frozen=True)
class TokenKL(Term):
    """Stay near the reference's distribution over the whole vocabulary: a sum over the tokens that count of
    `forward` KL(reference || policy) + `reverse` KL(policy || reference)."""

    branch: Branch
    where: Where = "all"
    forward: float = 1.0
    reverse: float = 0.0
    weight: float = 0.01

    @property
    def branches(self) -> tuple[Branch, ...]:
        return (self.branch,)

    @property
    def needs(self) -> tuple[str, ...]:
        return ("spans",) if self.where == "spans" else ()

    @property
    def distributions(self) -> Mapping[Branch, Where]:
        return {self.branch: self.where}

    def loss(self, batch: Batch) -> torch.Tensor:
        scores = batch.branches[self.branch]
        found = scores.whole_vocabulary()

        def both(policy: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
            return self.forward * forward_kl(policy, reference) + self.reverse * reverse_kl(policy, reference)

        kl = found.fold(both) * scores.where(self.where)[found.pair, found.column]
        return self.weight * sum_by_pair(kl, found.pair, len(scores.logps))


@dataclass(frozen=True)
class PreferOverArgmax(Term):
    """Prefer a branch over a response that the policy makes anew at each step: the likeliest tokens z_t under
    the rejected image, teacher-forced on the chosen response; their log-probs are those under the chosen
    image, of policy and reference alike (POVID stage 2, Zhou et al. 2024, arXiv 2402.11411)."""

    preferred: Branch
    noised: Branch
    beta: float = 0.1
    weight: float = 1.0

    @property
    def branches(self) -> tuple[Branch, ...]:
        return (self.preferred,)

    @property
    def distributions(self) -> Mapping[Branch, Where]:
        return {self.preferred: "all"}

    @property
    def argmaxes(self) -> tuple[Branch, ...]:
        return (self.noised,)

    def loss(self, batch: Batch) -> torch.Tensor:
        if batch.argmaxes is None:
            raise ValueError("this objective needs the likeliest tokens and they were not given")
        scores = batch.branches[self.preferred]
        found = scores.whole_vocabulary()

        def ratio(policy: torch.Tensor, reference: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
            return (policy - reference).gather(1, tokens[:, None])[:, 0]

        tokens = batch.argmaxes[self.noised][found.pair, found.column]
        own = sum_by_pair(found.fold(ratio, tokens), found.pair, len(scores.logps))
        return self.weight * preference_loss(scores.log_ratio(), own, beta=self.beta)


@dataclass(frozen=True)
class Reinforce(Term):
    """Policy gradient on a sampled answer with a reward a token."""

    branch: Branch
    weight: float = 1.0

    @property
    def branches(self) -> tuple[Branch, ...]:
        return (self.branch,)

    @property
    def needs_reference(self) -> bool:
        return False

    @property
    def needs(self) -> tuple[str, ...]:
        return ("rewards",)

    def loss(self, batch: Batch) -> torch.Tensor:
        scores = batch.branches[self.branch]
        if scores.rewards is None:
            raise ValueError("this objective needs rewards and none were given")
        return self.weight * policy_gradient_loss(scores.logps, scores.rewards, scores.mask)


def branches_of(objective: Objective) -> tuple[Branch, ...]:
    """The branches whose log-probs an objective reads, in grid order."""
    read = {branch for term in objective for branch in term.branches}
    return tuple(branch for branch in Branch if branch in read)


def argmaxes_of(objective: Objective) -> tuple[Branch, ...]:
    """The branches of which an objective reads the likeliest tokens, in grid order."""
    read = {branch for term in objective for branch in term.argmaxes}
    return tuple(branch for branch in Branch if branch in read)


def needs_reference(objective: Objective) -> bool:
    """Whether any term reads log ratios."""
    return any(term.needs_reference for term in objective)


def needs(objective: Objective) -> tuple[str, ...]:
    """What an objective reads of a pair beside its texts and images, sorted."""
    return tuple(sorted({need for term in objective for need in term.needs}))


def distributions_of(objective: Objective) -> dict[Branch, Where]:
    """The branches of which the whole vocabulary is read, and at which tokens."""
    found: dict[Branch, Where] = {}
    for term in objective:
        for branch, where in term.distributions.items():
            found[branch] = "all" if "all" in (where, found.get(branch)) else "spans"
    return found


def missing_halves(objective: Objective) -> dict[Branch, Missing]:
    """What a missing rejected half means on each branch that is read.

    Raises:
        BadDeclaration: two terms disagree about a branch.
    """
    found: dict[Branch, Missing] = {}
    for term in objective:
        for branch in (*term.branches, *term.argmaxes):
            if branch.parts and found.setdefault(branch, term.missing_half) != term.missing_half:
                raise BadDeclaration(
                    f"two terms disagree what a pair without {' and '.join(branch.parts)} means: "
                    f"{found[branch]!r} and {term.missing_half!r}"
                )
            found.setdefault(branch, "refuse")
    return found


def weighting_of(objective: Objective) -> Weighting | None:
    """How the pairs' weights are normalised; None where no term reads them.

    Raises:
        BadDeclaration: two terms disagree.
    """
    found = {term.weights for term in objective if isinstance(term, Prefer) and term.weights}
    if len(found) > 1:
        raise BadDeclaration(f"two terms disagree how weights are normalised: {', '.join(sorted(found))}")
    return found.pop() if found else None


def losses_of(objective: Objective, batch: Batch) -> torch.Tensor:
    """Each term's value a pair, `(terms, pairs)`; the objective's is their plain sum."""
    return torch.stack([term.loss(batch) for term in objective])


def as_data(objective: Objective) -> list[dict[str, Any]]:
    """The objective as JSON-ready data for the manifest."""
    return [
        {"term": type(term).__name__, **{k: _plain(v) for k, v in asdict(term).items()}}  # type: ignore[call-overload]
        for term in objective
    ]


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Branch) else value
