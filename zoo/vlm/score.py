"""Log-probs of given responses the plain way, a padded row each: for probes, the adapter bank, parity checks.

Knows nothing of chosen and rejected. Logits are made at response positions only.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch.nn.utils.rnn import pad_sequence

from zoo.vlm.batch import pad_batch
from zoo.vlm.encoded import ImageFeatures
from zoo.vlm.head import target_logps
from zoo.vlm.model import VisionLanguageModel


@dataclass(frozen=True)
class ScoreRow:
    """A response under an image and a prompt, as token ids."""

    features: ImageFeatures
    prompt_ids: Sequence[int]
    response_ids: Sequence[int]
    slot: int = 0


def score_row(
    vlm: VisionLanguageModel, features: ImageFeatures, prompt: str, response: str, slot: int = 0
) -> ScoreRow:
    """A row from texts; the response's end of turn is scored too."""
    return ScoreRow(features, vlm.prompt_ids(prompt, features), vlm.response_ids(response), slot)


def score(vlm: VisionLanguageModel, rows: Sequence[ScoreRow]) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-prob of every response token under the model as it is now, with gradients where they flow.

    Returns:
        `logps` of shape (rows, longest response) in float32, 0 at padding, and the boolean mask of the
        same shape that is True at response tokens.
    """
    sequences = [[*row.prompt_ids, *row.response_ids] for row in rows]
    batch = pad_batch(vlm, sequences, [row.features for row in rows], side="right")
    with vlm.bank.rows([row.slot for row in rows]) if vlm.bank is not None else nullcontext():
        hidden = vlm.model.model(**batch.model_inputs(), use_cache=False).last_hidden_state
    spans = [
        hidden[i, len(row.prompt_ids) - 1 : len(row.prompt_ids) + len(row.response_ids) - 1]
        for i, row in enumerate(rows)
    ]
    targets = torch.tensor([token for row in rows for token in row.response_ids], device=vlm.device)
    lengths = [len(row.response_ids) for row in rows]
    logps = target_logps(vlm, torch.cat(spans), targets)
    return pad_sequence(list(logps.split(lengths)), batch_first=True), token_mask(lengths, vlm.device)


def token_mask(lengths: Sequence[int], device: torch.device) -> torch.Tensor:
    """True at the first `lengths[i]` places of row i, (rows, longest)."""
    counts = torch.tensor(lengths, device=device)
    return torch.arange(max(lengths), device=device) < counts.unsqueeze(1)
