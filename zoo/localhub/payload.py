"""The body of a commit: one JSON object a line, a file's content in base64. Lines in, git edits out.

The body lies in a file. It is mapped, and a file's content is decoded piece by piece straight to where
it stays, so that memory does not grow with the files. Knows nothing of HTTP.
"""

import base64
import binascii
import json
import mmap
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.localhub import card, names, pointer
from zoo.localhub.errors import BadObject, BadRequest
from zoo.localhub.gitrepo import GitRepo
from zoo.localhub.gitwriter import Edit, Place, Remove
from zoo.localhub.objects import Objects

MOST_LINE_BYTES = 1 << 20
"""Longest line, its base64 content left out."""
_PIECE = 4 << 18  # bytes of base64 decoded at once; a multiple of 4
_CONTENT = re.compile(rb'"content"\s*:\s*"')


@dataclass
class CommitBody:
    """A commit as its writer asked for it; contents are stored already."""

    title: str = ""
    message: str = ""
    parent: str | None = None
    edits: list[Edit] = field(default_factory=list)


def read(path: Path, git: GitRepo, objects: Objects, holds: Callable[[str], bool]) -> CommitBody:
    """Read the body in the file `path`, storing each file's content in git or among the large files.

    `holds` says whether the writer may name a large file by its sha256 alone.

    Raises:
        BadRequest: a line is not what it should be.
        BadObject: it names a large file that was not uploaded by this writer.
    """
    body = CommitBody()
    headers = 0
    for line, content in _lines(path):
        key, value = line.get("key"), line.get("value")
        if not isinstance(value, dict):
            raise BadRequest("a line of the commit has no object as its 'value'")
        if key == "header":
            headers += 1
            body.title = names.message(_text(value, "summary"))
            body.message = names.message(_text(value, "description", default=""))
            body.parent = _text(value, "parentCommit", default="") or None
        elif key == "file":
            path_in_repo = names.file_path(_text(value, "path"))
            if content is None or value.get("encoding", "utf-8") not in ("base64", "utf-8"):
                raise BadRequest(f"{path_in_repo!r} has no content in base64 or utf-8")
            chunks = (
                _decode(content, path_in_repo)
                if value.get("encoding") == "base64"
                else iter([bytes(content)])
            )
            body.edits.append(Place(path_in_repo, _keep(path_in_repo, chunks, git, objects, holds)))
        elif key == "lfsFile":
            body.edits.append(_link(value, git, objects, holds))
        elif key in ("deletedFile", "deletedFolder"):
            folder = key == "deletedFolder"
            path_in_repo = _text(value, "path")
            body.edits.append(
                Remove(names.file_path(path_in_repo.rstrip("/") if folder else path_in_repo), folder)
            )
        else:
            raise BadRequest(f"a commit has no lines of the kind {key!r}")
    if headers != 1:
        raise BadRequest(f"a commit has one header, this has {headers}")
    return body


def _lines(path: Path) -> Iterator[tuple[dict[str, Any], bytes | memoryview | None]]:
    """Each line as an object whose `content` is taken out, and that content as raw bytes."""
    if path.stat().st_size == 0:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        start, total = 0, len(mapped)
        while start < total:
            end = mapped.find(b"\n", start)
            end = total if end < 0 else end
            yield from _line(mapped, start, end)
            start = end + 1


def _line(
    mapped: mmap.mmap, start: int, end: int
) -> Iterator[tuple[dict[str, Any], bytes | memoryview | None]]:
    if not mapped[start : min(end, start + 64)].strip():
        return
    # Base64 holds no quote and no backslash, so the content ends at the next quote.
    found = _CONTENT.search(mapped, start, min(end, start + MOST_LINE_BYTES))
    if found and (close := mapped.find(b'"', found.end(), end)) > 0:
        rest_bytes = found.end() - start + end - close
        if rest_bytes <= MOST_LINE_BYTES and mapped.find(b"\\", found.end(), close) < 0:
            line = _object(mapped[start : found.end()] + mapped[close:end])
            if line.get("key") == "file" and line["value"].get("encoding") == "base64":
                with memoryview(mapped) as whole, whole[found.end() : close] as content:
                    yield line, content
                return
    if end - start > MOST_LINE_BYTES + pointer.LARGE_FROM_BYTES * 8:
        raise BadRequest("a line of the commit is too long", hint="send large contents in base64")
    line = _object(mapped[start:end])
    value = line.get("value")
    text = value.get("content") if isinstance(value, dict) else None
    yield line, text.encode("utf-8", "surrogatepass") if isinstance(text, str) else None


def _object(raw: bytes) -> dict[str, Any]:
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"a line of the commit is no JSON: {error}") from error
    if not isinstance(line, dict) or not isinstance(line.get("value"), dict):
        raise BadRequest("a line of the commit is no object with a 'key' and a 'value'")
    return line


def _decode(content: bytes | memoryview, path: str) -> Iterator[bytes]:
    for start in range(0, len(content), _PIECE):
        piece = bytes(content[start : start + _PIECE])
        try:
            yield base64.b64decode(piece, validate=True)
        except binascii.Error as error:
            raise BadRequest(f"the content of {path!r} is no base64: {error}") from error


def _keep(
    path: str, chunks: Iterator[bytes], git: GitRepo, objects: Objects, holds: Callable[[str], bool]
) -> str:
    """Store a content; return the git blob that stands for it: itself, or a pointer to the large file."""
    head = bytearray()
    for chunk in chunks:
        head += chunk
        if len(head) >= pointer.LARGE_FROM_BYTES:
            break
    if not pointer.goes_outside_git(path, len(head)):
        return git.store_blob(_checked(path, bytes(head), objects, holds))
    with objects.incoming() as new:
        new.write(bytes(head))
        for chunk in chunks:
            new.write(chunk)
        return git.store_blob(pointer.Pointer(new.keep(), new.size).encode())


def _checked(path: str, data: bytes, objects: Objects, holds: Callable[[str], bool]) -> bytes:
    """A small file as it may enter git: a pointer points to something, a card's metadata is readable."""
    large = pointer.parse(data)
    if large and not (objects.size(large.sha256) == large.size and holds(large.sha256)):
        raise BadObject(f"{path!r} points to the large file {large.sha256}, which was not uploaded")
    if path == "README.md":
        try:
            wrong = card.check(card.parse(data.decode("utf-8")))
        except UnicodeDecodeError as error:
            raise BadRequest(f"README.md is no UTF-8: {error}") from error
        if wrong:
            raise BadRequest(f"invalid metadata in README.md: {'; '.join(wrong)}")
    return data


def _link(value: dict[str, Any], git: GitRepo, objects: Objects, holds: Callable[[str], bool]) -> Place:
    path, sha256 = names.file_path(_text(value, "path")), names.sha256(_text(value, "oid"))
    if value.get("algo", "sha256") != "sha256":
        raise BadRequest(f"{path!r}: large files are known by sha256, not by {value['algo']!r}")
    size = objects.size(sha256)
    if size is None or not holds(sha256):
        raise BadObject(f"{path!r}: the large file {sha256} was not uploaded")
    if value.get("size", size) != size:
        raise BadObject(f"{path!r}: the large file {sha256} has {size} bytes, not {value['size']}")
    return Place(path, git.store_blob(pointer.Pointer(sha256, size).encode()))


def _text(value: dict[str, Any], key: str, default: str | None = None) -> str:
    found = value.get(key, default)
    if not isinstance(found, str):
        raise BadRequest(f"a line of the commit needs {key!r} as text")
    return found
