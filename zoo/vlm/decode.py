"""A batch of answers under way, a token of each row a step; rows end, are dropped and stream on their own.

What a row says does not hang on the rows beside it, but for the last digits of its log-probs, which follow
from the shape of the batch. So the same batch gives the same answers to the bit, another batch nearly always.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from zoo.asking import Finish, Piece, Sampling, Turn
from zoo.errors import BadInput
from zoo.vlm.compiled import StaticKeyValues
from zoo.vlm.dice import Dice
from zoo.vlm.encoded import ImageFeatures
from zoo.vlm.keys import KeyValues
from zoo.vlm.model import VisionLanguageModel
from zoo.vlm.prefill import Prompt, run_prompts
from zoo.vlm.text import Text

if TYPE_CHECKING:
    from zoo.vlm.bank import Picked

GREEDY = Sampling()
_TOKENS = 8192
"""Most prompt tokens of one pass, so that what it works with takes a bounded place."""


@dataclass(frozen=True)
class Row:
    """One answer that is wanted: about these features, to this prompt, by the adapter in this slot."""

    features: ImageFeatures = field(repr=False)
    prompt: str | tuple[Turn, ...] = field(repr=False)
    slot: int = 0
    """Slot of the adapter bank; 0 is the base."""
    sampling: Sampling = GREEDY


class Decoding:
    """Answers under way; nothing is run before the first `step`.

    Rows of the same features object, prompt and slot share one run of their prompt.
    """

    def __init__(self, vlm: VisionLanguageModel, rows: Sequence[Row]) -> None:
        """Raises BadInput where a row names a slot and the model has no bank, or a prompt is refused, by
        itself or with so many tokens as are asked for."""
        slots = sorted({row.slot for row in rows})
        if vlm.bank is None and any(slots):
            raise BadInput(f"slots {slots} are asked for and no adapter bank is attached")
        self._vlm, self._rows = vlm, tuple(rows)
        asked = {(id(row.features), row.prompt): row for row in rows}
        prompts = {
            key: Prompt(vlm.prompt_ids(row.prompt, row.features), row.features.images)
            for key, row in asked.items()
        }
        self._prompts = [prompts[id(row.features), row.prompt] for row in rows]
        self.prompt_tokens = [len(prompt.ids) for prompt in self._prompts]
        """Tokens of each row's prompt, its images' included."""
        for row, tokens in zip(rows, self.prompt_tokens, strict=True):
            vlm.check_length(tokens, row.sampling.max_tokens)
        decode = partial(decoded, vlm.tokenizer)  # no method of this, which would keep all of it alive
        self._texts = [Text(decode, row.sampling.stop) for row in rows]
        self._tokens = [0] * len(rows)
        self._dice = Dice([row.sampling for row in rows])
        self._open = list(range(len(rows)))
        self._places = list(self._open)
        """The row in each place of the batch; one that has ended stays for a while."""
        self._cache: KeyValues | None = None
        self._picked: Picked | None = None
        self._loads: dict[int, int] = {}
        """By slot, the load that answers; another one in its place would be another adapter."""

    @property
    def open(self) -> tuple[int, ...]:
        """Rows that still answer."""
        return tuple(self._open)

    def drop(self, row: int) -> None:
        """End a row whose answer nobody wants; before the next step, from the same thread."""
        if row in self._open:
            self._open.remove(row)

    @torch.no_grad()
    def step(self) -> list[Piece]:
        """Run the prompts (first call), or one more token of every open row."""
        if not self._open:
            return []
        hidden = self._begin() if self._cache is None else self._go_on(self._cache)
        self._last = self._dice.choose(self._vlm.sayable(self._vlm.logits(hidden)), self._places)
        tokens = dict(zip(self._places, self._last.tolist(), strict=True))  # the only wait for the device
        return [piece for row in self.open if (piece := self._say(row, tokens[row])) is not None]

    def _begin(self) -> torch.Tensor:
        """Run the open rows' prompts; final hidden states (places, hidden)."""
        self._places = list(self._open)
        most = max(self._rows[row].sampling.max_tokens for row in self._places)
        kind = StaticKeyValues if self._vlm.compiled else KeyValues
        self._cache = cache = kind(
            [self.prompt_tokens[row] for row in self._places],
            layers=len(self._vlm.model.model.language_model.layers),
            room=most - 1,  # the last token is never run
        )
        hidden, following, order = [], [], list[int]()
        for group in self._groups():
            firsts = [self._places[places[0]] for places in group]
            with self._running([self._rows[row].slot for row in firsts]):
                last, next_ = run_prompts(
                    self._vlm, [self._prompts[row] for row in firsts], partial(cache.put, places=group)
                )
            repeats = torch.tensor([len(places) for places in group])
            hidden.append(last.repeat_interleave(repeats.to(last.device), dim=0))
            following.append(next_.repeat_interleave(repeats))
            order += [place for places in group for place in places]
        back = torch.tensor(order).argsort()
        self._following = torch.cat(following)[back].to(self._vlm.device)
        return torch.cat(hidden)[back.to(self._vlm.device)]

    def _groups(self) -> Iterator[list[list[int]]]:
        """The places of each prompt, prompts of one length together, so many as one pass takes."""
        shared: dict[tuple[int, int, int, object], list[int]] = {}
        for place, row in enumerate(self._places):
            asked = self._rows[row]
            key = (self.prompt_tokens[row], asked.slot, id(asked.features), asked.prompt)
            shared.setdefault(key, []).append(place)
        for length in sorted({key[0] for key in shared}):
            of_length = [places for key, places in shared.items() if key[0] == length]
            size = max(1, _TOKENS // length)
            yield from (of_length[start : start + size] for start in range(0, len(of_length), size))

    def _go_on(self, cache: KeyValues) -> torch.Tensor:
        """Run the newest token of each place; final hidden states (places, hidden)."""
        if cache.pays(len(self._open)):
            self._leave_gaps(cache)
        spare = [0] * (cache.rows - len(self._places))
        with self._running([*(self._rows[row].slot for row in self._places), *spare]):
            hidden = cache.run(self._vlm.model.model.language_model, self._last, self._following)
        self._following = self._following + 1
        return hidden

    def _leave_gaps(self, cache: KeyValues) -> None:
        """Take ended rows out of the batch: the last rows move into their places."""
        places, count = self._places, len(self._open)
        later = [place for place in range(count, len(places)) if places[place] in self._open]
        kept = [place if places[place] in self._open else later.pop() for place in range(count)]
        cache.keep(kept)
        at = torch.tensor(kept, device=self._vlm.device)
        self._last, self._following = self._last[at], self._following[at]
        self._places = [places[place] for place in kept]

    def _running(self, slots: Sequence[int]) -> AbstractContextManager[None]:
        """The model with the adapters of these slots, one a row."""
        bank = self._vlm.bank
        if bank is None:
            return nullcontext()
        if self._picked is None or self._picked.slots != tuple(slots):
            self._picked = bank.pick(slots)
            for slot, load in zip(self._picked.slots, self._picked.loads, strict=True):
                if self._loads.setdefault(slot, load) != load:
                    raise BadInput(f"slot {slot} of the adapter bank was given up while a batch used it")
        return bank.running(self._picked)

    def _say(self, row: int, token: int) -> Piece | None:
        """What a row says with one more token; it may end by it."""
        self._tokens[row] += 1
        text, ended = self._texts[row], token in self._vlm.ends
        new = "" if ended else text.add(token)
        finish: Finish | None = None
        if ended or text.ended:
            finish = "stop"
        elif self._tokens[row] == self._rows[row].sampling.max_tokens:
            finish = "length"
        if finish:
            new += text.rest()
            self._open.remove(row)
        return Piece(row, new, self._tokens[row], finish) if new or finish else None


def decoded(tokenizer: Any, ids: list[int]) -> str:
    """The text of an answer's token ids."""
    text: str = tokenizer.decode(
        ids,
        skip_special_tokens=True,
        clean_up_tokenization_spaces=False,  # which changes what was said before
    )
    return text
