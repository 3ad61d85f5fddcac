"""Floating-point operations of training a LoRA by DPO: those of a program, and those no exact method avoids.

Products of matrices alone are counted, a multiplication and an addition each; what is done element by element
is far less. It knows nothing of time.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, shape_wrapper

from tests.benchmarks._llava import Shape

aten = torch.ops.aten
PRODUCTS = ("mm", "attention", "conv", "linear", "matmul", "dot", "einsum")
"""Parts of the names of operations that must not go uncounted."""


def counted(work: Callable[[], object]) -> int:
    """What `work` does. Causal attention counts for the half that it computes, masked attention in full.

    Raises:
        RuntimeError: it does a product that the counter does not know.
    """
    with _Counter() as counter:
        work()
    return counter.total


def unavoidable(
    shape: Shape, *, batch: int, prompt_tokens: int, response_tokens: int, rank: int, epochs: int
) -> float:
    """What a step of DPO takes on `batch` pairs, each with an image of its own, both responses of one length.

    `prompt_tokens` are those beside the image. The terms, of which nothing that is frozen is done twice:
    the vision tower and the reference once in all epochs; the policy over each distinct token of a batch
    once, image and prompt shared by both responses; gradients to what flows forward wherever a LoRA lies
    below, none into a frozen weight; in the last layer keys and values for all tokens and the rest only
    where a token is predicted; the head only there; each token's attention to no more than what it may see.
    No state of one epoch is kept for the next beside features and reference log-probs.
    """
    prompt, run = shape.image_tokens + prompt_tokens, response_tokens - 1
    tokens, asking = prompt + 2 * run, 1 + 2 * run
    of_responses = 2 * (run * prompt + run * (run + 1) // 2)
    sees, asking_sees = prompt * (prompt + 1) // 2 + of_responses, prompt + of_responses
    sizes = {"batch": batch, "rank": rank}
    layers = [_Layer(shape, asking=tokens, asked=tokens, sees=sees, **sizes) for _ in range(shape.layers - 1)]
    layers.append(_Layer(shape, asking=asking, asked=tokens, sees=asking_sees, **sizes))
    head = _linear(batch * asking, shape.hidden, shape.vocabulary)
    forward = sum(layer.forward() for layer in layers) + head
    backward = sum(layer.backward(first=layer is layers[0]) for layer in layers) + head
    lora = sum(layer.lora() for layer in layers)
    return forward + backward + lora + (forward + batch * _vision(shape)) / epochs


class _Layer:
    """A layer of the language model in which some tokens ask and others, among them these, are asked."""

    def __init__(self, shape: Shape, *, asking: int, asked: int, sees: int, batch: int, rank: int) -> None:
        """Tokens of one pair; `sees` are the pairs of tokens of which one sees the other."""
        self._hidden, self._rank = shape.hidden, rank
        self._sees = batch * sees
        hidden, wide = shape.hidden, shape.intermediate
        self._below = {"k": (batch * asked, hidden, hidden), "v": (batch * asked, hidden, hidden)}
        self._below["q"] = (batch * asking, hidden, hidden)
        self._above = {"o": (batch * asking, hidden, hidden), "down": (batch * asking, wide, hidden)}
        self._above |= {"gate": (batch * asking, hidden, wide), "up": (batch * asking, hidden, wide)}

    def forward(self) -> float:
        """The frozen layer: seven linear layers, scores and their sums over values."""
        return self._linear(self._below, self._above) + 4 * self._hidden * self._sees

    def backward(self, *, first: bool) -> float:
        """Gradients to what went into it: twice the attention; below the first layer nothing learns."""
        linear = self._linear(self._above) if first else self._linear(self._below, self._above)
        return linear + 8 * self._hidden * self._sees

    def lora(self) -> float:
        """All LoRAs of the layer, forward and backward: run beside the frozen weight, six products with the
        tokens; or added into it once a step for both directions, and four for the LoRA's own gradients."""
        found = 0
        for tokens, inputs, outputs in (self._below | self._above).values():
            once = _linear(tokens, self._rank, inputs + outputs)
            found += min(3 * once, 2 * once + _linear(inputs, self._rank, outputs))
        return found

    @staticmethod
    def _linear(*layers: dict[str, tuple[int, int, int]]) -> float:
        return sum(_linear(*sizes) for part in layers for sizes in part.values())


def _vision(shape: Shape) -> float:
    """The tower on one image, up to the last layer but one, whose patches are read; and the projector."""
    patches, width = shape.image_tokens, shape.vision_hidden
    tokens = patches + 1
    found = _linear(patches, 3 * shape.patch**2, width)
    for layer in range(1, shape.vision_layers):
        asking = patches if layer == shape.vision_layers - 1 else tokens
        found += 2 * (_linear(tokens, width, width) + _linear(asking, width, width))
        found += 2 * _linear(asking, width, shape.vision_intermediate) + 4 * width * asking * tokens
    return found + _linear(patches, width, shape.hidden) + _linear(patches, shape.hidden, shape.hidden)


def _linear(rows: int, inputs: int, outputs: int) -> int:
    return 2 * rows * inputs * outputs


class _Counter(TorchDispatchMode):
    """Adds up the operations that are carried out. (FlopCounterMode's hooks forbid `torch.autograd.grad`.)"""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        operation = func._overloadpacket
        if operation in _COUNTS:
            self.total += _COUNTS[operation](*args, **(kwargs or {}), out_val=out)
        elif any(part in operation.__name__ for part in PRODUCTS):
            raise RuntimeError(f"nothing counts {operation}")
        return out


def _added(into: Any, one: Any, other: Any, **_: Any) -> int:
    return int(2 * prod(into) * one[-1])


def _attention(
    query: Any, key: Any, value: Any, dropout: float = 0.0, causal: bool = False, *_: Any, **__: Any
) -> int:
    return 2 * _products(query, key, causal)


def _attention_backward(
    gradient: Any,
    query: Any,
    key: Any,
    value: Any,
    out: Any,
    sums: Any,
    dropout: float,
    causal: bool,
    **_: Any,
) -> int:
    return 5 * _products(query, key, causal)  # the scores are made anew


def _products(query: Any, key: Any, causal: bool) -> int:
    """One product of attention, from shapes `(batch, heads, tokens, size)`."""
    batch, heads, asking, size = query
    asked = key[2]
    return int(2 * batch * heads * size * (asking * (asking + 1) // 2 if causal else asking * asked))


_COUNTS: dict[Any, Callable[..., int]] = flop_registry | {
    aten.addmm_: shape_wrapper(_added),
    aten.baddbmm_: shape_wrapper(_added),
    aten._scaled_dot_product_flash_attention_for_cpu: shape_wrapper(_attention),
    aten._scaled_dot_product_flash_attention_for_cpu_backward: shape_wrapper(_attention_backward),
}
