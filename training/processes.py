"""Several processes that train one adapter together, and the plain case of one alone.

Started by `accelerate launch` or `torchrun`; every process runs the same program on a share of each batch.
They meet only here, in the same order in all. Knows nothing of what they work on.
"""

import atexit
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import distributed

from training.launcher import DEEPSPEED, ZERO_3_NOTICE, asks_for_deepspeed, asks_for_sharding
from zoo.errors import BadInput, TrainingFailed

Found = TypeVar("Found")

_KNOWN = "every process was told"
LONGEST_WAIT = timedelta(days=7)
"""How long a process waits for another; the main process may make pairs for days while the others wait."""


@dataclass(frozen=True, kw_only=True)
class Processes:
    """This process among those that work together."""

    rank: int = 0
    count: int = 1
    device: str = "cpu"
    """Where tensors have to lie to be added up."""
    sharded: bool = False
    """Whether they share the base's layers out, so that every pass over them is one of all at once."""

    @property
    def main(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    def share(self, lengths: Sequence[int]) -> list[int]:
        """Which of some pieces of work of these lengths are this process's; each is some process's, and the
        lengths' sums are near each other."""
        return self.shares(lengths)[self.rank]

    def shares(self, lengths: Sequence[int]) -> list[list[int]]:
        """The `share` of each process, by rank."""
        loads, found = [0] * self.count, [list[int]() for _ in range(self.count)]
        for number in sorted(range(len(lengths)), key=lambda n: (-lengths[n], n)):
            least = loads.index(min(loads))
            loads[least] += lengths[number]
            found[least].append(number)
        return [sorted(own) for own in found]

    def together(self, wanted: bool) -> bool:
        """Whether to run a pass that this process wants or not: also for another that does, where none can
        run alone."""
        return bool(self.sum(torch.tensor(int(wanted)))) if self.sharded else wanted

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum of all processes' tensors, which have one shape."""
        if self.count == 1:
            return tensor
        total = tensor.to(self.device, copy=True)
        distributed.all_reduce(total)
        return total.to(tensor.device)

    def gathered(self, act: Callable[[], Found]) -> list[Found]:
        """What `act` gives in each process, by rank; all wait for the last.

        Raises:
            TrainingFailed: `act` failed in another process. An error in this one is raised as it is. Where
                layers are shared out others may be in a pass and cannot be told: this process ends, and the
                launcher ends them.
        """
        if self.count == 1:
            return [act()]
        own, message = None, ""
        error: Exception | None = None
        try:
            own = act()
        except Exception as failed:  # told to the others first, who would wait for ever
            if self.sharded:
                raise
            error, message = failed, f"{type(failed).__name__}: {failed}"
        found: list[tuple[Found | None, str]] = [(None, "")] * self.count
        distributed.all_gather_object(found, (own, message))
        if error is not None:
            raise known(error)
        for rank, (_, told) in enumerate(found):
            if told:
                raise known(TrainingFailed(f"process {rank} of {self.count} failed: {told}"))
        return [given for given, _ in found]  # type: ignore[misc]

    def by_main(self, act: Callable[[], object]) -> None:
        """Let the main process alone do something, while the others wait.

        Raises:
            TrainingFailed: in the others, where the main process failed.
        """

        def own() -> None:
            if self.main:
                act()

        self.gathered(own)


def known(error: Exception) -> Exception:
    """Mark an error that every process raises; see `all_know`."""
    error.__notes__ = [*getattr(error, "__notes__", []), _KNOWN]
    return error


def all_know(error: BaseException) -> bool:
    """Whether every process raises for this error, so that all can go on with something else alike; after
    any other one the processes would wait for each other in different places."""
    return _KNOWN in getattr(error, "__notes__", [])


def launched(*, device: str = "auto") -> Processes:
    """The processes that this one was started with; it takes its place, and its GPU, among them. `device` is
    where they compute, as `zoo.vlm.model.load_base` takes it.

    Raises:
        BadInput: `accelerate launch --cpu` was asked for several processes, of which it starts one only; all
            are to compute on one GPU; or `training.launcher` refuses what was asked for.
    """
    sharded = asks_for_sharding(os.environ)
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        if os.environ.get("ACCELERATE_USE_CPU", "").lower() == "true" and "MASTER_PORT" in os.environ:
            raise BadInput(
                "`accelerate launch --cpu` starts one process, however many are asked for",
                hint="accelerate launch --multi_gpu --num_processes N -m training ..., without a GPU too",
            )
        return Processes()
    if device.startswith("cuda:"):
        raise BadInput(
            f"--device {device} would put every process on one GPU",
            hint="leave --device out; CUDA_VISIBLE_DEVICES says which GPUs there are",
        )
    from accelerate import PartialState
    from accelerate.utils import patch_environment

    cpu = device == "cpu" or not torch.cuda.is_available()
    with patch_environment(**{DEEPSPEED: "false"}):  # or DeepSpeed would be loaded to let the processes meet
        state = PartialState(cpu=cpu, timeout=LONGEST_WAIT)
    if asks_for_deepspeed(os.environ) and state.process_index == 0:
        print(ZERO_3_NOTICE, file=sys.stderr)
    # Left to the interpreter's end, gloo's threads may still be letting go of Python's objects when it shuts
    # down, which aborts a process that has done all its work.
    atexit.register(state.destroy_process_group)
    return Processes(
        rank=state.process_index, count=state.num_processes, device=str(state.device), sharded=sharded
    )
