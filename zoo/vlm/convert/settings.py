"""The small files beside a converted checkpoint's weights: configuration, images, generation, card.

`config.json` is written last. It knows no tensor.
"""

import json
from pathlib import Path
from string import Template
from typing import Any

from zoo.bases import Base
from zoo.licences import redistributable
from zoo.notice import NOTICE
from zoo.vlm.convert.layout import Layout
from zoo.vlm.convert.record import RECORD_NAME, Record
from zoo.vlm.shards import write_whole

_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of OpenAI's CLIP, a number for each of red, green and blue."""
_BICUBIC = 3
_CARD = Template("""\
---
license: $license
license_name: $licence
library_name: transformers
pipeline_tag: image-text-to-text
tags:
- medical
---
# $name, converted

$notice

The weights of $repo in the form that transformers reads
(`LlavaForConditionalGeneration`), under new names. $changed $proof Details are in `$record`.

- The image token is $image_row.
- The vision tower: $tower.
- Licence: $licence. $passing_on

$loading
""")
_LOADING = """\
```python
from transformers import AutoProcessor, LlavaForConditionalGeneration

model = LlavaForConditionalGeneration.from_pretrained(folder)
processor = AutoProcessor.from_pretrained(folder)
```"""
_SCALES = "Its tower sees an image at several scales, which transformers alone does not show it."


def write_settings(folder: Path, base: Base, layout: Layout, record: Record) -> None:
    """Write all of them but the tokenizer's and the record."""
    vision, text = layout.config["vision_config"], layout.config["text_config"]
    side = vision["image_size"] * base.scales
    images = {
        "image_processor_type": "LlavaImageProcessor",
        "do_pad": base.image.pad_to_square,
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": side},
        "resample": _BICUBIC,
        "do_center_crop": True,
        "crop_size": {"height": side, "width": side},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": _MEAN,
        "image_std": _STD,
    }
    processor = {
        "processor_class": "LlavaProcessor",
        "image_token": "<image>",
        "patch_size": vision["patch_size"],
        "vision_feature_select_strategy": layout.config["vision_feature_select_strategy"],
        "num_additional_image_tokens": 1,  # the tower's class token, which is left out
    }
    generation = {
        "bos_token_id": text["bos_token_id"],
        "eos_token_id": [base.tokens[token] for token in base.ends],
        "pad_token_id": text["pad_token_id"],
    }
    _write(folder, "preprocessor_config.json", images)
    _write(folder, "processor_config.json", processor)
    _write(folder, "generation_config.json", generation)
    write_card(folder, base, record)
    _write(folder, "config.json", layout.config)


def passing_on(base: Base) -> str:
    """Whether the converted weights may leave this machine, in a sentence."""
    if redistributable(base.license):
        return "These weights may be passed on under the same licence."
    return "These weights stay on this machine: that licence is not known to let them be passed on."


def write_card(folder: Path, base: Base, record: Record) -> None:
    """Write `README.md`: what the weights are, what is shown of them, and whether they may be passed on."""
    proof = (
        f"They are those of the commit {record.revision}, by their digests."
        if record.proven
        else f"Nothing shows which commit they are of; a digest of their sources: {record.revision}."
    )
    changed = "No number was changed."
    if record.projector:
        changed = "The projector is another one, which was trained beside a LoRA; nothing else was changed."
    card = _CARD.substitute(
        license=base.license if redistributable(base.license) else "other",
        licence=base.license,
        name=base.name,
        repo=base.repo,
        notice=NOTICE,
        changed=changed,
        proof=proof,
        record=RECORD_NAME,
        image_row=record.image_row,
        tower=record.tower,
        passing_on=passing_on(base),
        loading=_LOADING if base.scales == 1 else _SCALES,
    )
    write_whole(folder / "README.md", card)


def _write(folder: Path, name: str, data: dict[str, Any]) -> None:
    write_whole(folder / name, json.dumps(data, indent=2) + "\n")
