"""The gradient of a batch: run in parts, shared out among processes, added up to one.

Leaves it in the LoRA's parameters; knows no optimiser and no file.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from training.execution import Execution
from training.metrics import Tally
from training.objective import Objective, losses_of
from training.processes import Processes
from training.scoring import BranchScorer
from zoo.vlm.gradients import gradient_pass
from zoo.vlm.lora import TrainableLora


@dataclass(frozen=True)
class Outcome:
    """What is known of the pairs that were run."""

    tally: Tally
    losses: dict[int, float]
    """By the pair's number."""
    tokens: int = 0
    """Response tokens."""

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(self.tally + other.tally, self.losses | other.losses, self.tokens + other.tokens)


def batch_gradient(
    scorer: BranchScorer,
    lora: TrainableLora,
    objective: Objective,
    numbers: Sequence[int],
    execution: Execution,
    *,
    seed: tuple[int, int],
) -> Outcome:
    """The gradient of the mean over the batch's pairs, however it is divided up, and what they were like.

    All that is random follows from `seed` (the run's, and the step), from which process draws, and from the
    parts.

    Raises:
        TrainingFailed: another process could not do its share.
    """
    processes = execution.processes
    for parameter in lora.parameters:
        parameter.grad = None
    torch.manual_seed(int(np.random.SeedSequence((*seed, processes.rank)).generate_state(1)[0]))

    def own() -> Outcome:
        found = Outcome(Tally.empty(objective), {})
        for part in parts_of(scorer, numbers, execution):
            found += _run(scorer, lora, objective, part, len(numbers), execution)
        for part in company(scorer, numbers, execution):
            _run(scorer, lora, objective, part, len(numbers), execution, weight=0.0)
        return found

    first, *others = processes.gathered(own)
    _add_up(lora.parameters, processes)
    return sum(others, start=first)


def parts_of(scorer: BranchScorer, numbers: Sequence[int], execution: Execution) -> list[list[int]]:
    """This process's share of a batch, cut into parts that are run at once.

    Pairs of like length come into one part, the longest first, so that a part too large for the device shows
    in the first step. Which pairs make a batch is not touched: that is the seed's.
    """
    size = execution.micro_batch or len(numbers)
    if execution.processes.count == 1 and size >= len(numbers):
        return [list(numbers)]
    lengths = [scorer.tokens(number) for number in numbers]
    own = sorted(execution.processes.share(lengths), key=lambda place: -lengths[place])
    return [[numbers[place] for place in own[i : i + size]] for i in range(0, len(own), size)]


def company(scorer: BranchScorer, numbers: Sequence[int], execution: Execution) -> list[list[int]]:
    """Parts that this process runs after its own for the others' sake, where no pass can be run alone and it
    has fewer than another one; they are not to count."""
    if not execution.processes.sharded:
        return []
    lengths = [scorer.tokens(number) for number in numbers]
    size = execution.micro_batch or len(numbers)
    parts = [math.ceil(len(own) / size) for own in execution.processes.shares(lengths)]
    shortest = numbers[lengths.index(min(lengths))]
    return [[shortest]] * (max(parts) - parts[execution.processes.rank])


def _run(
    scorer: BranchScorer,
    lora: TrainableLora,
    objective: Objective,
    part: Sequence[int],
    pairs: int,
    execution: Execution,
    *,
    weight: float = 1.0,
) -> Outcome:
    """Add a part's gradient of the mean over so many pairs, times `weight`, to what is there."""
    known = scorer.prepare(part, lora)
    with gradient_pass(lora.vlm, checkpointing=execution.gradient_checkpointing):
        batch = scorer.score(part, known)
        losses = losses_of(objective, batch)
        (losses.sum() / pairs * weight).backward()
    each = losses.detach().sum(dim=0).tolist()
    tokens = int(sum(scores.mask.sum() for scores in batch.branches.values()))
    tally = Tally.of(objective, batch, losses.detach())
    return Outcome(Tally(tally.names, tally.totals.cpu()), dict(zip(part, each, strict=True)), tokens)


def _add_up(parameters: Sequence[torch.nn.Parameter], processes: Processes) -> None:
    """Make every process's gradients the sum of all, in one exchange of one tensor."""
    if processes.count == 1:
        return
    own = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    total = processes.sum(torch.cat([gradient.flatten() for gradient in own]))
    for parameter, part in zip(parameters, total.split([p.numel() for p in parameters]), strict=True):
        parameter.grad = part.view_as(parameter)
