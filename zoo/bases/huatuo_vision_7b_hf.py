"""HuatuoGPT-Vision-7B as its authors converted it to transformers' own layout."""

from dataclasses import replace

from zoo.bases import Term
from zoo.bases.huatuo_vision_7b import BASE as ORIGINAL
from zoo.bases.huatuo_vision_7b import PUBMEDVISION

BASE = replace(
    ORIGINAL,
    repo="FreedomIntelligence/HuatuoGPT-Vision-7B-hf",
    revision="a092ca6536fe74015770f603e24b4e1538f0f2ac",
    revision_source=(
        "https://huggingface.co/FreedomIntelligence/HuatuoGPT-Vision-7B-hf/blame/"
        "a092ca6536fe74015770f603e24b4e1538f0f2ac/README.md"
    ),
    original="",
    files={},
    config={key: value for key, value in ORIGINAL.config.items() if key != "image_token_index"},
    tokens={"<|endoftext|>": 151643},
    terms=(
        Term(
            says="Use, change and pass on under Apache-2.0, as its Hub card says.",
            source="https://huggingface.co/FreedomIntelligence/HuatuoGPT-Vision-7B-hf",
        ),
        PUBMEDVISION,
    ),
    about="HuatuoGPT-Vision-7B as its authors converted it: nothing to convert here.",
)
