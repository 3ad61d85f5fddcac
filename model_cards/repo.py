"""What lies in an adapter's folder, ours or anybody's, read as far as can be, for checks. Judges nothing."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from model_cards.evals import EVAL_FOLDER
from zoo.errors import BadManifest
from zoo.manifest import CONFIG_NAME, MANIFEST_NAME, AdapterManifest, read_manifest

README_NAME = "README.md"
LIMIT = 2**21
"""Most bytes of a card or a configuration that are read."""


@dataclass(frozen=True, kw_only=True)
class Repo:
    """The parts of an adapter's folder that say something of it."""

    folder: Path
    name: str
    """As the user named it."""
    files: tuple[str, ...]
    """Every file that is there or on the Hub, relative."""
    manifest: AdapterManifest | None
    broken: str
    """Why there is no manifest though there is a `zoo.json`; else empty."""
    text: str | None
    """README.md without its metadata; None if there is none."""
    metadata: Mapping[str, Any]
    """Of README.md."""
    results: Mapping[str, Any]
    """The files of `.eval_results` as data, by path."""
    config: Mapping[str, Any]
    """`adapter_config.json`; empty if there is none that can be read."""
    unread: tuple[str, ...]
    """Files that are there and cannot be understood, with the reason."""

    @property
    def again(self) -> str:
        """What to type for a card that follows from the manifest."""
        if self.name == str(self.folder):
            return f"medzoo card {self.folder}"
        return (
            f"in a folder of it: medzoo card FOLDER, then medzoo publish FOLDER {self.name.partition('@')[0]}"
        )


def read_repo(folder: Path, *, name: str = "", listed: Iterable[str] = ()) -> Repo:
    """Read a folder; `listed` are the files that a Hub names, of which some may not have been fetched."""
    unread: list[str] = []
    manifest, broken = None, ""
    if (folder / MANIFEST_NAME).is_file():
        try:
            manifest = read_manifest(folder)
        except BadManifest as error:
            broken = error.message
    text: str | None = None
    metadata: Mapping[str, Any] = {}
    card = _text(folder / README_NAME, unread)
    if card is not None:
        head, text = _split(card)
        metadata = _mapping(head, README_NAME, unread)
    results = {}
    for path in sorted((folder / EVAL_FOLDER).glob("*.yaml")):
        where = f"{EVAL_FOLDER}/{path.name}"
        results[where] = _yaml(_text(path, unread) or "", where, unread)
    there = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return Repo(
        folder=folder,
        name=name or str(folder),
        files=tuple(sorted({*there, *listed})),
        manifest=manifest,
        broken=broken,
        text=text,
        metadata=metadata,
        results=results,
        config=_mapping(_text(folder / CONFIG_NAME, unread) or "", CONFIG_NAME, unread, json.loads),
        unread=tuple(unread),
    )


def _text(path: Path, unread: list[str]) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        content = file.read(LIMIT + 1)
    try:
        if len(content) <= LIMIT:
            return content.decode("utf-8")
        unread.append(f"{path.name}: more than {LIMIT} bytes")
    except UnicodeDecodeError as error:
        unread.append(f"{path.name}: not UTF-8 text ({error})")
    return None


def _split(card: str) -> tuple[str, str]:
    """A card's metadata and its text."""
    lines = card.replace("\r\n", "\n").split("\n")
    if lines[0].strip() == "---" and "---" in lines[1:]:
        end = lines.index("---", 1)
        return "\n".join(lines[1:end]), "\n".join(lines[end + 1 :])
    return "", card


def _mapping(text: str, where: str, unread: list[str], parse: Any = yaml.safe_load) -> Mapping[str, Any]:
    if not text.strip():
        return {}
    found = _yaml(text, where, unread, parse)
    if isinstance(found, dict):
        return found
    if found is not None:
        unread.append(f"{where}: {type(found).__name__} where keys and values should be")
    return {}


def _yaml(text: str, where: str, unread: list[str], parse: Any = yaml.safe_load) -> Any:
    try:
        return parse(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        unread.append(f"{where}: cannot be read ({' '.join(str(error).split())[:200]})")
        return None
