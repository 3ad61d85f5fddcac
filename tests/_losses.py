"""An objective's value a pair, in one call; and a whole distribution for it to read."""

from collections.abc import Sequence

import torch

from training.grid import Batch, Distribution
from training.objective import Objective, losses_of
from training.scoring import BranchScorer
from zoo.vlm.lora import TrainableLora


def loss_of(objective: Objective, batch: Batch) -> torch.Tensor:
    """The sum of the objective's terms, (pairs,)."""
    return losses_of(objective, batch).sum(dim=0)


def loss_on(
    objective: Objective, scorer: BranchScorer, numbers: Sequence[int], lora: TrainableLora
) -> torch.Tensor:
    """The same of the pairs of these numbers, scored under the model as it stands."""
    return loss_of(objective, scorer.score(numbers, scorer.prepare(numbers, lora)))


def whole(
    policy: torch.Tensor, reference: torch.Tensor, *, pair: torch.Tensor, column: torch.Tensor
) -> Distribution:
    """Both log-probs over all the vocabulary, (positions, vocabulary), at some tokens of the pairs."""
    return Distribution(lambda function, *rows: function(policy, reference, *rows), pair, column)
