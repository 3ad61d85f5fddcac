"""Whether all is whole in an embedded Hub's folder.

Reads everything that a branch or tag leads to, settings and collections. Tells what is wrong and what to do,
and changes nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pygit2

from zoo.localhub import collections, gate
from zoo.localhub.errors import Damaged
from zoo.localhub.gitrepo import GitRepo
from zoo.localhub.names import KINDS
from zoo.localhub.objects import sha256_of
from zoo.localhub.pointer import Pointer
from zoo.localhub.store import Store

_RESTORE = "restore it from a backup of the folder"


@dataclass(frozen=True)
class Fault:
    """Something that is not as it should be."""

    where: str
    what: str
    todo: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}\n  next: {self.todo}"


def check(store: Store, *, deep: bool = False) -> Iterator[Fault]:
    """Every fault in the folder; with `deep` the bytes of every large file are hashed too."""
    known: dict[Pointer, str | None] = {}
    for kind in KINDS:
        for repo_id, folder in store.folders(kind):
            yield from _repo(store, f"{kind}s/{repo_id}", folder, known, deep)
    for path in sorted(store.collections.folder.glob("*/*.json")):
        try:
            collections.read(path)
        except collections.BROKEN as error:
            place = f"collections/{path.parent.name}/{path.name}"
            yield Fault(place, f"no collection is in it: {error}", f"{_RESTORE}, or delete the file")


def _repo(
    store: Store, name: str, folder: Path, known: dict[Pointer, str | None], deep: bool
) -> Iterator[Fault]:
    try:
        if store.settings(folder) is None:
            yield Fault(name, "it has no hub.json, so it is out of sight", _RESTORE)
    except Damaged as error:
        yield Fault(name, error.message, error.hint)
    try:
        gate.asked(folder)
    except (ValueError, TypeError, AttributeError) as error:
        yield Fault(name, f"{gate.FILE} is broken: {error}", f"{_RESTORE}, or delete it: all ask again")
    try:
        git = GitRepo(folder)
    except pygit2.GitError as error:
        yield Fault(name, f"it is no git repository: {error}", _RESTORE)
        return
    for what in git.broken_refs():
        yield Fault(name, what, f"{_RESTORE}, or delete the reference")
    pointers: dict[Pointer, str] = {}
    for found in git.reachable(pointers):
        yield Fault(name, found, f"{_RESTORE}, or copy its file objects/ from another copy of the repository")
    for pointer, oid in pointers.items():
        if pointer not in known:
            known[pointer] = _large(store, pointer, deep)
        wrong = known[pointer]
        if wrong:
            todo = f"put the file with that sha256 at {store.objects.path(pointer.sha256)}"
            yield Fault(name, f"the large file {pointer.sha256} of the pointer {oid} {wrong}", todo)


def _large(store: Store, pointer: Pointer, deep: bool) -> str | None:
    """What is wrong with a large file."""
    size = store.objects.size(pointer.sha256)
    if size is None:
        return "is gone"
    if size != pointer.size:
        return f"has {size} bytes, not {pointer.size}"
    if deep and sha256_of(store.objects.path(pointer.sha256)) != pointer.sha256:
        return "has other bytes than its sha256 says"
    return None
