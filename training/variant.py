"""What a variant is: an objective, the pairs that feed it, and its paper's numbers, as frozen data."""

from dataclasses import dataclass

from training.objective import Branch, Objective, branches_of


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Hyper-parameters, as the paper's code has them unless the variant's departures say otherwise."""

    learning_rate: float = 1e-7
    epochs: int = 3
    batch_size: int = 16
    warmup_ratio: float = 0.03
    schedule: str = "cosine"
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way of tuning. Its name is its file's name."""

    title: str
    paper: str
    objective: Objective
    rejected_response: str | None = None
    """Maker of the rejected response: a module of `training/pairs`, or None."""
    rejected_image: str | None = None
    """Maker of the rejected image: a module of `training/pairs`, or None."""
    numbers: Numbers = Numbers()
    departures: tuple[str, ...] = ()
    name: str = ""

    @property
    def branches(self) -> tuple[Branch, ...]:
        """The branches to score."""
        return branches_of(self.objective)

    @property
    def lacks(self) -> str:
        """What the objective reads and no maker makes, as words; empty for a sound variant."""
        if any(b.of_rejected_response for b in self.branches) and not self.rejected_response:
            return "its objective reads a rejected response and rejected_response names no maker"
        if any(b.on_rejected_image for b in self.branches) and not self.rejected_image:
            return "its objective reads a rejected image and rejected_image names no maker"
        return ""
