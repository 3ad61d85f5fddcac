"""A Dockerfile read as instructions. Knows what the tests ask of it, and no more."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Instruction:
    """One instruction, on one line."""

    name: str
    words: str


@dataclass(frozen=True)
class Stage:
    """FROM and what follows it."""

    image: str
    name: str
    """Empty: the image itself."""
    instructions: tuple[Instruction, ...]

    def all(self, name: str) -> list[str]:
        """The words of every instruction of that name."""
        return [one.words for one in self.instructions if one.name == name]


def read_stages(text: str) -> list[Stage]:
    """The stages of a Dockerfile, in order."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    whole = re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()
    stages: list[tuple[str, str, list[Instruction]]] = []
    for line in whole:
        name, _, words = line.partition(" ")
        if name == "FROM":
            image, _, stage = words.partition(" AS ")
            stages.append((image, stage, []))
        else:
            stages[-1][2].append(Instruction(name, words.strip()))
    return [Stage(image, name, tuple(found)) for image, name, found in stages]


def environment(stage: Stage) -> dict[str, str]:
    """What a stage's ENV instructions set."""
    pairs = [word for words in stage.all("ENV") for word in words.split()]
    return dict(pair.split("=", 1) for pair in pairs)
