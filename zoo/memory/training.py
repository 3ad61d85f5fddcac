"""The memory of one optimiser step, term by term as the step keeps it: `zoo.vlm.shared`, `fused`, `head`.

Knows no variant: it is told which responses follow which image. Bytes of activations are those that the
backward pass reads, in float32 or in the base's precision as transformers' decoder layers make them; what
a base's frozen linear layers would need for gradients of their own is not among them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from zoo.memory.peak import (
    Peak,
    Precision,
    feature_bytes,
    hole_bytes,
    loading_bytes,
    unpacked_bytes,
    vision_bytes,
    weight_bytes,
)
from zoo.memory.shape import Shape

IMAGES_AT_ONCE = 16
"""As `zoo.vlm.features.AT_ONCE`."""
LOGIT_BYTES = 64 << 20
"""As `zoo.vlm.head.CHUNK_BYTES`."""
STORE_BYTES = 2 << 30
"""What `zoo.vlm.store.TensorStore` holds in memory at most."""
_INPUTS = {"q_proj": "attention", "k_proj": "attention", "v_proj": "attention", "o_proj": "attended"}
_INPUTS |= {"gate_proj": "forward", "up_proj": "forward", "down_proj": "product"}
"""Which tensor goes into each linear layer; layers with the same one keep it once."""
_LIBRARIES = 6 << 20
"""What a process on a CPU takes beside tensors when it begins to train: measured on two shapes of less than a
million parameters, where it is 5 to 8 MiB (`tests/benchmarks/plan.py`: small, slim)."""
_HOLES, _HOLES_CHECKPOINTED = 3, 4
"""Blocks a layer, see `hole_bytes`: measured on the calibration shapes of `tests.benchmarks.plan`. One more
where layers are quantised, whose LoRAs make outputs of their own."""


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """What a pair is made of, in tokens."""

    image: int
    """Of each image."""
    images: int = 1
    """In a question."""
    prompt: int
    """Beside the images, the template's included."""
    response: int
    """Of each response, the end of turn included."""

    @property
    def asked(self) -> int:
        """Of a prompt with its images."""
        return self.images * self.image + self.prompt


@dataclass(frozen=True, kw_only=True)
class Step:
    """What an optimiser step does."""

    precision: Precision
    rank: int
    targets: tuple[str, ...]
    dropout: bool = False
    responses: tuple[int, ...]
    """Responses of a pair to each of its images, such as (2,) for DPO."""
    distributions: int = 0
    """Responses of a pair whose tokens are read over the whole vocabulary."""
    starts: bool = False
    """Whether it goes on from an adapter, which is the reference too."""
    batch: int
    micro_batch: int
    """Pairs that are run at once."""
    checkpointing: bool
    lengths: Lengths
    pairs: int
    """Of the whole run, each with images of its own."""
    processes: int = 1
    """That share the base's layers, and each batch, out among them (`zoo.vlm.sharded`)."""

    @property
    def share(self) -> int:
        """Pairs of a batch that a process runs at most."""
        return ceil(self.batch / self.processes)

    @property
    def rows(self) -> tuple[int, ...]:
        """Responses of each row that a pair is: with dropout each has a prompt of its own."""
        return (1,) * sum(self.responses) if self.dropout else self.responses

    @property
    def tokens(self) -> int:
        """That are run of a pair."""
        return sum(self.lengths.asked + count * (self.lengths.response - 1) for count in self.rows)

    @property
    def scored(self) -> int:
        """Tokens of a pair's responses."""
        return sum(self.rows) * self.lengths.response

    @property
    def reading(self) -> int:
        """Tokens of a pair at which something is predicted: each row's last of the prompt, and the others."""
        return sum(1 + count * (self.lengths.response - 1) for count in self.rows)


def training_peak(shape: Shape, step: Step) -> Peak:
    """The memory of a step, of one process, once the optimiser's state is there."""
    lora = shape.language.lora(step.rank, step.targets)
    precision, pairs, lengths = step.precision, min(step.micro_batch, step.share), step.lengths
    images = pairs * len(step.responses) * lengths.images
    features = feature_bytes(shape, precision, tokens=lengths.image)
    kept = step.pairs * len(step.responses) * lengths.images * features
    held = held_weights(shape, precision, processes=step.processes) | {
        "LoRA": 4 * lora * (2 if step.starts else 1),
        "optimiser": 8 * lora,
        "features of a step's images": 0 if precision.lazy else images * features,
    }
    if precision.lazy:
        held["kept features"] = min(kept, STORE_BYTES)
        held["libraries"] = _LIBRARIES
    held["holes in the heap"] = hole_bytes(
        shape,
        precision,
        tokens=pairs * step.tokens,
        a_layer=(_HOLES_CHECKPOINTED if step.checkpointing else _HOLES) + bool(precision.quantize),
    )
    gradients = 4 * lora
    earlier = gradients if pairs < step.share else 0
    at_once = min(images, IMAGES_AT_ONCE)
    return Peak(
        {name: size for name, size in held.items() if size},
        {
            "images": vision_bytes(shape, precision, tokens=lengths.image, images=at_once),
            "forward and backward": earlier + _pass_bytes(shape, step, pairs, lora),
            "update": gradients + (0 if precision.lazy else gradients),  # a GPU updates all tensors together
        }
        # Their own, these end to end, and the sum that comes back.
        | ({"exchange": 3 * gradients} if step.processes > 1 else {}),
        loading_bytes(shape, precision),
    )


def held_weights(shape: Shape, precision: Precision, *, processes: int) -> dict[str, int]:
    """Each part's weights in one of so many processes, and the layers that are whole there while they run:
    one, and the next, which is fetched meanwhile."""
    found, language = weight_bytes(shape, precision), shape.language
    if processes > 1:
        layers = (language.linear_weights + language.other_weights - language.hidden) * precision.bytes
        found["language model"] -= layers - ceil(layers / processes)
        found["layers that run"] = min(2, language.layers) * layers // language.layers
    return found


def host_bytes(shape: Shape, step: Step) -> int:
    """What is kept in the machine's own memory of a run on a GPU: its images' features, up to a bound."""
    images = step.pairs * len(step.responses) * step.lengths.images
    return min(STORE_BYTES, images * feature_bytes(shape, step.precision, tokens=step.lengths.image))


def _pass_bytes(shape: Shape, step: Step, pairs: int, lora: int) -> int:
    """Activations at their most: when the head is read, or on the way back through the last full layer."""
    language, size, tokens = shape.language, step.precision.bytes, pairs * step.tokens
    layer = _Layer(shape, step)
    masks = pairs * sum(map(layer.masks, step.rows))
    full = tokens * layer.token_bytes + masks * size
    last = layer.last_bytes(pairs)
    state = tokens * language.hidden * size
    copies = lora * size if size < 4 else 0  # of the LoRA, in the base's precision
    if step.checkpointing:
        copies //= language.layers
        kept = language.layers * state
        before, after = kept, kept + full
    else:
        kept = state - tokens * 4 * language.hidden  # below the first norm nothing learns
        before, after = kept + (language.layers - 1) * full + last, kept + (language.layers - 1) * full
    rotary = tokens * 2 * language.head_dim * size * (2 if language.window else 1)
    back = tokens * size * (2 * language.intermediate + 2 * language.hidden) + unpacked_bytes(
        shape, step.precision
    )
    return copies + rotary + max(before + _head_bytes(shape, step, pairs), after + back)


def _head_bytes(shape: Shape, step: Step, pairs: int) -> int:
    """Logits of a chunk and what their gradient is made of, beside a row a token that the head keeps."""
    language, size = shape.language, step.precision.bytes
    scored = pairs * step.scored
    chunk = min(LOGIT_BYTES, 4 * language.vocabulary * scored)
    # Log-probs, their gradient and that of the logits; over the whole vocabulary also the reference's, both
    # probabilities' and their products'.
    tensors = 8 if step.distributions else 3
    rounded = chunk * size // 4 if size < 4 else 0
    return chunk * tensors + rounded + scored * language.hidden * size * 2


class _Layer:
    """A decoder layer in training."""

    def __init__(self, shape: Shape, step: Step) -> None:
        self._language, self._step = shape.language, step

    @property
    def token_bytes(self) -> int:
        """What the backward pass reads of each token."""
        language, size = self._language, self._step.precision.bytes
        norms = 4 * language.norms * language.hidden
        heads = 4 * (language.queries + language.keys) if language.head_norms else 0
        attention = size * 4 * language.queries + 4 * language.heads  # its output too, and a sum a head
        forward = size * 3 * language.intermediate
        return norms + heads + attention + forward + self._inputs(*_INPUTS)

    def last_bytes(self, pairs: int) -> int:
        """Of the last layer, which makes of the prompts' tokens keys and values alone."""
        language, step, size = self._language, self._step, self._step.precision.bytes
        prompts = pairs * len(step.rows) * step.lengths.asked
        both = 2 * language.queries * size
        heads = 4 * language.keys if language.head_norms else 0
        reading, tokens = pairs * step.reading, pairs * step.tokens
        masks = size * pairs * sum((1 + self._run(count)) * self._row(count) for count in step.rows)
        return (
            prompts * (4 * language.hidden + heads + self._inputs("k_proj", "v_proj"))
            + tokens * both
            + reading * (self.token_bytes - both)
            + masks
        )

    def masks(self, responses: int) -> int:
        """Numbers that say in a row what its responses see; where images are seen both ways, what its prompt
        sees too."""
        asked = self._step.lengths.asked
        prompt = asked**2 if self._language.window else 0
        return self._run(responses) * self._row(responses) + prompt

    def _run(self, responses: int) -> int:
        return responses * (self._step.lengths.response - 1)

    def _row(self, responses: int) -> int:
        return self._step.lengths.asked + self._run(responses)

    def _inputs(self, *names: str) -> int:
        """What LoRAs keep of a token that goes into these linear layers: once what goes into several; with
        dropout, for each its own share in float32 and which that is. And what A made of it."""
        language, step, size = self._language, self._step, self._step.precision.bytes
        learning = [name for name in names if name in step.targets]
        low = len(learning) * step.rank * size
        if step.dropout:
            return low + 5 * sum(language.linears[name][0] for name in learning)
        once = {_INPUTS[name]: language.linears[name][0] for name in learning}
        return low + size * sum(once.values())


def halved(batch: int) -> Sequence[int]:
    """A batch, half of it, and so on down to a pair."""
    found = [batch]
    while found[-1] > 1:
        found.append(ceil(found[-1] / 2))
    return found
