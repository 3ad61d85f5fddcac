"""How runs are carried out on this machine. None of it decides a run's result, but for its last digits."""

from dataclasses import dataclass, field

from zoo.vlm.store import TensorStore

CHECKPOINT_EVERY = 50
"""Steps between checkpoints."""


@dataclass(frozen=True, kw_only=True)
class Execution:
    """What all runs of a process share, and how they are divided up."""

    store: TensorStore = field(default_factory=TensorStore)
    """Vision features and reference log-probs, for every run that asks the same."""
    micro_batch: int | None = None
    """Pairs that are run at once; None: the whole batch. Gradients of a batch's parts add up."""
    gradient_checkpointing: bool = False
    """Keep one layer's activations in place of all, and run every layer forward twice."""
    checkpoint_every: int = CHECKPOINT_EVERY
