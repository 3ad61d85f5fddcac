"""A batch of answers under way, a token of each row a step; rows end, are dropped and stream on their own."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch.nn.functional import pad

from zoo.asking import Sampling, Turn
from zoo.errors import BadInput
from zoo.vlm.batch import pad_batch
from zoo.vlm.dice import Dice
from zoo.vlm.encoded import ImageFeatures
from zoo.vlm.model import VisionLanguageModel
from zoo.vlm.text import Text

Finish = Literal["stop", "length"]
GREEDY = Sampling()


@dataclass(frozen=True)
class Row:
    """One answer that is wanted: about these features, to this prompt, by the adapter in this slot."""

    features: ImageFeatures
    prompt: str | tuple[Turn, ...]
    slot: int = 0
    """Slot of the adapter bank; 0 is the base."""
    sampling: Sampling = GREEDY


@dataclass(frozen=True)
class Piece:
    """What one row said in one step."""

    row: int
    text: str
    tokens: int
    """Tokens of the row so far, the end of turn included."""
    finish: Finish | None = None
    """Set on the row's last piece."""


class Decoding:
    """Answers under way; nothing is run before the first `step`."""

    def __init__(self, vlm: VisionLanguageModel, rows: Sequence[Row]) -> None:
        """Raises BadInput where a row names a slot and the model has no bank, or a prompt is refused."""
        slots = sorted({row.slot for row in rows})
        if vlm.bank is None and any(slots):
            raise BadInput(f"slots {slots} are asked for and no adapter bank is attached")
        self._vlm, self._rows = vlm, tuple(rows)
        self._prompts = [vlm.prompt_ids(row.prompt, row.features) for row in rows]
        self.prompt_tokens = [len(ids) for ids in self._prompts]
        """Tokens of each row's prompt, its images' included."""
        self._texts = [Text(self._decode, row.sampling.stop) for row in rows]
        self._tokens = [0] * len(rows)
        self._open = list(range(len(rows)))
        self._dice = Dice([row.sampling for row in rows])
        self._cache: Any = None

    @property
    def open(self) -> tuple[int, ...]:
        """Rows that still answer."""
        return tuple(self._open)

    @torch.no_grad()
    def step(self) -> list[Piece]:
        """Run the prompts (first call), or one more token of every open row."""
        if not self._open:
            return []
        slots = [row.slot for row in self._rows]
        with self._vlm.bank.rows(slots) if self._vlm.bank is not None else nullcontext():
            hidden = self._begin() if self._cache is None else self._go_on()
        logits = self._vlm.logits(hidden[:, -1])
        chosen = logits.argmax(dim=-1)
        still = torch.tensor(self._open, device=logits.device)
        chosen[still] = self._dice.choose(logits[still], self._open)
        self._last = chosen
        tokens = chosen.tolist()
        return [piece for row in self.open if (piece := self._say(row, tokens[row])) is not None]

    def drop(self, row: int) -> None:
        """End a row whose answer nobody wants; before the next step, from the same thread."""
        if row in self._open:
            self._open.remove(row)

    def _begin(self) -> torch.Tensor:
        features = [row.features for row in self._rows]
        batch = pad_batch(self._vlm, self._prompts, features, side="left")
        places = [
            self._vlm.family.positions(self._vlm.model, ids, f.images)
            for ids, f in zip(self._prompts, features, strict=True)
        ]
        width = batch.input_ids.shape[1]
        padded = [pad(place, (width - place.shape[-1], 0)) for place in places]
        positions = torch.stack(padded, dim=-2).to(self._vlm.device)  # (rows, tokens) or (3, rows, tokens)
        inputs = batch.model_inputs() | {"position_ids": positions}
        output = self._vlm.model.model(**inputs, use_cache=True)
        self._following = torch.stack([place.max() + 1 for place in places]).to(self._vlm.device)[:, None]
        self._three = places[0].dim() > 1
        self._mask = batch.attention_mask
        self._cache = output.past_key_values
        hidden: torch.Tensor = output.last_hidden_state
        return hidden

    def _go_on(self) -> torch.Tensor:
        self._mask = torch.cat([self._mask, torch.ones_like(self._mask[:, :1])], dim=1)
        hidden: torch.Tensor = self._vlm.model.model.language_model(
            input_ids=self._last[:, None],
            attention_mask=self._mask,
            position_ids=self._following.expand(3, -1, -1) if self._three else self._following,
            past_key_values=self._cache,
            use_cache=True,
        ).last_hidden_state
        self._following = self._following + 1
        return hidden

    def _say(self, row: int, token: int) -> Piece | None:
        """What a row says with one more token; it may end by it."""
        self._tokens[row] += 1
        text = self._texts[row]
        finish: Finish | None = None
        new = "" if token == self._vlm.end_of_turn else text.add(token)
        if token == self._vlm.end_of_turn or text.ended:
            finish = "stop"
        elif self._tokens[row] == self._rows[row].sampling.max_tokens:
            finish = "length"
        if finish:
            new += text.rest()
            self._open.remove(row)
        return Piece(row, new, self._tokens[row], finish) if new or finish else None

    def _decode(self, ids: list[int]) -> str:
        text: str = self._vlm.tokenizer.decode(ids, skip_special_tokens=True)
        return text
