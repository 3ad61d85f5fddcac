"""The original layout of LLaVA-Med and HuatuoGPT-Vision: how it is told, its sizes, the names of its tensors.

Names: the language model lies at the top (`model.layers...`, `lm_head`), the projector is
`model.mm_projector.{0,2}`, the tower `model.vision_tower.vision_tower.vision_model...`. It reads no tensor.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.bases import Base
from zoo.errors import BadInput
from zoo.vlm.names import file_name

ORIGINALS = ("llava_mistral", "llava_qwen2", "llava_llama")
"""`model_type` of the original layouts that are converted."""
TOWER_PREFIX = "model.vision_tower.vision_tower."
PROJECTOR_PREFIX = "model.mm_projector."
_NAMES = {
    "model.vision_tower.": f"{TOWER_PREFIX}vision_model.",
    "model.multi_modal_projector.linear_1.": f"{PROJECTOR_PREFIX}0.",
    "model.multi_modal_projector.linear_2.": f"{PROJECTOR_PREFIX}2.",
    "model.language_model.": "model.",
    "lm_head.": "lm_head.",
}
"""How names begin in the original layout, by how transformers' modules do."""
EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
"""The two that have a row for each token."""
_REFUSED: tuple[tuple[str, tuple[Any, ...], str], ...] = (
    ("mm_projector_type", ("mlp2x_gelu",), "the projector is to be two layers with a GELU"),
    ("mm_use_im_start_end", (None, False), "it puts tokens around images"),
    ("mm_patch_merge_type", (None, "flat"), "it splits images into tiles"),
    ("mm_vision_select_feature", (None, "patch"), "it gives the tower's class token to the language model"),
    ("rope_scaling", (None,), "it stretches positions"),
    ("tie_word_embeddings", (None, False), "its head is its embedding"),
)
_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")
_TEXT_KEYS = (
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("num_key_value_heads", "head_dim", "hidden_act", "rms_norm_eps", "max_position_embeddings"),
    *("sliding_window", "use_sliding_window", "max_window_layers", "attention_dropout", "initializer_range"),
    "tie_word_embeddings",
)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What an original checkpoint becomes."""

    config: dict[str, Any]
    """`config.json` in transformers' form."""
    names: Mapping[str, tuple[str, tuple[int, ...]]]
    """By original name: the converted name, and the original shape."""
    image_token: int
    adds_row: bool
    """Whether embedding and head get one more row, for the image token."""
    differences: tuple[str, ...]
    """Where the configuration is not the one that the base declares."""


def require_original(config: Mapping[str, Any], base: Base, where: str) -> None:
    """Raise BadInput unless `config` is of the base's original layout, and one that can be converted."""
    found = config.get("model_type")
    if base.original not in ORIGINALS:
        raise BadInput(f"{base.name} is not to be converted", hint=f"medzoo bases {base.name}")
    if found != base.original:
        ready = found == base.config.get("model_type")
        raise BadInput(
            f"{where}: model_type is {found!r}; the original {base.name} is {base.original!r}",
            hint=f"it is not to be converted: medzoo bases {base.name} --at FOLDER" if ready else "",
        )
    refuse(config, base, where)


def refuse(config: Mapping[str, Any], base: Base, where: str) -> None:
    """Raise BadInput for an original configuration that asks what the converted model would not do."""
    vision, layer = base.config["vision_config"], base.config["vision_feature_layer"]
    width = vision["hidden_size"] * base.scales
    wanted = (
        *_scales_wanted(base),
        *_REFUSED,
        ("mm_hidden_size", (width,), f"the tower gives {width} numbers for a patch"),
        (
            "mm_vision_select_layer",
            (layer[0] if isinstance(layer, list) else layer,),
            "the base's projector was taught on another layer",
        ),
    )
    for key, allowed, why in wanted:
        if config.get(key) not in allowed:
            raise BadInput(f"{where}: {key} is {config.get(key)!r}, which cannot be converted: {why}")
    ratio = config.get("image_aspect_ratio")
    if str(ratio).startswith("anyres"):
        raise BadInput(f"{where}: image_aspect_ratio is {ratio!r}, which cannot be converted: it makes tiles")
    if base.image.pad_to_square and ratio not in (None, "pad"):
        raise BadInput(
            f"{where}: image_aspect_ratio is {ratio!r}, which cannot be converted: {base.name} is shown "
            "images padded to a square"
        )


def _scales_wanted(base: Base) -> tuple[tuple[str, tuple[Any, ...], str], ...]:
    """What is to be said of the scales at which the tower sees an image."""
    if base.scales == 1:
        return (("s2", (None, False), "its tower sees an image at several scales"),)
    sides = (base.config["vision_config"]["image_size"] * scale for scale in range(1, base.scales + 1))
    usual = ",".join(map(str, sides))
    return (
        ("s2", (True,), f"the tower of {base.name} sees an image at {base.scales} scales"),
        ("s2_scales", (None, usual), f"the base's projector was taught on the scales {usual}"),
    )


def layout_of(config: Mapping[str, Any], base: Base, vision: Mapping[str, Any]) -> Layout:
    """What a checkpoint of this original configuration becomes, over a tower of the configuration `vision`.

    Raises:
        BadInput: the image token has no row there and is not the next one either; a value is none that a
            model can be made of.
    """
    try:
        return _layout_of(config, base, vision)
    except BadInput:
        raise
    except Exception as error:  # of many kinds, by what is wrong and which library finds it
        reason = " ".join(str(error).split())[:200]
        raise BadInput(f"config.json says what no model can be made of: {reason}") from None


def _layout_of(config: Mapping[str, Any], base: Base, vision: Mapping[str, Any]) -> Layout:
    text = _text_config(config, base)
    rows, image = text["vocab_size"], base.config["image_token_index"]
    if image > rows:
        raise BadInput(f"the vocabulary has {rows} rows, and <image> of {base.name} is row {image}")
    for key in _IDS:
        for one in text[key] if isinstance(text[key], list) else [text[key]]:
            if type(one) is not int or not 0 <= one < rows:
                raise BadInput(f"config.json: {key} is {text[key]!r}, of {rows} tokens")
    text["vocab_size"] = max(rows, image + 1)
    side = vision["image_size"] // vision["patch_size"]
    whole = {
        **base.config,
        "image_token_index": image,
        "image_seq_length": side * side,
        "text_config": text,
        "vision_config": dict(vision),
        "dtype": config.get("torch_dtype", "bfloat16"),
    }
    names = _names(whole, rows)
    return Layout(
        config=whole,
        names=names,
        image_token=image,
        adds_row=image == rows,
        differences=tuple(_differences(base.config, whole)),
    )


def module_of(name: str) -> str:
    """The parameter of transformers' model that a tensor of the original layout is.

    Raises:
        BadInput: it is of none.
    """
    start = next((one for one in (*_NAMES,) if name.startswith(_NAMES[one])), None)
    if start is None:
        raise BadInput(f"the original layout has no {name}")
    return start + name.removeprefix(_NAMES[start])


def _text_config(config: Mapping[str, Any], base: Base) -> dict[str, Any]:
    declared = base.config["text_config"]
    ids = {key: declared[key] if config.get(key) is None else config[key] for key in _IDS}
    said = {key: config[key] for key in _TEXT_KEYS if key in config}
    rope = {"rope_type": "default", "rope_theta": config.get("rope_theta", 10000.0)}
    kind = {key: declared[key] for key in ("model_type", "architectures") if key in declared}
    if "head_dim" in declared and "head_dim" not in said:  # vLLM asks for it by name
        said["head_dim"] = said["hidden_size"] // said["num_attention_heads"]
    return {**kind, **said, **ids, "rope_parameters": rope, "rope_theta": rope["rope_theta"]}  # old readers


def _names(config: dict[str, Any], rows: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    """In the order of the model's modules."""
    model = empty_model(config)
    found = {}
    for name, tensor in model.state_dict().items():
        start = next(one for one in _NAMES if name.startswith(one))
        original = _NAMES[start] + name.removeprefix(start)
        shape = (rows, *tensor.shape[1:]) if original in (EMBEDDING, HEAD) else tuple(tensor.shape)
        found[original] = (file_name(name, "llava"), shape)
    return found


def empty_model(config: Mapping[str, Any]) -> Any:
    """transformers' model of a configuration, without values."""
    import torch
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    settings = {key: value for key, value in config.items() if key not in ("model_type", "architectures")}
    with torch.device("meta"):
        return LlavaForConditionalGeneration(LlavaConfig(**settings))


def _differences(declared: Mapping[str, Any], found: Mapping[str, Any], at: str = "") -> list[str]:
    """Each declared value that is another one in `found`."""
    lines = []
    for key, value in declared.items():
        if isinstance(value, Mapping):
            lines += _differences(value, found.get(key) or {}, f"{at}{key}.")
        elif found.get(key) != value:
            lines.append(f"{at}{key} is {found.get(key)!r}, declared is {value!r}")
    return lines
