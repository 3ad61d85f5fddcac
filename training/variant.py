"""What a variant is: an objective, the steps that make its pairs, and its paper's numbers, as frozen data."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from training.objective import Objective, missing_halves, needs
from training.pairs.step import Step
from zoo.errors import BadInput


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Hyper-parameters, as the paper's code has them unless the variant's departures say otherwise."""

    learning_rate: float = 1e-7
    epochs: int = 3
    batch_size: int = 16
    warmup_ratio: float = 0.03
    schedule: Literal["cosine", "constant"] = "cosine"
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    rank: int = 16
    """Rank of the LoRA; a base may cap it, and alpha with it."""
    alpha: int = 32
    use_rslora: bool = False
    dropout: float = 0.0
    """Share of the LoRA's inputs that is left out at random; above 0 each response is run with a prompt of
    its own."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "rank", "alpha"):
            if getattr(self, name) < 1:
                raise BadInput(f"{name} is {getattr(self, name)}", hint=f"{name} is 1 or more")
        for name in ("learning_rate", "max_grad_norm"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise BadInput(f"{name} is {getattr(self, name)}", hint=f"{name} is a number above 0")
        if not 0 <= self.warmup_ratio <= 1:
            raise BadInput(f"warmup_ratio is {self.warmup_ratio}", hint="a share of the steps, 0 to 1")
        if not 0 <= self.dropout < 1:
            raise BadInput(f"dropout is {self.dropout}", hint="dropout is from 0 to below 1")


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way of tuning. Its name is its file's name."""

    title: str
    paper: str
    objective: Objective
    steps: tuple[Step, ...] = ()
    """How a question becomes pairs; without steps, the truth is the chosen response and that is all."""
    numbers: Numbers = Numbers()
    departures: tuple[str, ...] = ()
    """Where this differs from the paper, a sentence each."""
    earlier: tuple["Variant", ...] = ()
    """Stages trained before this one, each on top of the last."""
    rounds: int = 1
    """How often pairs are made and trained on, each round on top of the last."""
    name: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What was set away from the declaration, by field."""

    @property
    def needs_policy(self) -> bool:
        """Whether making its pairs asks the model that is tuned."""
        return any(step.needs_policy for step in self.steps)

    @property
    def lacks(self) -> str:
        """What the objective reads and no step makes, as words; empty for a sound variant."""
        made = {part for step in self.steps for part in step.makes}
        refused = [b for b, missing in missing_halves(self.objective).items() if missing == "refuse"]
        read = {part for b in refused for part in b.parts} | set(needs(self.objective))
        lacking = sorted(read - made)
        return f"its objective reads {' and '.join(lacking)}, which no step makes" if lacking else ""
