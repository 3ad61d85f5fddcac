"""One repository to read: its commits, branches, tags and trees, over a bare git repository.

Knows git and the pointer files in it, not HTTP, and not where large files lie. An instance belongs to
one thread; open another for another (it is cheap).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pygit2
from pygit2.enums import ObjectType, SortMode

from zoo.localhub import names, pointer
from zoo.localhub.errors import EntryMissing, RevisionMissing
from zoo.localhub.pointer import Pointer

MAIN = "main"
HEADS, TAGS = "refs/heads/", "refs/tags/"
BROKEN = (KeyError, ValueError, pygit2.GitError, pygit2.InvalidError)
"""What reading raises where an object is gone or spoiled."""


@dataclass(frozen=True)
class Entry:
    """A file or folder of a commit."""

    path: str
    kind: Literal["file", "directory"]
    oid: str
    """Id of the git blob (for a large file: of its pointer) or tree."""
    size: int = 0
    """Bytes of the file, of the large file itself where there is one; 0 for a folder."""
    large: Pointer | None = None
    blob_size: int = 0
    """Bytes of the git blob."""


@dataclass(frozen=True)
class Ref:
    """A branch or a tag and the full sha of the commit it names."""

    name: str
    ref: str
    commit: str


@dataclass(frozen=True)
class LogEntry:
    """One commit of a history."""

    sha: str
    title: str
    message: str
    author: str
    time_s: int
    """Seconds since 1970, UTC."""


class GitRepo:
    """A bare git repository that holds one Hub repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._git = pygit2.Repository(str(folder))

    def resolve(self, revision: str) -> str:
        """The full sha that a branch, a tag, or a commit (7 digits or more) stands for, in that order.

        Raises:
            RevisionMissing: nothing here bears that name.
        """
        names.revision(revision)
        for ref in (HEADS + revision, TAGS + revision):
            commit = self._peel(ref)
            if commit is not None:
                return commit
        if 7 <= len(revision) <= 40 and all(c in "0123456789abcdef" for c in revision):
            try:
                found = self._git.get(revision)
            except ValueError:  # the prefix fits several objects
                found = None
            if isinstance(found, pygit2.Commit):
                return str(found.id)
        raise RevisionMissing(
            f"no branch, tag or commit {revision!r}",
            hint=f"branches: {', '.join(ref.name for ref in self.branches())}",
        )

    def entry(self, commit: str, path: str) -> Entry:
        """The file or folder at `path`.

        Raises:
            EntryMissing: there is none.
        """
        names.file_path(path)
        try:
            return self._describe(self._commit(commit).tree[path], path)
        except KeyError:
            raise EntryMissing(f"no file or folder {path!r} in commit {commit}", commit=commit) from None

    def entries(self, commit: str, folder: str = "", *, recursive: bool) -> Iterator[Entry]:
        """What lies in a folder (`""` is the root), sorted by path; with `recursive` all below it too.

        Raises:
            EntryMissing: there is no such folder.
        """
        tree: object = self._commit(commit).tree
        if folder:
            names.file_path(folder)
            try:
                tree = self._commit(commit).tree[folder]
            except KeyError:
                tree = None
        if not isinstance(tree, pygit2.Tree):
            raise EntryMissing(f"no folder {folder!r} in commit {commit}", commit=commit)
        yield from self._walk(tree, f"{folder}/" if folder else "", recursive)

    def read(self, blob: str) -> bytes:
        """The bytes of a git blob."""
        found = self._git[blob]
        assert isinstance(found, pygit2.Blob)
        return found.data

    def read_text(self, commit: str, path: str) -> str | None:
        """A small file of a commit as text; None if it is not there, large, or no UTF-8."""
        try:
            entry = self.entry(commit, path)
            if entry.kind == "file" and entry.large is None:
                return self.read(entry.oid).decode("utf-8")
        except (EntryMissing, UnicodeDecodeError):
            pass
        return None

    def branch(self, name: str) -> str | None:
        """The commit that the branch stands on; None if there is none of that name."""
        return self._peel(HEADS + names.revision(name))

    def tag(self, name: str) -> str | None:
        """The commit that the tag names; None if there is none of that name."""
        return self._peel(TAGS + names.revision(name))

    def branches(self) -> list[Ref]:
        """All branches, by name."""
        return self._refs(HEADS)

    def tags(self) -> list[Ref]:
        """All tags, by name."""
        return self._refs(TAGS)

    def log(self, commit: str) -> Iterator[LogEntry]:
        """The history of a commit, newest first."""
        for found in self._git.walk(pygit2.Oid(hex=commit), SortMode.TOPOLOGICAL):
            title, _, message = found.message.partition("\n")
            yield LogEntry(str(found.id), title, message.strip(), found.author.name, found.commit_time)

    def last_changes(self, commit: str, paths: Iterable[str]) -> dict[str, LogEntry]:
        """For each path, the newest commit in the history that changed it."""
        open_paths = {path: self._id_at(commit, path) for path in paths}
        changed: dict[str, LogEntry] = {}
        for step in self.log(commit):
            if not open_paths:
                break
            parents = self._commit(step.sha).parent_ids
            for path, oid in list(open_paths.items()):
                if not parents or self._id_at(str(parents[0]), path) != oid:
                    changed[path] = step
                    del open_paths[path]
        return changed

    def store_blob(self, data: bytes) -> str:
        """Keep bytes as a git blob that no commit names yet; needs no lock."""
        return str(self._git.create_blob(data))

    def large_files(self, *, young_from_s: float = 0.0) -> set[str]:
        """sha256 of every large file that any object here points to, reachable from a branch or not.

        With `young_from_s`, by loose objects alone that were written since then (seconds since 1970).
        """
        found = set()
        for oid in self.objects(young_from_s=young_from_s):
            size, kind = self._header(pygit2.Oid(hex=oid))
            if kind == ObjectType.BLOB and size <= pointer.MOST_BYTES:
                large = pointer.parse(self.read(oid))
                if large:
                    found.add(large.sha256)
        return found

    def objects(self, *, young_from_s: float = 0.0) -> Iterator[str]:
        """The id of every object; with `young_from_s` of the loose ones that were written since then."""
        if not young_from_s:
            yield from map(str, self._git)
            return
        for path in (self.folder / "objects").glob("??/*"):
            if len(path.name) == 38 and path.stat().st_mtime >= young_from_s:
                yield path.parent.name + path.name

    def broken_refs(self) -> Iterator[str]:
        """What is wrong with branches and tags, a sentence each; git itself is silent on some."""
        files = [path for path in (self.folder / "refs").rglob("*") if path.is_file()]
        loose = {path.relative_to(self.folder).as_posix() for path in files}
        for ref in sorted({HEADS + MAIN, *self._git.references, *loose}):
            try:
                self._git.references[ref].peel(pygit2.Commit)
            except BROKEN as error:
                yield f"{ref} leads to no commit: {error}"

    def reachable(self, pointers: dict[Pointer, str], live: set[str] | None = None) -> Iterator[str]:
        """Read all that branches and tags lead to; a sentence for each object that cannot be read.

        `pointers` gets every pointer to a large file with its blob's id, `live` the ids of all objects.
        libgit2 compares each object that it reads with its id.
        """
        seen: set[str] = set() if live is None else live
        waiting = [str(self._git.references[ref].target) for ref in self._git.references]
        while waiting:
            oid = waiting.pop()
            if oid in seen:
                continue
            seen.add(oid)
            try:
                found = self._git[oid]
                if isinstance(found, pygit2.Commit):
                    waiting += [str(found.tree_id), *map(str, found.parent_ids)]
                elif isinstance(found, pygit2.Tag):
                    waiting.append(str(found.target))
                elif isinstance(found, pygit2.Tree):
                    waiting += [str(child.id) for child in found]
                elif isinstance(found, pygit2.Blob) and found.size <= pointer.MOST_BYTES:
                    large = pointer.parse(found.data)
                    if large:
                        pointers.setdefault(large, oid)
            except BROKEN as error:
                yield f"the git object {oid} cannot be read: {error}"

    def pack(self, oids: set[str], folder: Path) -> None:
        """Write the objects as one pack, and its index, into an empty folder. Nothing else is touched."""

        def choose(builder: pygit2.PackBuilder) -> None:
            for oid in sorted(oids):
                builder.add(pygit2.Oid(hex=oid))

        written = self._git.pack(folder, choose, n_threads=1)
        if written != len(oids):
            raise RuntimeError(f"{written} of {len(oids)} objects of {self.folder} were packed")

    def _commit(self, sha: str) -> pygit2.Commit:
        found = self._git[sha]
        assert isinstance(found, pygit2.Commit)
        return found

    def _peel(self, ref: str) -> str | None:
        try:
            return str(self._git.references[ref].peel(pygit2.Commit).id)
        except (KeyError, pygit2.InvalidSpecError):
            return None

    def _refs(self, prefix: str) -> list[Ref]:
        found = []
        for ref in sorted(self._git.references):
            commit = self._peel(ref) if ref.startswith(prefix) else None
            if commit is not None:
                found.append(Ref(ref.removeprefix(prefix), ref, commit))
        return found

    def _header(self, oid: pygit2.Oid) -> tuple[int, ObjectType]:
        kind, size = self._git.odb.read_header(oid)
        return size, ObjectType(kind)

    def _id_at(self, commit: str, path: str) -> pygit2.Oid | None:
        try:
            return self._commit(commit).tree[path].id
        except KeyError:
            return None

    def _describe(self, found: pygit2.Object, path: str) -> Entry:
        if isinstance(found, pygit2.Tree):
            return Entry(path, "directory", str(found.id))
        size, _ = self._header(found.id)
        large = pointer.parse(self.read(str(found.id))) if size <= pointer.MOST_BYTES else None
        return Entry(path, "file", str(found.id), large.size if large else size, large, size)

    def _walk(self, tree: pygit2.Tree, prefix: str, recursive: bool) -> Iterator[Entry]:
        for child in tree:
            path = f"{prefix}{child.name}"
            yield self._describe(child, path)
            if recursive and isinstance(child, pygit2.Tree):
                yield from self._walk(child, f"{path}/", recursive)
