"""One repository to write: commits, branches and tags.

The store hands a writer out under the repository's lock. Knows git alone; a large file is a pointer
blob like any other here.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pygit2
from pygit2.enums import FileMode, ObjectType

from zoo.localhub import names, pointer
from zoo.localhub.disk import force_to_disk
from zoo.localhub.errors import AlreadyThere, BadRequest, EntryMissing, RevisionMissing, StaleParent
from zoo.localhub.gitrepo import HEADS, MAIN, TAGS, GitRepo


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


class GitWriter(GitRepo):
    """A bare git repository whose lock the caller holds."""

    def __init__(self, folder: Path, author: str) -> None:
        """`author` signs the commits and tags."""
        super().__init__(folder)
        self._author = author

    @staticmethod
    def create(folder: Path, author: str) -> "GitWriter":
        """A new repository with one commit on `main`."""
        pygit2.init_repository(str(folder), bare=True, initial_head=MAIN)
        repo = GitWriter(folder, author)
        staged = _Staged(repo._git, None)
        staged.place(Place(".gitattributes", repo.store_blob(pointer.gitattributes())))
        repo._move(MAIN, repo._write_commit(staged.tree(), "initial commit", []), ())
        return repo

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
            BadRequest: a path is none, or both a file and a folder.
        """
        head = self._head(branch)
        if parent is not None and (len(parent) < 7 or not head.startswith(parent)):
            raise StaleParent(
                f"the branch {branch!r} stands on {head}, not on the parent commit {parent}",
                hint="read the branch again and commit on top of what it holds now",
            )
        before = self._commit(head).tree
        staged = _Staged(self._git, before)
        edits = list(edits)
        for edit in edits:
            if isinstance(edit, Place):
                staged.place(edit)
            elif not staged.remove(edit):
                what = "folder" if edit.folder else "file"
                raise EntryMissing(f"no {what} {edit.path!r} to delete in commit {head}", commit=head)
        after = staged.tree()
        if after == before.id:
            return head
        text = f"{title}\n\n{message}" if message else title
        self._move(branch, commit := self._write_commit(after, text, [pygit2.Oid(hex=head)]), edits)
        return commit

    def squash(self, branch: str, *, title: str) -> str:
        """Replace a branch's history by one commit of the same files; return it."""
        commit = self._write_commit(self._commit(self._head(branch)).tree.id, title, [])
        self._move(branch, commit, ())
        return commit

    def create_branch(self, name: str, commit: str) -> None:
        """Let a new branch start at a commit.

        Raises:
            AlreadyThere: there is a branch of that name.
        """
        self._create_ref(HEADS, name, commit)

    def delete_branch(self, name: str) -> None:
        """Delete a branch. `main` stays.

        Raises:
            RevisionMissing: there is none of that name.
        """
        if name == MAIN:
            raise BadRequest("the branch 'main' cannot be deleted")
        self._delete_ref(HEADS, name)

    def create_tag(self, name: str, commit: str, message: str = "") -> None:
        """Tag a commit.

        Raises:
            AlreadyThere: there is a tag of that name.
        """
        self._create_ref(TAGS, name, commit, message)

    def delete_tag(self, name: str) -> None:
        """Delete a tag.

        Raises:
            RevisionMissing: there is none of that name.
        """
        self._delete_ref(TAGS, name)

    def _head(self, branch: str) -> str:
        head = self.branch(branch)
        if head is None:
            raise RevisionMissing(
                f"no branch {branch!r}", hint="a commit goes to a branch, not to a tag or another commit"
            )
        return head

    def _write_commit(self, tree: pygit2.Oid, text: str, parents: list[pygit2.Oid]) -> str:
        return str(self._git.create_commit(None, self._signature(), self._signature(), text, tree, parents))

    def _move(self, branch: str, commit: str, edits: Iterable[Edit]) -> None:
        """Let the branch stand on the commit, once all that is new in it is safely on disk."""
        tree = self._commit(commit).tree
        new = {commit, str(tree.id)}
        for edit in edits:
            if isinstance(edit, Place):
                new.add(edit.blob)
            for folder in _parents(edit.path):
                if folder in tree:
                    new.add(str(tree[folder].id))
        loose = [self.folder / "objects" / oid[:2] / oid[2:] for oid in new]
        force_to_disk([path for path in loose if path.exists()])
        self._git.references.create(HEADS + branch, pygit2.Oid(hex=commit), force=True)
        force_to_disk([self.folder / HEADS / branch])

    def _signature(self) -> pygit2.Signature:
        return pygit2.Signature(self._author, f"{self._author}@localhub.invalid")

    def _create_ref(self, prefix: str, name: str, commit: str, message: str = "") -> None:
        names.revision(name)
        looks_like_commit = len(name) >= 7 and all(c in "0123456789abcdef" for c in name)
        if name.startswith("refs/") or looks_like_commit:
            raise BadRequest(f"{name!r} would be taken for something else", hint="choose another name")
        try:
            if message and prefix == TAGS and self.tag(name) is None:
                self._git.create_tag(
                    name, pygit2.Oid(hex=commit), ObjectType.COMMIT, self._signature(), message
                )
            else:
                self._git.references.create(prefix + name, pygit2.Oid(hex=commit))
            force_to_disk([self.folder / prefix / name])
        except (pygit2.AlreadyExistsError, FileExistsError):
            raise AlreadyThere(f"{name!r} is already there") from None
        except pygit2.GitError as error:  # such as `a/b` beside a branch `a`
            raise BadRequest(f"no branch or tag can be called {name!r}: {error}") from error

    def _delete_ref(self, prefix: str, name: str) -> None:
        try:
            self._git.references.delete(prefix + names.revision(name))
        except KeyError:
            raise RevisionMissing(f"no {'tag' if prefix == TAGS else 'branch'} {name!r}") from None


class _Staged:
    """A tree in the making: git's index, and the paths in it.

    git would let a file take a folder's place in silence, and lose what lay in it; here that is refused.
    """

    def __init__(self, git: pygit2.Repository, tree: pygit2.Tree | None) -> None:
        self._git = git
        self._index = pygit2.Index()
        if tree is not None:
            self._index.read_tree(tree)
        self._files = {entry.path for entry in self._index}
        self._folders = Counter(folder for path in self._files for folder in _parents(path))

    def place(self, edit: Place) -> None:
        path = names.file_path(edit.path)
        if self._folders[path]:
            raise BadRequest(f"{path!r} is a folder, so no file can take its place")
        for folder in _parents(path):
            if folder in self._files:
                raise BadRequest(f"{folder!r} is a file, so nothing can lie in it, such as {path!r}")
        try:
            self._index.add(pygit2.IndexEntry(path, pygit2.Oid(hex=edit.blob), FileMode.BLOB))
        except (pygit2.GitError, ValueError) as error:
            raise BadRequest(f"git takes no file {path!r}: {error}") from error
        if path not in self._files:
            self._files.add(path)
            self._folders.update(_parents(path))

    def remove(self, edit: Remove) -> bool:
        """Whether there was something to remove."""
        path = names.file_path(edit.path)
        if edit.folder:
            gone = [file for file in self._files if file.startswith(f"{path}/")]
        else:
            gone = [path] if path in self._files else []
        for file in gone:
            self._index.remove(file)
            self._files.remove(file)
            self._folders.subtract(_parents(file))
        return bool(gone)

    def tree(self) -> pygit2.Oid:
        return self._index.write_tree(self._git)


def _parents(path: str) -> list[str]:
    return [str(parent) for parent in PurePosixPath(path).parents][:-1]
