"""Names that come over the wire: repositories, revisions, file paths, object ids. Checks and nothing else.

Every name here ends up in a path or a git reference, so whatever could leave its place is refused
with a reason: `..`, absolute paths, backslashes, control characters, `.git`.
"""

import re
from typing import Literal

from zoo.localhub.errors import BadRequest

Kind = Literal["model", "dataset", "space"]
KINDS: tuple[Kind, ...] = ("model", "dataset", "space")
SDKS = ("docker", "gradio", "static", "streamlit")
"""What a Space may be made of."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BAD_IN_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]")
_RESERVED_NAMESPACES = {"api", "models", "datasets", "spaces"}
_RESERVED_NAMES = {"resolve"}
MOST_PATH_BYTES = 1024
MOST_SEGMENT_BYTES = 255


def repo_id(namespace: str, name: str) -> str:
    """`namespace/name`, checked.

    Raises:
        BadRequest: either part is no name.
    """
    for part in (namespace, name):
        if not _NAME.fullmatch(part) or ".." in part or "--" in part or part[-1] in ".-":
            raise BadRequest(
                f"{part!r} is no name for a repository or its owner",
                hint="use letters, digits, '-', '_' and '.', at most 96, without '--', '..' or '/'",
            )
        if part.lower().endswith(".git"):
            raise BadRequest(f"{part!r}: a name cannot end in .git")
    if namespace in _RESERVED_NAMESPACES or name in _RESERVED_NAMES:
        raise BadRequest(f"{namespace}/{name} is reserved for the Hub's own addresses")
    return f"{namespace}/{name}"


def file_path(path: str) -> str:
    """The path of a file or folder inside a repository, checked.

    Raises:
        BadRequest: it is empty, absolute, too long, or has a segment that could leave the repository.
    """
    if not path:
        raise BadRequest("a path is empty")
    if len(path.encode("utf-8", "surrogatepass")) > MOST_PATH_BYTES:
        raise BadRequest(f"a path is longer than {MOST_PATH_BYTES} bytes: {path[:80]!r}...")
    if path.startswith("/"):
        raise BadRequest(f"{path!r} is absolute; a path starts at the repository's root without a slash")
    if "\\" in path or _CONTROL.search(path):
        raise BadRequest(f"{path!r} holds a backslash or a control character")
    if not _is_utf8(path):
        raise BadRequest(f"{path!r} is no valid UTF-8")
    for segment in path.split("/"):
        if segment in ("", ".", ".."):
            raise BadRequest(f"{path!r} has the segment {segment!r}")
        if segment.lower() == ".git":
            raise BadRequest(f"{path!r} has the segment '.git', which belongs to git")
        if len(segment.encode("utf-8")) > MOST_SEGMENT_BYTES:
            raise BadRequest(f"a name in {path[:80]!r}... is longer than {MOST_SEGMENT_BYTES} bytes")
    return path


def revision(text: str) -> str:
    """A branch, tag or commit, checked as git checks a reference's name.

    Raises:
        BadRequest: git could not have a reference of that name.
    """
    bad_part = any(part.startswith(".") or part.endswith(".lock") or not part for part in text.split("/"))
    if (
        not text
        or len(text) > MOST_SEGMENT_BYTES
        or bad_part
        or ".." in text
        or "@{" in text
        or text == "@"
        or text[0] == "-"
        or text[-1] == "."
        or _BAD_IN_REF.search(text)
        or not _is_utf8(text)
    ):
        raise BadRequest(f"{text!r} is no branch, tag or commit", hint="use a name such as main or v1.0")
    return text


def message(text: str) -> str:
    """The title or text of a commit or tag, checked.

    Raises:
        BadRequest: git cannot keep it.
    """
    if "\0" in text or not _is_utf8(text):
        raise BadRequest(f"{text[:80]!r} holds what no commit message can: a NUL or half a character")
    return text


def sha256(text: str) -> str:
    """The id of a large file: 64 lower-case hexadecimal digits.

    Raises:
        BadRequest: it is not.
    """
    if not _SHA256.fullmatch(text):
        raise BadRequest(f"{text[:80]!r} is no sha256: 64 lower-case hexadecimal digits")
    return text


def _is_utf8(text: str) -> bool:
    """Whether the text can be written down: JSON may carry halves of characters."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
