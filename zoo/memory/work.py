"""Floating-point operations and bytes that a step or an answer cannot do without, and the time they take.

A multiplication and an addition count each; what is done element by element is left out. Times are estimates:
operations over a rate of multiplying matrices, bytes over a rate of reading memory. Knows no device.
"""

from dataclasses import dataclass

from zoo.memory.peak import weight_bytes
from zoo.memory.serving import Serving, token_bytes
from zoo.memory.shape import Shape
from zoo.memory.training import Step

REACHED = 0.63
"""Share of the rate of one large product of matrices that training reached where it was measured: a LLaVA of
65 million parameters on two cores (`train_matmul_efficiency_576_short` of `make bench ARGS=training`)."""


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What a device does in a second."""

    operations: float
    """Of one large product of matrices in the base's precision."""
    bytes: float
    """Read from its memory."""
    source: str
    """Who says so."""


def step_seconds(shape: Shape, step: Step, rates: Rates, *, epochs: int) -> float:
    """Of an optimiser step, a mean over epochs."""
    return step_operations(shape, step, epochs=epochs) / (rates.operations * REACHED)


def step_operations(shape: Shape, step: Step, *, epochs: int) -> float:
    """Of an optimiser step, a mean over epochs: the first alone sees images and asks the reference.

    Forward, then as much for the gradients of what flowed forward, of attention twice as much; three times a
    LoRA's forward; none into what is frozen.
    """
    language, lengths = shape.language, step.lengths
    run = lengths.response - 1
    sees = sum(
        lengths.asked * (lengths.asked + 1) // 2 + count * (run * lengths.asked + run * (run + 1) // 2)
        for count in step.rows
    )
    linear = 2 * language.linear_weights * step.tokens
    attention = 4 * language.layers * language.queries * sees
    lora = 2 * language.lora(step.rank, step.targets) * step.tokens
    head = 2 * language.embeddings * step.scored
    policy = 2 * (linear + head) + 3 * (attention + lora)
    if step.checkpointing:
        policy += linear + attention + lora
    images = len(step.responses) * lengths.images
    once = linear + attention + head + images * image_operations(shape, tokens=lengths.image)
    return step.batch * (policy + once / epochs)


def image_operations(shape: Shape, *, tokens: int) -> float:
    """Of seeing an image of so many tokens."""
    tower = shape.tower
    seen = tokens * tower.patches + tower.extra
    tiles = sum(scale**2 for scale in range(1, tower.scales + 1))
    of_a_tile = 2 * tower.weights * seen + 4 * tower.layers * tower.hidden * seen**2
    return tiles * of_a_tile + 2 * tower.projector * tokens


def first_token_seconds(shape: Shape, serving: Serving, rates: Rates) -> float:
    """Until all rows of an idle server have said a token: an image that was not seen before, and prompts."""
    language, asked = shape.language, serving.asked
    adapters = language.lora(serving.rank, serving.targets)
    prompt = 2 * (language.linear_weights + adapters) * asked
    prompt += 2 * language.layers * language.queries * asked**2
    images = serving.images * image_operations(shape, tokens=serving.image)
    return (serving.rows * prompt + images) / (rates.operations * REACHED)


def token_seconds(shape: Shape, serving: Serving, rates: Rates) -> float:
    """A token of every row: reading weights, adapters, keys and values, or the operations if longer."""
    language, precision = shape.language, serving.precision
    weights = weight_bytes(shape, precision)
    read = weights["language model"] + language.embeddings * precision.bytes
    adapters = language.lora(serving.rank, serving.targets)
    columns = serving.asked + serving.answer // 2
    read += serving.rows * (adapters * precision.bytes + columns * token_bytes(shape, precision))
    operations = 2 * serving.rows * (language.linear_weights + language.embeddings + adapters)
    return max(read / rates.bytes, operations / (rates.operations * REACHED))
