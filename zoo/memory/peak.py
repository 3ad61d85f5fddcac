"""What lies in memory all the time, and what is there for a while: the most of both at once.

Bytes are those of tensors. What a GPU's driver and libraries take for themselves is `CONTEXT_BYTES`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from zoo.memory.shape import Shape

Quantize = Literal["4bit", "8bit"]
CONTEXT_BYTES = 1 << 30
"""On a GPU beside all tensors: CUDA's context, its libraries' workspaces, and what the allocator cannot use
between tensors of different sizes. A bound for planning that nobody has measured here."""
_FOUR_BITS = 0.5 + 1 / 64 + 4 / (64 * 256)
"""Bytes a weight: two in a byte, a scale of 8 bits for each 64, and a number of 32 bits for 256 scales."""

HEAP_BLOCK = 32 << 20
"""Larger blocks glibc takes from the system and gives back by themselves (`DEFAULT_MMAP_THRESHOLD_MAX`)."""


@dataclass(frozen=True, kw_only=True)
class Precision:
    """How a base is kept and computes."""

    bytes: int
    """Of a number: 4 in float32, 2 in bfloat16 and float16."""
    quantize: Quantize | None = None
    lazy: bool = False
    """Whether memory that nobody has written to takes none, as on a CPU."""


@dataclass(frozen=True)
class Peak:
    """Bytes by what they are for."""

    held: Mapping[str, int]
    passes: Mapping[str, int]
    """Of these one at a time."""
    loading: int = 0
    """While weights are read, before all else is there."""

    @property
    def total(self) -> int:
        """The most at once."""
        return max(sum(self.held.values()) + max(self.passes.values()), self.loading)

    @property
    def highest(self) -> str:
        """The pass that takes most."""
        return max(self.passes, key=self.passes.__getitem__)


def weight_bytes(shape: Shape, precision: Precision) -> dict[str, int]:
    """Each part's weights; 4 and 8 bits are for the language model's linear layers alone."""
    found = {name: count * precision.bytes for name, count in shape.parameters.items() if count}
    language = shape.language
    if precision.quantize:
        scales = 4 * language.layers * sum(outputs for _, outputs in language.linears.values())
        packed = _FOUR_BITS * language.linear_weights
        kept = packed if precision.quantize == "4bit" else language.linear_weights + scales
        found["language model"] = round(kept) + language.other_weights * precision.bytes
    return found


def loading_bytes(shape: Shape, precision: Precision) -> int:
    """While weights become others than those that lie in the files, of which a CPU has all pages mapped."""
    same = precision.quantize is None and precision.bytes == shape.stored
    if same or not precision.lazy:
        return 0
    return sum(shape.parameters.values()) * shape.stored + sum(weight_bytes(shape, precision).values())


def unpacked_bytes(shape: Shape, precision: Precision) -> int:
    """The largest layer of 4 or 8 bits as it is multiplied with: whole, in the base's precision."""
    if not precision.quantize:
        return 0
    return max(inputs * outputs for inputs, outputs in shape.language.linears.values()) * precision.bytes


def vision_bytes(shape: Shape, precision: Precision, *, tokens: int, images: int) -> int:
    """What it takes to look at so many images of so many tokens each, all at once, without a gradient.

    The widest place of a block is its feed-forward: its input, the sum that it is added to and the state
    before, and three tensors of its width, for activations are made of several. Attention is never wider.
    """
    tower, size = shape.tower, precision.bytes
    at_once = images if tower.scales == 1 else tower.scales**2
    seen = at_once * (tokens * tower.patches + tower.extra)
    block = size * (3 * tower.hidden + 3 * max(tower.intermediate, 2 * tower.hidden))
    states = size * (tower.layers + 1) * tower.hidden if tower.keeps_all else 0
    return seen * (block + states + tower.pixels * (4 + size))


def hole_bytes(shape: Shape, precision: Precision, *, tokens: int, a_layer: float) -> int:
    """What a pass over the language model leaves on a CPU in holes of the heap: in each layer `a_layer`
    blocks of the feed-forward's width, and two of its largest weights where these are unpacked.

    Aligned blocks, as torch asks glibc for, do not fit where an equal one has been freed, and what a layer
    leaves behind for good lies between them. Giving them back to the system at once costs a step a quarter
    of its time.
    """
    block, weight = tokens * shape.language.intermediate * precision.bytes, unpacked_bytes(shape, precision)
    holes = sum(count * size for count, size in ((a_layer, block), (2, weight)) if size < HEAP_BLOCK)
    return round(shape.language.layers * holes) if precision.lazy else 0


def feature_bytes(shape: Shape, precision: Precision, *, tokens: int) -> int:
    """An image's features."""
    return tokens * shape.language.hidden * precision.bytes * (1 + shape.tower.deepstack)
