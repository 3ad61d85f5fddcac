"""The sizes of a base, and how many parameters each of its parts has, from what its `config.json` says.

Knows the architectures of the families in `zoo.vlm.families`: LLaVA, Qwen2.5-VL, Qwen3-VL, Gemma 3. The
counts are those of transformers' own modules.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from zoo.bases import Base
from zoo.errors import BadInput

Config = Mapping[str, Any]
_HEAD_NORMS = ("qwen3_vl_text", "qwen3", "gemma3_text")
"""Languages whose queries and keys are normalised."""
_QKV_BIAS = ("qwen2", "qwen2_5_vl_text")
_FOUR_NORMS = ("gemma3_text",)
"""Languages that normalise what leaves attention and feed-forward too."""


@dataclass(frozen=True, kw_only=True)
class Language:
    """A decoder in the manner of Llama."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocabulary: int
    tied: bool
    """Whether the head is the embeddings' own tensor."""
    qkv_bias: bool
    head_norms: bool
    norms: int
    """Norms a layer, beside those of queries and keys."""
    window: int | None
    """Tokens that a layer with a sliding window sees; None: no layer has one."""

    @property
    def queries(self) -> int:
        """Width of all queries of a token."""
        return self.heads * self.head_dim

    @property
    def keys(self) -> int:
        """Width of all keys of a token, and of all values."""
        return self.kv_heads * self.head_dim

    @property
    def linears(self) -> dict[str, tuple[int, int]]:
        """Inputs and outputs of each linear layer of a block, by the last part of its name."""
        return {
            "q_proj": (self.hidden, self.queries),
            "k_proj": (self.hidden, self.keys),
            "v_proj": (self.hidden, self.keys),
            "o_proj": (self.queries, self.hidden),
            "gate_proj": (self.hidden, self.intermediate),
            "up_proj": (self.hidden, self.intermediate),
            "down_proj": (self.intermediate, self.hidden),
        }

    @property
    def linear_weights(self) -> int:
        """Weights of the linear layers of all blocks: what 4 and 8 bits are for."""
        return self.layers * sum(inputs * outputs for inputs, outputs in self.linears.values())

    @property
    def other_weights(self) -> int:
        """Norms and biases."""
        bias = self.queries + 2 * self.keys if self.qkv_bias else 0
        heads = 2 * self.head_dim if self.head_norms else 0
        return self.layers * (self.norms * self.hidden + bias + heads) + self.hidden

    @property
    def embeddings(self) -> int:
        """Numbers in the table of tokens."""
        return self.vocabulary * self.hidden

    def lora(self, rank: int, targets: tuple[str, ...]) -> int:
        """Parameters of a LoRA of that rank on those layers of every block."""
        widths = (sum(self.linears[name]) for name in targets if name in self.linears)
        return self.layers * rank * sum(widths)


@dataclass(frozen=True, kw_only=True)
class Tower:
    """A vision transformer, and what leads from it into the language model."""

    hidden: int
    layers: int
    intermediate: int
    pixels: int
    """Numbers that each patch is made of."""
    patches: int
    """Patches behind each image token."""
    extra: int
    """Tokens of the tower for each image that are no patches."""
    keeps_all: bool
    """Whether the states of every layer are held until the last is made."""
    weights: int
    projector: int
    deepstack: int
    """Times that an image's features come again, for deeper layers."""
    scales: int = 1
    """Scales at which it sees an image: whole, in 2 x 2 tiles and so on, each as large as the whole; with
    more than one an image at a time."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """All of it."""

    language: Language
    tower: Tower
    image_tokens: int
    """Tokens of an image; where sizes differ, of the largest that the base takes."""
    stored: int = 2
    """Bytes of a number in the base's files."""

    @property
    def parameters(self) -> dict[str, int]:
        """By part."""
        language = self.language
        return {
            "language model": language.linear_weights + language.other_weights,
            "embeddings": language.embeddings,
            "head": 0 if language.tied else language.embeddings,
            "vision tower": self.tower.weights,
            "projector": self.tower.projector,
        }


def shape_of(base: Base) -> Shape:
    """The sizes of a base, from what it declares or, for one that declares nothing, its folder's own file.

    Raises:
        BadInput: the file is not there, or it says too little, or it is of a kind that is not known.
    """
    config: Config = base.config
    if not config and base.folder is not None:
        try:
            config = json.loads((base.folder / "config.json").read_text())
        except (OSError, ValueError) as error:
            raise BadInput(f"{base.folder / 'config.json'} cannot be read: {error}") from None
    if not config:
        raise BadInput(f"nothing can be planned for {base.name}: it says nothing of its architecture")
    try:
        shape = _shape(config, most_image_tokens=_most_image_tokens(base))
    except KeyError as error:
        raise BadInput(f"{base.name}'s config says nothing of {error}, so nothing can be planned") from None
    return replace(shape, tower=replace(shape.tower, scales=base.scales))


def _most_image_tokens(base: Base) -> int | None:
    rule = base.image
    return rule.max_pixels // rule.pixels_a_token if rule.max_pixels and rule.pixels_a_token else None


def _shape(config: Config, *, most_image_tokens: int | None) -> Shape:
    text, vision, kind = config["text_config"], config["vision_config"], config["model_type"]
    if kind not in _TOWERS:
        raise BadInput(f"{kind!r} is no architecture that can be planned", hint=", ".join(_TOWERS))
    language = _language(text, tied=config.get("tie_word_embeddings", text.get("tie_word_embeddings")))
    side = vision["image_size"] // vision["patch_size"] if "image_size" in vision else 0
    image_tokens = config.get("mm_tokens_per_image") or most_image_tokens or side**2
    if not image_tokens:
        raise KeyError("image size")
    tower = _TOWERS[kind](config, vision, language.hidden, side)
    stored = 4 if config.get("dtype", config.get("torch_dtype")) == "float32" else 2
    return Shape(language=language, tower=tower, image_tokens=image_tokens, stored=stored)


def _language(text: Config, *, tied: bool | None) -> Language:
    kind, heads = text["model_type"], text["num_attention_heads"]
    return Language(
        hidden=text["hidden_size"],
        layers=text["num_hidden_layers"],
        heads=heads,
        kv_heads=text.get("num_key_value_heads", heads),
        head_dim=text.get("head_dim") or text["hidden_size"] // heads,
        intermediate=text["intermediate_size"],
        vocabulary=text["vocab_size"],
        tied=bool(tied),
        qkv_bias=kind in _QKV_BIAS,
        head_norms=kind in _HEAD_NORMS,
        norms=4 if kind in _FOUR_NORMS else 2,
        window=text.get("sliding_window") if text.get("use_sliding_window", True) else None,
    )


def _llava(config: Config, vision: Config, out: int, side: int) -> Tower:
    hidden, layers, wide = _sizes(vision)
    blocks = layers * (4 * _linear(hidden, hidden) + _feed_forward(hidden, wide) + 4 * hidden)
    eyes = 3 * vision["patch_size"] ** 2 * hidden
    places = (side**2 + 1) * hidden + hidden  # and the token of the whole picture
    layers_seen = config.get("vision_feature_layer")
    features = hidden * (len(layers_seen) if isinstance(layers_seen, list) else 1)
    return Tower(
        hidden=hidden,
        layers=layers,
        intermediate=wide,
        pixels=3 * vision["patch_size"] ** 2,
        patches=1,
        extra=1,
        keeps_all=True,
        weights=blocks + eyes + places + 4 * hidden,
        projector=_linear(features, out) + _linear(out, out),
        deepstack=0,
    )


def _gemma3(config: Config, vision: Config, out: int, side: int) -> Tower:
    hidden, layers, wide = _sizes(vision)
    blocks = layers * (4 * _linear(hidden, hidden) + _feed_forward(hidden, wide) + 4 * hidden)
    return Tower(
        hidden=hidden,
        layers=layers,
        intermediate=wide,
        pixels=3 * vision["patch_size"] ** 2,
        patches=side**2 // config["mm_tokens_per_image"],
        extra=0,
        keeps_all=False,
        weights=blocks + _linear(3 * vision["patch_size"] ** 2, hidden) + side**2 * hidden + 2 * hidden,
        projector=hidden * out + hidden,
        deepstack=0,
    )


def _qwen25(config: Config, vision: Config, out: int, side: int) -> Tower:
    hidden, layers, wide = vision["hidden_size"], vision["depth"], vision["intermediate_size"]
    merge = vision["spatial_merge_size"] ** 2
    gated = 2 * _linear(hidden, wide) + _linear(wide, hidden)
    blocks = layers * (_linear(hidden, 3 * hidden) + _linear(hidden, hidden) + gated + 2 * hidden)
    pixels = 3 * vision["temporal_patch_size"] * vision["patch_size"] ** 2
    return Tower(
        hidden=hidden,
        layers=layers,
        intermediate=wide,
        pixels=pixels,
        patches=merge,
        extra=0,
        keeps_all=False,
        weights=blocks + pixels * hidden,
        projector=hidden + _linear(merge * hidden, merge * hidden) + _linear(merge * hidden, out),
        deepstack=0,
    )


def _qwen3(config: Config, vision: Config, out: int, side: int) -> Tower:
    hidden, layers, wide = vision["hidden_size"], vision["depth"], vision["intermediate_size"]
    merge, deep = vision["spatial_merge_size"] ** 2, len(vision["deepstack_visual_indexes"])
    block = _linear(hidden, 3 * hidden) + _linear(hidden, hidden) + _feed_forward(hidden, wide) + 4 * hidden
    pixels = 3 * vision["temporal_patch_size"] * vision["patch_size"] ** 2
    merger = _linear(merge * hidden, merge * hidden) + _linear(merge * hidden, out)
    return Tower(
        hidden=hidden,
        layers=layers,
        intermediate=wide,
        pixels=pixels,
        patches=merge,
        extra=0,
        keeps_all=False,
        weights=layers * block + _linear(pixels, hidden) + vision["num_position_embeddings"] * hidden,
        projector=(1 + deep) * merger + 2 * hidden + deep * 2 * merge * hidden,
        deepstack=deep,
    )


def _sizes(vision: Config) -> tuple[int, int, int]:
    return vision["hidden_size"], vision["num_hidden_layers"], vision["intermediate_size"]


def _feed_forward(hidden: int, wide: int) -> int:
    return _linear(hidden, wide) + _linear(wide, hidden)


def _linear(inputs: int, outputs: int) -> int:
    """Weights and biases."""
    return inputs * outputs + outputs


_TOWERS = {"llava": _llava, "gemma3": _gemma3, "qwen2_5_vl": _qwen25, "qwen3_vl": _qwen3}
