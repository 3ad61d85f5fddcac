"""The wordings that language models are asked with: one jinja2 file each in a folder, `NAME.VERSION.txt`.

A changed wording is a new file with the next version, since what a model said names the wording that asked
it. The highest version is the one in use; the older ones stay to be read. It knows no wording.
"""

from functools import cached_property
from importlib.resources.abc import Traversable
from typing import Any

from jinja2 import Environment, StrictUndefined, Template, UndefinedError

from zoo.errors import BadDeclaration, UnknownName
from zoo.llm import Prompt

_ENVIRONMENT = Environment(undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True)


class Wordings:
    """The wordings of one folder; it is read when the first one is asked for."""

    def __init__(self, folder: Traversable) -> None:
        self._folder = folder

    def prompt(self, name: str, /, **values: Any) -> Prompt:
        """The wording `name` in its highest version, filled with `values`; its id is `NAME@VERSION`.

        Raises:
            UnknownName: no file bears that name.
            BadDeclaration: a file's name has no version, or the wording uses a value that is not given.
        """
        if name not in self._versions:
            raise UnknownName("prompt", name, self._versions)
        version, template = self._versions[name]
        try:
            return Prompt(f"{name}@{version}", template.render(values).strip())
        except UndefinedError as error:
            raise BadDeclaration(f"{self._folder.name}/{name}.{version}.txt: {error.message}") from error

    def version(self, name: str) -> int:
        """The version of `name` in use."""
        return self._versions[name][0]

    def ids(self) -> list[str]:
        """The ids of all wordings in use, sorted."""
        return sorted(f"{name}@{version}" for name, (version, _) in self._versions.items())

    @cached_property
    def _versions(self) -> dict[str, tuple[int, Template]]:
        """The highest version of every wording."""
        found: dict[str, tuple[int, Template]] = {}
        for file in self._folder.iterdir():
            if not file.name.endswith(".txt"):
                continue
            name, _, version = file.name.removesuffix(".txt").rpartition(".")
            if not name or not version.isdecimal():
                raise BadDeclaration(f"{self._folder.name}/{file.name}: its name is not NAME.VERSION.txt")
            if name not in found or int(version) > found[name][0]:
                found[name] = int(version), _ENVIRONMENT.from_string(file.read_text(encoding="utf-8"))
        return found
