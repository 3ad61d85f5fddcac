"""How runs are carried out on this machine: of a run's result it decides the last digits alone, or, with
dropout, the masks.
"""

from dataclasses import dataclass, field

from training.processes import Processes, launched
from zoo.vlm.store import TensorStore

CHECKPOINT_EVERY = 50
"""Steps between checkpoints."""


@dataclass(frozen=True, kw_only=True)
class Execution:
    """What all runs of a process share, and how they are divided up.

    Another division adds up in another order, which changes the last digits. Dropout's masks follow from the
    seed, the step, the process and the parts, so with it another division is another, equally good run.

    Make it before a base is loaded: among several processes it is what gives this one its GPU.
    """

    store: TensorStore = field(default_factory=TensorStore)
    """Vision features and reference log-probs, for every run that asks the same."""
    micro_batch: int | None = None
    """Pairs that are run at once; None: all of its share of a batch. Gradients of the parts add up."""
    gradient_checkpointing: bool = False
    """Keep one layer's activations in place of all, and run every layer forward twice."""
    checkpoint_every: int = CHECKPOINT_EVERY
    tensorboard: bool = False
    """Write the log for TensorBoard too."""
    processes: Processes = field(default_factory=launched)
    """Those that train together; only `processes.main` writes and prints, all others do the same work."""
