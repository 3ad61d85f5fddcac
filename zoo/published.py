"""A folder of adapters that several servers share, such as a mounted volume: each commit is there whole and
checked, or not at all.

A commit is brought into a folder of one's own beside the others, checked, and renamed to its place: of two
who bring the same one is first, and the other takes what is there. It needs no locks, which volumes may not
have, and knows no Hub.
"""

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from zoo.errors import BadAdapter, BrokenWeights, DigestMismatch, HubError
from zoo.manifest import CONFIG_NAME, MANIFEST_NAME, WEIGHTS_NAME, read_manifest

UNFINISHED_S = 3600.0
"""A folder in which nothing was written for so long belongs to a process that has ended."""

_OF_THE_FOLDER = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


def publish(root: Path, repo: str, sha: str, *, bring: Callable[[Path], None]) -> Path:
    """The folder of a commit, for reading only; brought first where it is not there, by `bring`, which fills
    an empty folder.

    Raises:
        HubError: the folder is full, or may not be read or written by this process.
        BadAdapter: a link lies where the commit should.
        BrokenWeights: the folder lacks a file that an adapter needs.
        DigestMismatch: the weights are not those of the manifest.
    """
    try:
        return _publish(root, repo, sha, bring)
    except OSError as error:
        if error.errno not in _OF_THE_FOLDER:
            raise
        raise HubError(
            f"{repo}@{sha} cannot be kept in {root}: {error.strerror}",
            hint="see that there is room, and that each server may read and write what the others wrote",
        ) from error


def _publish(root: Path, repo: str, sha: str, bring: Callable[[Path], None]) -> Path:
    place = root / "published" / repo.replace("/", "--") / sha
    if _is_whole(place):
        _check_inside(root, place)
        return place
    drafts = root / "drafts"
    drafts.mkdir(parents=True, exist_ok=True)
    draft = drafts / f"{sha}-{secrets.token_hex(8)}"
    draft.mkdir()
    _clear(drafts, now=draft.stat().st_mtime)  # by the volume's clock
    try:
        bring(draft)
        _check(draft, f"{repo}@{sha}")
        for path in (*draft.rglob("*"), draft):
            _to_disk(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists() and not _is_whole(place):  # somebody took files away
            with suppress(FileNotFoundError):  # another mends it too
                place.rename(drafts / f"{sha}-{secrets.token_hex(8)}")
        try:
            draft.rename(place)
        except OSError:
            if not _is_whole(place):
                raise
        _to_disk(place.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    _check_inside(root, place)
    return place


def _check_inside(root: Path, place: Path) -> None:
    """See that no link leads elsewhere, where nobody has checked what lies there."""
    for path in (place, *(place / name for name in (WEIGHTS_NAME, CONFIG_NAME, MANIFEST_NAME))):
        if path.resolve() != root.resolve() / path.relative_to(root):
            raise BadAdapter(f"{path} leads to {path.resolve()}", hint=f"rm -r {place}")


def _is_whole(folder: Path) -> bool:
    return all((folder / name).is_file() for name in (WEIGHTS_NAME, CONFIG_NAME, MANIFEST_NAME))


def _check(folder: Path, what: str) -> None:
    if not _is_whole(folder):
        raise BrokenWeights(f"{what} came without all files of an adapter", hint="ask again")
    with (folder / WEIGHTS_NAME).open("rb") as weights:
        found = hashlib.file_digest(weights, "sha256").hexdigest()
    stated = read_manifest(folder).weights_sha256
    if stated != found:
        raise DigestMismatch(
            f"{what}: the weights that came have sha256 {found}, and the manifest says {stated}",
            hint="ask again; if it stays so, its author has to publish it anew",
        )


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _clear(drafts: Path, *, now: float) -> None:
    """Remove what killed processes left."""
    for left in drafts.iterdir():
        with suppress(OSError):  # another clears too
            if now - max(path.stat().st_mtime for path in (left, *left.rglob("*"))) > UNFINISHED_S:
                shutil.rmtree(left, ignore_errors=True)
