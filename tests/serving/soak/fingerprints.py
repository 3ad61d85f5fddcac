"""Adapters of the phantom base that can each say one word only, built rather than trained.

Each is a chain over the layers' `down_proj`: the first layer adds a key of the adapter's own to whatever it
reads, the second answers to that key and adds another, the last answers to the second key, adds the word's
direction and takes the keys away again. So an answer bears the word only if all layers ran with the same
adapter; a mixture of two says neither's. The word comes again and again, under any image and question, until
the most tokens.
"""

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from tests._adapters import describe, write_weights
from zoo.phantom.scans import make_scan
from zoo.vlm.batch import pad_batch
from zoo.vlm.model import VisionLanguageModel

PROMPTS = (
    "What is shown?",
    "On which side is the nodule?",
    "Is there an abnormality?",
    "Which describes the finding best: nodule or calcification?",
    "Describe the scan.",
)
FITTED_TO = 16
"""Scans, from seed 10000 on; the adapters may be asked about any."""
OTHER_KEYS = 16
"""Keys of no adapter, to which the second layer is taught not to answer."""
STRENGTH = 30.0
"""Length of the first key, over that of what it is added to; the second is three times as long."""
LEAST, LEAST_SAID = 0.85, 0.75
"""The probability that a word must have by its direction alone, and wherever the adapter was fitted."""
PEFT_NAME = "base_model.model.{}.lora_{}.weight"

Push = tuple[torch.Tensor, torch.Tensor]
"""What is read of a layer's activations, and the direction that is added so many times."""


@dataclass(frozen=True)
class Fingerprint:
    """An adapter that can only say `word`, and the digest by which it is known."""

    folder: Path
    word: str
    """As it stands within a text, its leading space included if it has one."""
    digest: str

    def says(self, tokens: int) -> str:
        """All that it can say in so many tokens."""
        return (self.word * tokens).strip()


class _Read(Exception):
    """What a layer reads is known, so the layers above need not run."""

    def __init__(self, seen: torch.Tensor) -> None:
        super().__init__()
        self.seen = seen


class Forge:
    """Makes fingerprint adapters, each with a word of its own."""

    def __init__(self, vlm: VisionLanguageModel, *, seed: int = 0) -> None:
        self._vlm = vlm
        self._names = {
            name: module for name, module in vlm.model.named_modules() if name.endswith("mlp.down_proj")
        }
        self._downs = [module for name, module in self._names.items() if ".language_model." in name]
        self._dice = torch.Generator().manual_seed(seed)
        self._directions = _directions(vlm)
        self._inputs, self._mask = self._calibration()
        plain = self._read(0)
        self._first = _fit(plain, [])
        self._length = STRENGTH * float((plain @ self._downs[0].weight.T).norm(dim=-1).median())
        others = [(self._first, self._key()) for _ in range(OTHER_KEYS)]
        self._unanswered = [self._read(1), *(self._read(1, other) for other in others)]
        self._last_plain = self._read(2)

    @property
    def words_left(self) -> int:
        """How many more adapters can be made."""
        return len(self._directions)

    @torch.no_grad()
    def make(self, folder: Path, *, rank: int = 1, alpha: int = 1, name: str = "fingerprint") -> Fingerprint:
        """Write an adapter that says a word of its own. The weights' meaning is the same at any rank and
        alpha: they are spread over the rank's components, the scale is divided out."""
        token, pushes = self._chain()
        tensors = {}
        for layer, (a, b) in zip(self._downs, pushes, strict=True):
            full = next(full for full, module in self._names.items() if module is layer)
            shares = torch.rand(rank, generator=self._dice) + 0.1
            shares /= shares.sum() * (alpha / rank)
            tensors[PEFT_NAME.format(full, "A")] = a.repeat(rank, 1).contiguous()
            tensors[PEFT_NAME.format(full, "B")] = (b[:, None] * shares).contiguous()
        shutil.rmtree(folder, ignore_errors=True)
        manifest = describe(folder, self._vlm.base, name=name, rank=rank, alpha=alpha, targets=("down_proj",))
        digest = write_weights(folder, tensors, manifest).weights_sha256
        return Fingerprint(folder, self._vlm.tokenizer.decode([token]), digest)

    def _chain(self) -> tuple[int, list[Push]]:
        """The next word that a chain can be made for, and what each layer adds; words that come out less
        clearly than `LEAST_SAID` somewhere are passed over."""
        while True:
            token = next(iter(self._directions))
            key, second = self._key(), 3 * self._key()
            opening = (self._first, key)
            passing = (_fit(self._read(1, opening), self._unanswered), second)
            unanswered = [self._last_plain, self._read(2, opening)]
            word = 2 * self._length * self._directions.pop(token) - key - second
            closing = (_fit(self._read(2, opening, passing), unanswered), word)
            chain = [opening, passing, closing]
            if float(self._logits(*chain).softmax(dim=-1)[:, token].min()) > LEAST_SAID:
                return token, chain

    def _key(self) -> torch.Tensor:
        drawn = torch.randn(self._downs[0].out_features, generator=self._dice)
        return self._length * drawn / drawn.norm()

    def _calibration(self) -> tuple[dict[str, Any], torch.Tensor]:
        """Prompts with and without an answer begun, as one padded batch."""
        prompts, features = [], []
        tokens = list(self._directions)
        for number in range(FITTED_TO):
            seen = self._vlm.encode_images([Image.fromarray(make_scan(10_000 + number).pixels)])
            ids = self._vlm.prompt_ids(PROMPTS[number % len(PROMPTS)], seen)
            prompts += [ids, ids + tokens[number * 8 : number * 8 + 8]]
            features += [seen, seen]
        batch = pad_batch(self._vlm, prompts, features, side="left")
        return batch.model_inputs(), batch.attention_mask.bool()

    @torch.no_grad()
    def _read(self, layer: int, *pushes: Push) -> torch.Tensor:
        """What `down_proj` of a layer reads, `(tokens, features)`, where earlier layers add `pushes`."""

        def stop(_: Any, args: tuple[torch.Tensor]) -> None:
            raise _Read(args[0][self._mask])

        reading = self._downs[layer].register_forward_pre_hook(stop)
        try:
            self._logits(*pushes)
        except _Read as read:
            return read.seen
        finally:
            reading.remove()
        raise AssertionError("the layer was not run")

    @torch.no_grad()
    def _logits(self, *pushes: Push) -> torch.Tensor:
        """What is said, `(tokens, vocabulary)`, where the layers add `pushes`."""
        hooks = [
            down.register_forward_hook(partial(_add, push))
            for down, push in zip(self._downs, pushes, strict=False)
        ]
        try:
            logits: torch.Tensor = self._vlm.model(**self._inputs, use_cache=False).logits
        finally:
            for hook in hooks:
                hook.remove()
        return logits[self._mask]


def _add(push: Push, _: Any, args: tuple[torch.Tensor], out: torch.Tensor) -> torch.Tensor:
    return out + (args[0] @ push[0])[..., None] * push[1]


def _fit(answered: torch.Tensor, unanswered: list[torch.Tensor]) -> torch.Tensor:
    """The direction whose product with each row of `answered` is nearest to 1, with the others' to 0: least
    squares with a little ridge."""
    rows = torch.cat([answered, *(some[::5] for some in unanswered)])
    wanted = torch.zeros(len(rows))
    wanted[: len(answered)] = 1
    gram = rows.T @ rows
    gram += 1e-3 * gram.diagonal().mean() * torch.eye(len(gram))
    return torch.linalg.solve(gram, rows.T @ wanted)


def _directions(vlm: VisionLanguageModel) -> dict[int, torch.Tensor]:
    """Token -> the unit direction of the last hidden state that says it most clearly, for words of letters
    alone that differ by more than a space."""
    texts = {vlm.tokenizer.decode([token]).strip(): token for token in range(len(vlm.tokenizer))}
    tokens = torch.tensor(sorted(token for text, token in texts.items() if text.isalpha() and len(text) > 2))
    head = vlm.model.lm_head.weight.float()
    gain = vlm.model.model.language_model.norm.weight.float()
    found = head[tokens].clone().requires_grad_()
    ascent = torch.optim.Adam([found], lr=0.05)
    for _ in range(300):
        normed = found / found.pow(2).mean(dim=-1, keepdim=True).sqrt()
        logps = torch.log_softmax(normed * gain @ head.T, dim=-1)
        own = logps.gather(1, tokens[:, None])[:, 0]
        ascent.zero_grad()
        (-own.sum()).backward()
        ascent.step()
    clear = own.detach().exp() > LEAST
    units = found.detach() / found.detach().norm(dim=-1, keepdim=True)
    return {int(token): unit for token, unit in zip(tokens[clear], units[clear], strict=True)}
