"""Answers for a batch of rows, each row with its own image, prompt, adapter slot and, where sampled, seed.

A sampled row draws from a generator of its own, so the rows beside it do not move its dice. They may still
move its log-probs in the last digits, through the padding and the batch's shape: the same batch gives the
same answers, another batch nearly always.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from transformers import LogitsProcessor, LogitsProcessorList

from zoo.errors import BadInput
from zoo.vlm.batch import pad_batch
from zoo.vlm.encoded import ImageFeatures
from zoo.vlm.model import VisionLanguageModel


@dataclass(frozen=True)
class Row:
    """One answer that is wanted: about these features, to this prompt, by the adapter in this slot."""

    features: ImageFeatures
    prompt: str
    slot: int = 0
    """Slot of the adapter bank; 0 is the base."""
    seed: int = 0
    """Of this row's sample; greedy answers do not read it."""


@dataclass(frozen=True)
class Generated:
    """One answer, and how many tokens it took, the end of turn included."""

    text: str
    tokens: int


@torch.no_grad()
def generate(
    vlm: VisionLanguageModel,
    rows: Sequence[Row],
    *,
    max_new_tokens: int = 64,
    temperature: float = 0.0,
    top_p: float = 1.0,
) -> list[Generated]:
    """Answers, one a row, in the rows' order: greedy at temperature 0, else sampled by the rows' seeds.

    `top_p` keeps the likeliest tokens that together hold that share of the probability.

    Raises:
        BadInput: a row names a slot and the model has no bank, or the bank has no such adapter; a
            temperature below 0, or a `top_p` outside (0, 1].
    """
    if temperature < 0 or not 0 < top_p <= 1:
        raise BadInput(f"temperature {temperature} and top_p {top_p}: they are at least 0, and in (0, 1]")
    if not rows:
        return []
    prompts = [vlm.prompt_ids(row.prompt, row.features) for row in rows]
    batch = pad_batch(vlm, prompts, [row.features for row in rows], side="left")
    slots = [row.slot for row in rows]
    if vlm.bank is None and any(slots):
        raise BadInput(f"slots {sorted(set(slots))} are asked for and no adapter bank is attached")
    sampling = LogitsProcessorList()
    if temperature > 0:
        sampling.append(_Dice([row.seed for row in rows], temperature, top_p))
    with vlm.bank.rows(slots) if vlm.bank is not None else nullcontext():
        output = vlm.model.generate(
            **batch.model_inputs(),
            do_sample=False,
            num_beams=1,
            max_new_tokens=max_new_tokens,
            eos_token_id=vlm.end_of_turn,
            pad_token_id=vlm.tokenizer.pad_token_id,
            logits_processor=sampling,
        )
    return [_finish(vlm, ids.tolist()) for ids in output[:, batch.input_ids.shape[1] :]]


class _Dice(LogitsProcessor):
    """Adds Gumbel noise to each row's log-probs, from a generator of the row's own.

    The argmax of log-probs plus Gumbel noise is a sample of the probabilities (Gumbel 1954), so greedy search
    over them samples.
    """

    def __init__(self, seeds: Sequence[int], temperature: float, top_p: float) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._temperature, self._top_p = temperature, top_p

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        logps = torch.log_softmax(scores.float() / self._temperature, dim=-1)
        if self._top_p < 1:
            ordered, order = logps.sort(dim=-1, descending=True)
            before = ordered.exp().cumsum(dim=-1) - ordered.exp()
            beyond = (before >= self._top_p).scatter(-1, order, before >= self._top_p)
            logps = logps.masked_fill(beyond, -torch.inf)
        waits = torch.stack(
            [torch.empty(logps.shape[-1]).exponential_(generator=g) for g in self._generators]
        )
        return logps - waits.clamp_min(1e-30).log().to(logps.device)


def _finish(vlm: VisionLanguageModel, ids: list[int]) -> Generated:
    """Cut a row at its end of turn; what follows is padding."""
    if vlm.end_of_turn in ids:
        ids = ids[: ids.index(vlm.end_of_turn) + 1]
    text = vlm.tokenizer.decode(ids, skip_special_tokens=True)
    return Generated(text=text.strip(), tokens=len(ids))
