"""Stand-ins of the real bases for tests: their architectures, small, with random weights."""

from dataclasses import replace
from pathlib import Path

from zoo.bases import Base, known_base
from zoo.vlm.builders.stand_in import build_stand_in

REAL = (
    "huatuo-vision-7b",
    "huatuo-vision-7b-hf",
    "huatuo-vision-7b-qwen2.5vl",
    "llava-med++",
    "llava-med-v1.5",
    "medgemma-4b",
    "qwen3-vl-4b",
)
"""The bases that a stand-in can be built of."""


def stand_in(name: str, folder: Path) -> Base:
    """The base of that name as a small stand-in in the folder, which is built if it is not there."""
    base = known_base(name)
    if not folder.exists():
        build_stand_in(base, folder)
    return replace(base, folder=folder, revision="a" * 40)
