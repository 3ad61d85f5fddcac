"""A checkpoint that is looked at: its base, its files, what its `config.json` says. Judges nothing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transformers import AutoConfig, PreTrainedConfig

from zoo.bases import Base
from zoo.discovery import declared
from zoo.errors import BadInput
from zoo.model_files import ModelFiles
from zoo.vlm import families
from zoo.vlm.convert.layout import Layout, layout_of, require_original
from zoo.vlm.families import Family

CONFIG_NAME = "config.json"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What all checks look at."""

    base: Base
    files: ModelFiles
    any_size: bool
    """Whether it may be a stand-in, of the same architecture in other sizes."""
    config: PreTrainedConfig
    """What `config.json` says, or comes to once it is converted, with transformers' defaults."""
    layout: Layout | None
    """The layout of the base's authors, where it has that one; it is to be converted."""

    @property
    def declared(self) -> PreTrainedConfig | None:
        """What the base's file says of the model, with defaults; None where it says nothing."""
        return _config(self.base.config, self.base.name) if self.base.config else None

    @property
    def types(self) -> tuple[str, ...]:
        """What `model_type` may be."""
        said = self.base.config.get("model_type")
        return (said,) if said else tuple(model_classes(self.base.family))

    @property
    def is_of_its_type(self) -> bool:
        """Whether it is a model of the base's type, without which nothing else compares."""
        return self.config.model_type in self.types


def model_classes(family: str) -> dict[str, Any]:
    """transformers' classes of a family's models by their `model_type`."""
    found = declared(families.__name__, families.__path__, "FAMILY", Family)
    return {one.config_class.model_type: one for one in found[family].models}


def read_subject(base: Base, files: ModelFiles, *, any_size: bool) -> Subject:
    """Read what `config.json` says.

    Raises:
        BadInput: there is none, or neither transformers nor the conversion reads it.
        HubError: it cannot be fetched.
    """
    where = f"{files.name}/{CONFIG_NAME}"
    said = read_json(files, CONFIG_NAME)
    if said is None:
        raise BadInput(
            f"{files.name} holds no {CONFIG_NAME}", hint="give the folder or repo of a whole model"
        )
    layout = None
    if base.original and said.get("model_type") == base.original:
        require_original(said, base, where)
        layout = layout_of(said, base, base.config["vision_config"])
    config = _config(layout.config if layout else said, where)
    return Subject(base=base, files=files, any_size=any_size, config=config, layout=layout)


def read_json(files: ModelFiles, name: str) -> dict[str, Any] | None:
    """A JSON object; None if there is no such file.

    Raises:
        BadInput: it is none.
        HubError: it cannot be fetched.
    """
    path = files.path(name)
    if path is None:
        return None
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"{files.name}/{name} cannot be read: {str(error)[:200]}") from None
    if not isinstance(found, dict):
        raise BadInput(f"{files.name}/{name} is no JSON object")
    return found


def _config(said: Mapping[str, Any], where: str) -> PreTrainedConfig:
    kind = said.get("model_type")
    try:
        made: PreTrainedConfig = AutoConfig.for_model(**said)
    except Exception as error:  # of many kinds, by what is wrong and which class finds it
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise BadInput(
            f"{where}: of the type {kind!r}, which transformers does not read ({reason})"
        ) from None
    return made
