"""The wordings that language models are asked with: one jinja2 file each, `NAME.VERSION.txt`.

A changed wording is a new file with the next version, since pairs name the wording that made them. The
highest version is the one in use; the older ones stay to be read.
"""

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template, UndefinedError

from zoo.errors import BadDeclaration, UnknownName
from zoo.llm import Prompt

_ENVIRONMENT = Environment(undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True)


def prompt(name: str, /, **values: Any) -> Prompt:
    """The wording `name` in its highest version, filled with `values`; its id is `NAME@VERSION`.

    Raises:
        UnknownName: no file bears that name.
        BadDeclaration: a file's name has no version, or the wording uses a value that is not given.
    """
    if name not in _versions():
        raise UnknownName("prompt", name, _versions())
    version, template = _versions()[name]
    try:
        return Prompt(f"{name}@{version}", template.render(values).strip())
    except UndefinedError as error:
        raise BadDeclaration(f"prompts/{name}.{version}.txt: {error.message}") from error


@cache
def _versions() -> dict[str, tuple[int, Template]]:
    """The highest version of every wording of this folder."""
    found: dict[str, tuple[int, Template]] = {}
    for file in files(__name__).iterdir():
        if not file.name.endswith(".txt"):
            continue
        name, _, version = file.name.removesuffix(".txt").rpartition(".")
        if not name or not version.isdecimal():
            raise BadDeclaration(f"prompts/{file.name}: its name is not NAME.VERSION.txt")
        if name not in found or int(version) > found[name][0]:
            found[name] = int(version), _ENVIRONMENT.from_string(file.read_text(encoding="utf-8"))
    return found


def prompt_ids() -> list[str]:
    """The ids of all wordings in use, sorted."""
    return sorted(f"{name}@{version}" for name, (version, _) in _versions().items())
