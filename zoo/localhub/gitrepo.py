"""One repository: its commits, branches, tags and trees, over a bare git repository.

Knows git and the pointer files in it, not HTTP, and not where large files lie. An instance belongs to
one thread; open another for another (it is cheap). Writers must hold the repository's lock.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pygit2
from pygit2.enums import FileMode, ObjectType, SortMode

from zoo.localhub import names, pointer
from zoo.localhub.errors import AlreadyThere, BadRequest, EntryMissing, RevisionMissing, StaleParent
from zoo.localhub.pointer import Pointer

MAIN = "main"
AUTHOR = "local"
_HEADS, _TAGS = "refs/heads/", "refs/tags/"


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
class Place:
    """An edit: put the git blob at the path."""

    path: str
    blob: str


@dataclass(frozen=True)
class Remove:
    """An edit: delete the file or the folder at the path."""

    path: str
    folder: bool


Edit = Place | Remove


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

    @staticmethod
    def create(folder: Path) -> "GitRepo":
        """A new repository with one commit on `main`."""
        pygit2.init_repository(str(folder), bare=True, initial_head=MAIN)
        repo = GitRepo(folder)
        index = pygit2.Index()
        blob = repo._git.create_blob(pointer.gitattributes())
        index.add(pygit2.IndexEntry(".gitattributes", blob, FileMode.BLOB))
        repo._write_commit(_HEADS + MAIN, index.write_tree(repo._git), "initial commit", [])
        return repo

    # --- reading -------------------------------------------------------------------------------------

    def resolve(self, revision: str) -> str:
        """The full sha that a branch, a tag, or a commit (7 digits or more) stands for, in that order.

        Raises:
            RevisionMissing: nothing here bears that name.
        """
        names.revision(revision)
        for ref in (_HEADS + revision, _TAGS + revision):
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

    def branches(self) -> list[Ref]:
        """All branches, by name."""
        return self._refs(_HEADS)

    def tags(self) -> list[Ref]:
        """All tags, by name."""
        return self._refs(_TAGS)

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

    # --- writing (under the repository's lock) ----------------------------------------------------------

    def store_blob(self, data: bytes) -> str:
        """Keep bytes as a git blob that no commit names yet; needs no lock."""
        return str(self._git.create_blob(data))

    def commit(
        self, branch: str, edits: Iterable[Edit], *, title: str, message: str = "", parent: str | None = None
    ) -> str:
        """Apply the edits in order on top of the branch and move it there; return the new commit.

        Edits that change nothing make no commit: the branch's commit is returned. `parent` is the
        commit, in 7 digits or more, on which the branch must still stand.

        Raises:
            RevisionMissing: there is no such branch.
            StaleParent: the branch stands elsewhere.
            EntryMissing: a file or folder to delete is not there.
        """
        head = self._peel(_HEADS + names.revision(branch))
        if head is None:
            raise RevisionMissing(f"no branch {branch!r}; commits go to a branch, not to a tag or a commit")
        if parent is not None and (len(parent) < 7 or not head.startswith(parent)):
            raise StaleParent(
                f"the branch {branch!r} stands on {head}, not on the parent commit {parent}",
                hint="read the branch again and commit on top of what it holds now",
            )
        tree = self._commit(head).tree
        index = pygit2.Index()
        index.read_tree(tree)
        for edit in edits:
            self._apply(index, edit, head)
        new_tree = index.write_tree(self._git)
        if new_tree == tree.id:
            return head
        text = f"{title}\n\n{message}" if message else title
        return self._write_commit(_HEADS + branch, new_tree, text, [pygit2.Oid(hex=head)])

    def squash(self, branch: str, *, title: str) -> str:
        """Replace a branch's history by one commit of the same files; return it."""
        head = self._peel(_HEADS + names.revision(branch))
        if head is None:
            raise RevisionMissing(f"no branch {branch!r}")
        commit = self._write_commit(None, self._commit(head).tree.id, title, [])
        self._git.references.create(_HEADS + branch, pygit2.Oid(hex=commit), force=True)
        return commit

    def create_branch(self, name: str, commit: str) -> None:
        """Let a new branch start at a commit.

        Raises:
            AlreadyThere: there is a branch of that name.
        """
        _check_ref_name(name)
        self._create_ref(_HEADS + name, commit, f"the branch {name!r}")

    def delete_branch(self, name: str) -> None:
        """Delete a branch. `main` stays.

        Raises:
            RevisionMissing: there is none of that name.
        """
        if name == MAIN:
            raise BadRequest("the branch 'main' cannot be deleted")
        self._delete_ref(_HEADS + names.revision(name), f"branch {name!r}")

    def create_tag(self, name: str, commit: str, message: str = "") -> None:
        """Tag a commit.

        Raises:
            AlreadyThere: there is a tag of that name.
        """
        _check_ref_name(name)
        if message and self._peel(_TAGS + name) is None:
            self._git.create_tag(name, pygit2.Oid(hex=commit), ObjectType.COMMIT, _signature(), message)
        else:
            self._create_ref(_TAGS + name, commit, f"the tag {name!r}")

    def delete_tag(self, name: str) -> None:
        """Delete a tag.

        Raises:
            RevisionMissing: there is none of that name.
        """
        self._delete_ref(_TAGS + names.revision(name), f"tag {name!r}")

    def large_files(self) -> set[str]:
        """sha256 of every large file that any object here points to, reachable from a branch or not."""
        found = set()
        for oid in self._git:
            size, kind = self._header(oid)
            if kind == ObjectType.BLOB and size <= pointer.MOST_BYTES:
                large = pointer.parse(self.read(str(oid)))
                if large:
                    found.add(large.sha256)
        return found

    # --- helpers ----------------------------------------------------------------------------------------

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

    def _apply(self, index: pygit2.Index, edit: Edit, head: str) -> None:
        names.file_path(edit.path)
        if isinstance(edit, Place):
            index.add(pygit2.IndexEntry(edit.path, pygit2.Oid(hex=edit.blob), FileMode.BLOB))
            return
        if edit.folder:
            below = f"{edit.path}/"
            if not any(entry.path.startswith(below) for entry in index):
                raise EntryMissing(f"no folder {edit.path!r} to delete in {head}", commit=head)
            index.remove_directory(edit.path)
        elif edit.path in index:
            index.remove(edit.path)
        else:
            raise EntryMissing(f"no file {edit.path!r} to delete in {head}", commit=head)

    def _write_commit(self, ref: str | None, tree: pygit2.Oid, text: str, parents: list[pygit2.Oid]) -> str:
        return str(self._git.create_commit(ref, _signature(), _signature(), text, tree, list(parents)))

    def _create_ref(self, ref: str, commit: str, what: str) -> None:
        try:
            self._git.references.create(ref, pygit2.Oid(hex=commit))
        except pygit2.AlreadyExistsError:
            raise AlreadyThere(f"{what} is already there") from None

    def _delete_ref(self, ref: str, what: str) -> None:
        try:
            self._git.references.delete(ref)
        except KeyError:
            raise RevisionMissing(f"no {what}") from None


def _check_ref_name(name: str) -> None:
    names.revision(name)
    if name.startswith("refs/") or (len(name) == 40 and all(c in "0123456789abcdef" for c in name)):
        raise BadRequest(f"{name!r} would be taken for something else; choose another name")


def _signature() -> pygit2.Signature:
    return pygit2.Signature(AUTHOR, f"{AUTHOR}@localhub.invalid")
