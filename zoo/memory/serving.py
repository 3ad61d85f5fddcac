"""The memory of a server's engine: base, adapter bank, and the answers that are made at once.

As `zoo.vlm.bank`, `prefill`, `keys` and `decode` make them. Requests, pictures as files and the page are not
counted; nor is a look at where adapters look, which takes no more than prompts do.
"""

from dataclasses import dataclass

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

PROMPT_TOKENS = 8192
"""As `zoo.vlm.decode._TOKENS`: most prompt tokens of one pass."""
_LIBRARIES = 8 << 20
"""What a process on a CPU takes beside tensors when it begins to serve: 6 to 10 MiB on the two shapes that
training's was measured on."""
_HOLES = 0.75
"""Blocks a layer, see `hole_bytes`: measured on the calibration shapes of `tests.benchmarks.plan`."""
_CHOOSING = 8
"""Tensors of the vocabulary's width that a sampled row's token is chosen with, sorted ones among them."""


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What a server does at its fullest: every slot filled, all rows answering."""

    precision: Precision
    targets: tuple[str, ...]
    slots: int
    max_rank: int
    rank: int
    """Of the adapters themselves."""
    rows: int
    """Answers that are made at once."""
    mixed: bool = True
    """Whether the rows' slots are any; False: one slot, or one after the other, as in one comparison."""
    image: int
    """Tokens of an image."""
    images: int = 1
    """In a question."""
    prompt: int
    """Tokens beside the images."""
    answer: int
    """Most tokens of an answer."""
    features: int
    """Bytes of vision features that are kept at most."""

    @property
    def asked(self) -> int:
        """Tokens of a question with its images."""
        return self.images * self.image + self.prompt


def slot_bytes(shape: Shape, serving: Serving) -> int:
    """An adapter's place in the bank."""
    return shape.language.lora(serving.max_rank, serving.targets) * serving.precision.bytes


def token_bytes(shape: Shape, precision: Precision) -> int:
    """Keys and values of a token, in all layers; a layer with a sliding window keeps all of them too."""
    return 2 * shape.language.keys * shape.language.layers * precision.bytes


def serving_peak(shape: Shape, serving: Serving) -> Peak:
    """The memory of an engine at its fullest.

    A bank's first slot is the base's, of zeros. Where rows' slots are mixed each batch has its rows' weights
    gathered, at the rank of the largest adapter among them.
    """
    precision, language = serving.precision, shape.language
    lazy = precision.lazy
    columns = serving.asked + serving.answer - 1
    of_token = token_bytes(shape, precision) * serving.rows
    gathered = language.lora(min(-8 * (-serving.rank // 8), serving.max_rank), serving.targets)
    held = weight_bytes(shape, precision) | {
        "adapter bank": slot_bytes(shape, serving) * (serving.slots + (0 if lazy else 1)),
        "kept features": serving.features,
        "gathered adapters": gathered * precision.bytes * serving.rows if serving.mixed else 0,
        "keys and values": of_token * (serving.asked if lazy else columns),
        "holes in the heap": hole_bytes(shape, precision, tokens=_tokens_at_once(serving), a_layer=_HOLES),
        "libraries": _LIBRARIES if lazy else 0,
    }
    answering = of_token * (columns - serving.asked) if lazy else 0
    return Peak(
        {name: size for name, size in held.items() if size},
        {
            "images": vision_bytes(shape, precision, tokens=serving.image, images=serving.images)
            + serving.images * feature_bytes(shape, precision, tokens=serving.image),
            "prompts": _prompt_bytes(shape, serving),
            "answers": answering + 4 * _CHOOSING * serving.rows * language.vocabulary,
        },
        loading_bytes(shape, precision),
    )


def _tokens_at_once(serving: Serving) -> int:
    return min(max(1, PROMPT_TOKENS // serving.asked), serving.rows) * serving.asked


def _prompt_bytes(shape: Shape, serving: Serving) -> int:
    """One pass over prompts, at the feed-forward's widest or the attention's, and unpacked weights.

    Embeddings, the layer's input, the sum so far and what is normalised; then either three tensors of the
    feed-forward's width, or queries twice over, keys and values for every head, and what they give.
    """
    language, size = shape.language, serving.precision.bytes
    at_once = max(1, PROMPT_TOKENS // serving.asked)
    tokens = _tokens_at_once(serving)
    widest = max(3 * language.intermediate, 5 * language.queries)
    masks = min(at_once, serving.rows) * serving.asked**2 * size if language.window else 0
    unpacked = unpacked_bytes(shape, serving.precision)
    return tokens * size * (4 * language.hidden + widest) + masks + unpacked
