"""A card's YAML metadata, and the tags that follow from it. Text in, data out; knows no storage.

The metadata is a stranger's: only plain YAML is read, and what would grow beyond bounds is refused.
"""

import datetime
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from zoo.localhub.errors import BadRequest
from zoo.localhub.names import SDKS, Kind

MOST_YAML_BYTES = 1 << 20
MOST_NODES = 50_000
MOST_DEPTH = 30
MOST_SHORT = 60
_COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
_BLOCK = re.compile(r"\ufeff?---[ \t]*\r?\n(.*?)(?:^|\r?\n)---[ \t]*(?:\r?\n|$)", re.DOTALL)
_PREFIXED = (
    "annotations_creators", "benchmark", "format", "language_creators", "modality", "multilinguality",
    "size_categories", "task_categories", "task_ids",
)  # fmt: skip
"""Keys of a data set's card whose tags are `key:value`."""


def parse(readme: str) -> dict[str, Any]:
    """The metadata block at the top of a README.md as plain JSON values; empty if there is none.

    Raises:
        BadRequest: it is no YAML, no mapping, or beyond the limits.
    """
    found = _BLOCK.match(readme)
    if not found:
        return {}
    if len(found[1]) > MOST_YAML_BYTES:
        raise BadRequest(f"the metadata of a card is longer than {MOST_YAML_BYTES} characters")
    try:
        data = yaml.safe_load(found[1])
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadRequest(f"the metadata of the card is no YAML: {error}") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise BadRequest(f"the metadata of a card is a mapping, this is a {type(data).__name__}")
    plain: dict[str, Any] = _plain(data, _Budget(), 0)
    return plain


def check(metadata: Mapping[str, Any], kind: Kind = "model") -> list[str]:
    """What is wrong with a card's metadata, a sentence each: keys that make tags must be text, and a Space's
    say how it is run."""
    wrong = _space_faults(metadata) if kind == "space" else []
    for key in ("library_name", "pipeline_tag", "license_name", "base_model_relation"):
        if not isinstance(metadata.get(key), str | None):
            wrong.append(f'"{key}" must be a string')
    for key in ("tags", "datasets", "base_model", "license", "language", *_PREFIXED):
        value = metadata.get(key)
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, str | None) for item in items):
            wrong.append(f'"{key}" must be a string or a list of strings')
    index = metadata.get("model-index")
    if index is not None and not (isinstance(index, list) and all(isinstance(i, dict) for i in index)):
        wrong.append('"model-index" must be a list of objects')
    return wrong


def _space_faults(metadata: Mapping[str, Any]) -> list[str]:
    """Source: the Hub's reference of a Space's configuration."""
    wrong = []
    if metadata.get("sdk") not in SDKS:
        wrong.append(f'"sdk" must be one of {", ".join(SDKS)}')
    for key in ("colorFrom", "colorTo"):
        if metadata.get(key, "red") not in _COLOURS:
            wrong.append(f'"{key}" must be one of {", ".join(_COLOURS)}')
    port = metadata.get("app_port", 7860)
    if type(port) is not int or not 1 <= port <= 65535:
        wrong.append('"app_port" must be a port, from 1 to 65535')
    if len(str(metadata.get("short_description", ""))) > MOST_SHORT:
        wrong.append(f'"short_description" must have at most {MOST_SHORT} characters')
    return wrong


def tags(kind: Kind, metadata: Mapping[str, Any], *, is_adapter: bool = False) -> list[str]:
    """The tags by which a repository is found, each once, in the card's order.

    `is_adapter` says that the repository holds an adapter's configuration, so that a base model
    without a declared relation counts as adapted, not fine-tuned.
    """
    return list(dict.fromkeys(_tags(kind, metadata, is_adapter)))


def _tags(kind: Kind, metadata: Mapping[str, Any], is_adapter: bool) -> Iterator[str]:
    if kind == "dataset":
        for key in _PREFIXED:
            yield from (f"{key}:{value}" for value in _texts(metadata.get(key)))
        yield from (f"language:{value}" for value in _texts(metadata.get("language")))
        yield from (f"license:{value}" for value in _texts(metadata.get("license")))
        yield from _texts(metadata.get("tags"))
        return
    if kind == "space":
        yield from (*_texts(metadata.get("sdk")), *_texts(metadata.get("tags")))
        yield from (f"license:{value}" for value in _texts(metadata.get("license")))
        return
    yield from _texts(metadata.get("library_name"))
    yield from _texts(metadata.get("tags"))
    yield from _texts(metadata.get("pipeline_tag"))
    yield from _texts(metadata.get("language"))
    yield from (f"dataset:{value}" for value in _texts(metadata.get("datasets")))
    for base in _texts(metadata.get("base_model")):
        yield f"base_model:{base}"
        adapter = is_adapter or metadata.get("library_name") == "peft"
        relation = metadata.get("base_model_relation") or ("adapter" if adapter else "finetune")
        yield f"base_model:{relation}:{base}"
    yield from (f"license:{value}" for value in _texts(metadata.get("license")))


def _texts(value: object) -> Iterable[str]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, str) and item]


class _Budget:
    def __init__(self) -> None:
        self.nodes = MOST_NODES


def _plain(value: Any, budget: _Budget, depth: int) -> Any:
    """YAML's values as JSON's, counting each use of an anchor anew."""
    budget.nodes -= 1
    if budget.nodes < 0 or depth > MOST_DEPTH:
        raise BadRequest("the metadata of the card is too large or too deep")
    if isinstance(value, dict):
        return {str(key): _plain(item, budget, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item, budget, depth + 1) for item in value]
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value
