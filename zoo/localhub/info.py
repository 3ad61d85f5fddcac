"""What the Hub tells about a repository, and which repositories a listing shows. Knows no HTTP."""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from zoo.localhub import card
from zoo.localhub.errors import BadRequest, RevisionMissing
from zoo.localhub.gitrepo import BROKEN, Entry, GitRepo
from zoo.localhub.names import Kind
from zoo.localhub.store import Repo

_MODEL_CONFIG_KEYS = ("architectures", "model_type")
_ADAPTER_CONFIG_KEYS = ("base_model_name_or_path", "peft_type", "task_type")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Facts:
    """What a commit's own files say about the repository."""

    modified_s: int
    metadata: Mapping[str, Any]
    tags: tuple[str, ...]
    config: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which repositories a listing wants."""

    search: tuple[str, ...] = ()
    """Parts of the id, upper and lower case alike; all must be there."""
    author: str | None = None
    tags: tuple[str, ...] = ()
    """Tags that it must have, all of them."""
    gated: bool | None = None
    sort: str = "lastModified"
    descending: bool = True
    sees: Callable[[Repo], bool]
    """Whether the caller may know of a repository."""


@lru_cache(maxsize=4096)
def facts(folder: Path, commit: str, kind: Kind) -> Facts:
    """Read a commit's card and configuration; a commit never changes, so they are kept."""
    git = GitRepo(folder)
    try:
        metadata = card.parse(git.read_text(commit, "README.md") or "")
    except BadRequest:  # it came in before the card was checked, or as a large file
        metadata = {}
    config = _pick(git.read_text(commit, "config.json"), _MODEL_CONFIG_KEYS)
    adapter = _pick(git.read_text(commit, "adapter_config.json"), _ADAPTER_CONFIG_KEYS)
    if adapter:
        config = {**config, "peft": adapter}
    modified_s = next(git.log(commit)).time_s
    return Facts(modified_s, metadata, tuple(card.tags(kind, metadata, is_adapter=bool(adapter))), config)


def describe(
    repo: Repo, revision: str = "main", *, siblings: bool = True, blobs: bool = False
) -> dict[str, Any]:
    """A repository at a revision, as the Hub tells it.

    Raises:
        RevisionMissing: it has no such revision.
    """
    git = repo.git()
    commit = git.resolve(revision)
    found = facts(repo.folder, commit, repo.kind)
    told: dict[str, Any] = {
        "_id": repo.id,
        "id": repo.id,
        "author": repo.namespace,
        "sha": commit,
        "createdAt": timestamp(repo.settings.created_s),
        "lastModified": timestamp(found.modified_s),
        "private": repo.settings.private,
        "gated": repo.settings.gated,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": list(found.tags),
        "cardData": dict(found.metadata),
    }
    if repo.kind == "model":
        told |= {"modelId": repo.id, "config": dict(found.config), "spaces": []}
        for key in ("library_name", "pipeline_tag", "model-index"):
            if found.metadata.get(key) is not None:
                told[key] = found.metadata[key]
    if repo.kind == "space":
        told |= _space(repo, commit, found.metadata)
    if siblings:
        files = [entry for entry in git.entries(commit, recursive=True) if entry.kind == "file"]
        told["siblings"] = [_sibling(entry, blobs) for entry in files]
        told["usedStorage"] = sum(entry.size for entry in files)
    return told


def _space(repo: Repo, commit: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of a Space alone. None is run here; a stage says what it lacks to be run by the Hub."""
    app = "Dockerfile" if repo.settings.sdk == "docker" else str(metadata.get("app_file", "app.py"))
    names = {entry.path for entry in repo.git().entries(commit, recursive=True)}
    stage = "STOPPED" if app in names else "NO_APP_FILE"
    if metadata.get("sdk") != repo.settings.sdk and "README.md" in names:
        stage = "CONFIG_ERROR"
    return {
        "sdk": repo.settings.sdk,
        "runtime": {"stage": stage, "hardware": {"current": None, "requested": "cpu-basic"}},
    }


def select(repos: Iterable[Repo], query: Query) -> list[dict[str, Any]]:
    """The repositories that the query wants, in no order, without their files; a damaged one hides no other.

    Raises:
        BadRequest: it wants an order that there is not.
    """
    keys = {"lastModified", "createdAt", "downloads", "likes", "trendingScore", "id"}
    if query.sort not in keys:
        raise BadRequest(f"cannot sort by {query.sort!r}", hint=f"known: {', '.join(sorted(keys))}")
    found = []
    for repo in repos:
        wanted = (
            query.sees(repo)
            and (query.author is None or repo.namespace.lower() == query.author.lower())
            and all(part.lower() in repo.id.lower() for part in query.search)
            and (query.gated is None or bool(repo.settings.gated) == query.gated)
        )
        if wanted:
            try:
                told = describe(repo, siblings=False)
            except (*BROKEN, RevisionMissing, FileNotFoundError) as error:
                if repo.folder.exists():  # else it was deleted or moved just now
                    _log.error("the %s %s is damaged: %s", repo.kind, repo.id, error)
                continue
            if set(query.tags) <= set(told["tags"]):
                found.append(told)
    return found


def place(told: Mapping[str, Any], query: Query) -> tuple[str, str]:
    """Where a repository stands in the order that the query wants."""
    # Nobody counts downloads and likes here, so an order by them is the order by change.
    key = query.sort if query.sort in ("createdAt", "id") else "lastModified"
    return str(told[key]), str(told["id"])


def timestamp(seconds: float) -> str:
    """Seconds since 1970 as the Hub writes a time."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _sibling(entry: Entry, blobs: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"rfilename": entry.path}
    if blobs:
        told |= {"size": entry.size, "blobId": entry.oid}
        if entry.large:
            told["lfs"] = {
                "sha256": entry.large.sha256,
                "size": entry.large.size,
                "pointerSize": entry.blob_size,
            }
    return told


def _pick(text: str | None, keys: tuple[str, ...]) -> dict[str, Any]:
    try:
        data = json.loads(text or "{}")
    except json.JSONDecodeError:
        return {}
    return {key: data[key] for key in keys if key in data} if isinstance(data, dict) else {}
