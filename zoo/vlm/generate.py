"""Greedy answers for a batch of rows, each row with its own image, prompt and adapter slot."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch

from zoo.errors import BadInput
from zoo.vlm.batch import pad_batch
from zoo.vlm.model import ImageFeatures, VisionLanguageModel


@dataclass(frozen=True)
class Row:
    """One answer that is wanted: about these features, to this prompt, by the adapter in this slot."""

    features: ImageFeatures
    prompt: str
    slot: int = 0
    """Slot of the adapter bank; 0 is the base."""


@dataclass(frozen=True)
class Generated:
    """One answer, and how many tokens it took, the end of turn included."""

    text: str
    tokens: int


@torch.no_grad()
def generate(vlm: VisionLanguageModel, rows: Sequence[Row], *, max_new_tokens: int = 64) -> list[Generated]:
    """Greedy answers, one a row, in the rows' order.

    Raises:
        BadInput: a row names a slot and the model has no bank, or the bank has no such adapter.
    """
    if not rows:
        return []
    prompts = [vlm.prompt_ids(row.prompt, row.features) for row in rows]
    batch = pad_batch(vlm, prompts, [row.features for row in rows], side="left")
    slots = [row.slot for row in rows]
    if vlm.bank is None and any(slots):
        raise BadInput(f"slots {sorted(set(slots))} are asked for and no adapter bank is attached")
    with vlm.bank.rows(slots) if vlm.bank is not None else nullcontext():
        output = vlm.model.generate(
            **batch.model_inputs(),
            do_sample=False,
            num_beams=1,
            max_new_tokens=max_new_tokens,
            eos_token_id=vlm.end_of_turn,
            pad_token_id=vlm.tokenizer.pad_token_id,
        )
    return [_finish(vlm, ids.tolist()) for ids in output[:, batch.input_ids.shape[1] :]]


def _finish(vlm: VisionLanguageModel, ids: list[int]) -> Generated:
    """Cut a row at its end of turn; what follows is padding."""
    if vlm.end_of_turn in ids:
        ids = ids[: ids.index(vlm.end_of_turn) + 1]
    text = vlm.tokenizer.decode(ids, skip_special_tokens=True)
    return Generated(text=text.strip(), tokens=len(ids))
