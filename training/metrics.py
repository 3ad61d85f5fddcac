"""What a step says of itself: losses, rewards, margins, distance from the reference. Knows no model, no file.

A reward is beta times the log ratio, with the beta and the tokens (all, or those of spans) of the first term
that reads the branch: DPO's implicit reward (Rafailov et al. 2023, section 4). A margin is the chosen
branch's reward less another's, with the latter's beta and tokens; an accuracy is how often it is above 0,
where a tie counts a half, so that a policy that is still its reference, which knows neither, has 50 %.
"""

import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from training.grid import Batch, Branch, Where
from training.objective import Objective, TokenKL, branches_of, needs_reference

EXPLODED = 20.0
"""How many times the median of the run's losses so far a loss may be: 20 nats above a median of 1 is far
worse than guessing blindly (about 12 nats a token)."""
TIE = 1e-4
"""Rewards. A margin as near 0 as this is rounding alone: the same model gives as different sums of log-probs
where it has run twice."""

Total = tuple[torch.Tensor, torch.Tensor]
"""A sum, and how many it is of."""
Reading = Callable[[Batch, torch.Tensor], Total]
"""What gives a metric's total from a batch and its losses by term, (terms, pairs)."""


@dataclass(frozen=True)
class Tally:
    """Metrics as sums and counts, so that parts of a batch, and the shares of processes, add up exactly."""

    names: tuple[str, ...]
    """The metrics of the objective, the same in every part."""
    totals: torch.Tensor
    """Sum and count of each, (2, metrics), float64."""

    @classmethod
    def empty(cls, objective: Objective, device: torch.device | str = "cpu") -> "Tally":
        """That of no pairs."""
        names = tuple(_readings(objective))
        return cls(names, torch.zeros(2, len(names), dtype=torch.float64, device=device))

    @classmethod
    @torch.no_grad()
    def of(cls, objective: Objective, batch: Batch, losses: torch.Tensor) -> "Tally":
        """That of a batch, from its losses by term, (terms, pairs): see `training.objective.losses_of`."""
        readings = _readings(objective)
        found = [torch.stack(reading(batch, losses)) for reading in readings.values()]
        return cls(tuple(readings), torch.stack(found, dim=1))

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.names, self.totals + other.totals)

    def means(self) -> dict[str, float]:
        """Each metric's mean; none of what nothing was counted for."""
        sums, counts = self.totals.tolist()
        return {
            name: total / count for name, total, count in zip(self.names, sums, counts, strict=True) if count
        }


def exploded(loss: float, before: Sequence[float]) -> bool:
    """Whether a finite loss is so far above the run's losses before it that going on is in vain.

    Near its end a run may have a median near 0 and one hard pair, so a median below 1, about what an unlearnt
    preference costs, counts as 1. The first loss is what it is.
    """
    return bool(before) and loss > EXPLODED * max(1.0, abs(statistics.median(before)))


def term_names(objective: Objective) -> list[str]:
    """A name for each term in the log, such as `prefer_chosen_over_rejected_response`."""
    names: list[str] = []
    for term in objective:
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(term).__name__).lower()
        name = f"{words}_{'_over_'.join(term.branches)}"
        names.append(f"{name}_{len(names) + 1}" if name in names else name)
    return names


def _readings(objective: Objective) -> dict[str, Reading]:
    """How each metric of an objective is read."""
    found: dict[str, Reading] = {"loss": lambda _, losses: _sum(losses.sum(dim=0))}
    for number, (name, term) in enumerate(zip(term_names(objective), objective, strict=True)):
        if len(objective) > 1:
            found[f"loss_{name}"] = partial(_loss, number)
        if isinstance(term, TokenKL) and term.weight:
            found[name] = partial(_token_kl, number, term)
    rewards: dict[Branch, tuple[float, Where]] = {}
    for term in objective:
        if (beta := getattr(term, "beta", None)) is not None:
            for branch in term.branches:
                rewards.setdefault(branch, (beta, getattr(term, "where", "all")))
    for branch, (beta, where) in rewards.items():
        found[f"reward_{branch}"] = partial(_reward, branch, beta, where)
        if branch is not Branch.CHOSEN and Branch.CHOSEN in rewards:
            found[f"margin_over_{branch}"] = partial(_margin, branch, beta, where)
            found[f"accuracy_over_{branch}"] = partial(_accuracy, branch, beta, where)
    if needs_reference(objective) and Branch.CHOSEN in branches_of(objective):
        found["kl_estimate"] = _kl_estimate
    return found


def _loss(term: int, batch: Batch, losses: torch.Tensor) -> Total:
    return _sum(losses[term])


def _token_kl(number: int, term: TokenKL, batch: Batch, losses: torch.Tensor) -> Total:
    """The divergence that the term keeps small, a token that it counts, without the term's weight."""
    total, _ = _sum(losses[number] / term.weight)
    return total, batch.branches[term.branch].where(term.where).sum().double()


def _reward(branch: Branch, beta: float, where: Where, batch: Batch, losses: torch.Tensor) -> Total:
    scores = batch.branches[branch]
    return _sum(beta * scores.log_ratio(where), scores.present)


def _margin(branch: Branch, beta: float, where: Where, batch: Batch, losses: torch.Tensor) -> Total:
    return _sum(_margins(branch, beta, where, batch), batch.branches[branch].present)


def _accuracy(branch: Branch, beta: float, where: Where, batch: Batch, losses: torch.Tensor) -> Total:
    margins = _margins(branch, beta, where, batch)
    right = torch.where(margins.abs() <= TIE, 0.5, (margins > 0).double())
    return _sum(right, batch.branches[branch].present)


def _margins(branch: Branch, beta: float, where: Where, batch: Batch) -> torch.Tensor:
    """How far the chosen branch's reward is above another's, (pairs,)."""
    return beta * (batch.branches[Branch.CHOSEN].log_ratio(where) - batch.branches[branch].log_ratio(where))


def _kl_estimate(batch: Batch, losses: torch.Tensor) -> Total:
    """KL(policy || reference) a token, estimated from the chosen response's tokens: exp(-r) - 1 + r, with r
    the token's log ratio (Schulman 2020, "Approximating KL divergence", k3).

    Never negative, and right on average only for tokens that the policy itself had drawn; the chosen ones
    were given, so it is a sign of drift and no more.
    """
    scores = batch.branches[Branch.CHOSEN]
    if scores.reference is None:
        raise ValueError("this objective needs reference log-probs and none were given")
    ratio = (scores.logps - scores.reference).double()
    return _sum(torch.expm1(-ratio) + ratio, scores.mask)


def _sum(values: torch.Tensor, counted: torch.Tensor | None = None) -> Total:
    """Sum of the values that are counted, all by default, and how many they are."""
    values = values.double()
    if counted is None:
        counted = torch.ones_like(values, dtype=torch.bool)
    return torch.where(counted, values, 0.0).sum(), counted.sum().double()
