"""What a tensor is called in files and what the module is called that takes it, for each type of model.

Checkpoints come under several names: as their first authors saved them, as transformers saved them before
its version 4.52 and since. Torch-free: a table of prefixes. The tests hold it against transformers' own
renaming.
"""

import re

_TOWER = (r"^(model\.)?vision_tower\.(vision_model\.)?", "model.vision_tower.")
_LLAVA = (
    (r"^language_model\.lm_head\.", "lm_head."),
    (r"^language_model\.(model\.)?", "model.language_model."),
    _TOWER,
    (r"^multi_modal_projector\.", "model.multi_modal_projector."),
)
_QWEN25 = (
    (r"^visual\.", "model.visual."),
    (r"^model\.(?!language_model\.|visual\.)", "model.language_model."),
)
_TO_MODULE = {
    "llava": _LLAVA,
    "gemma3": _LLAVA,
    "qwen2_5_vl": _QWEN25,
    "qwen3_vl": (),
}
_LLAVA_SAVED = (
    (r"^lm_head\.", "language_model.lm_head."),
    (r"^model\.language_model\.", "language_model.model."),
    (r"^model\.vision_tower\.", "vision_tower.vision_model."),
    (r"^model\.multi_modal_projector\.", "multi_modal_projector."),
)
_TO_FILE = {
    "llava": _LLAVA_SAVED,
    "gemma3": _LLAVA_SAVED,
    "qwen2_5_vl": ((r"^model\.visual\.", "visual."), (r"^model\.language_model\.", "model.")),
    "qwen3_vl": (),
}
_COMPUTED = re.compile(r"\.(position_ids|inv_freq)$")


def module_name(name: str, model_type: str) -> str:
    """The module's parameter, in transformers 5, that a file's tensor is for; `model_type` as in
    `config.json`. A name that is of no known form stays as it is."""
    return _renamed(name, _TO_MODULE[model_type])


def file_name(name: str, model_type: str) -> str:
    """What the tensor of a module's parameter is called in the form that every program reads: transformers
    old and new, vLLM, llama.cpp."""
    return _renamed(name, _TO_FILE[model_type])


def is_computed(name: str) -> bool:
    """Whether it is a table that older programs stored and that every program makes by itself."""
    return _COMPUTED.search(name) is not None


def _renamed(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, new in rules:
        found, count = re.subn(pattern, new, name, count=1)
        if count:
            return found
    return name
