"""What a folder of files is: a digest of each, a revision of all, and whether they are those of a commit."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from zoo.errors import BadDeclaration

CHUNK_BYTES = 1 << 24
_NOTES = ".cache/huggingface/download"
"""Where huggingface_hub notes of each file in a folder which commit it is of and what its digest is."""
Advance = Callable[[int], object]
"""Told how many bytes more were read."""


def folder_revision(folder: Path) -> str:
    """A 40-digit digest of a folder's files, names and contents: its revision where no Hub gave one.

    Raises:
        BadDeclaration: the folder holds no files.
    """
    return revision_of(file_digests(folder))


def files_in(folder: Path) -> list[Path]:
    """The files that make a base of a folder, sorted; hidden ones, and those of hidden folders, do not."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def file_digests(folder: Path, *, advance: Advance | None = None) -> dict[str, str]:
    """sha256 of each file of a folder by its path in it.

    Raises:
        BadDeclaration: the folder holds no files.
    """
    found = files_in(folder)
    if not found:
        raise BadDeclaration(f"{folder} holds no base", hint="medzoo phantom build")
    return {path.relative_to(folder).as_posix(): _sha256(path, advance) for path in found}


def revision_of(digests: Mapping[str, str]) -> str:
    """The 40-digit digest of a folder whose files have these."""
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(digests.items(), key=_by_parts))
    return hashlib.sha256(lines.encode()).hexdigest()[:40]


def prove(digests: Mapping[str, str], published: Mapping[str, str]) -> bool:
    """Whether a folder's weights are, all of them and nothing else, those whose digests are published."""
    weights = {name for name in (*digests, *published) if name.endswith(".safetensors")}
    return bool(weights) and all(
        digests.get(name) == published.get(name) for name in weights | (digests.keys() & published.keys())
    )


def downloaded_commit(folder: Path, digests: Mapping[str, str]) -> str:
    """The Hub's commit that a folder's weights are of, as `hf download --local-dir` noted it beside them: all
    of one commit, each with the sha256 that the Hub told. Empty if that is not noted of all of them.
    """
    commits = set()
    for name in (name for name in digests if name.endswith(".safetensors")):
        try:
            note = (folder / _NOTES / f"{name}.metadata").read_text(encoding="utf-8").split()
        except (OSError, UnicodeError):
            return ""
        commits.add(note[0] if note[1:2] == [digests[name]] else "")
    return commits.pop() if len(commits) == 1 else ""


def _by_parts(item: tuple[str, str]) -> tuple[str, ...]:
    """The order in which paths sort."""
    return Path(item[0]).parts


def _sha256(path: Path, advance: Advance | None) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            if advance is not None:
                advance(len(chunk))
    return digest.hexdigest()
