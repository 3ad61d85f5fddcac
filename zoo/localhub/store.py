"""All repositories of one root folder: create, find, move, delete, settings, locks. Knows nothing of HTTP.

root/repos/models/OWNER/NAME.git      bare git repositories, each with its settings in hub.json
root/repos/datasets/OWNER/NAME.git    and spaces/
root/objects/ab/cd/SHA256             large files
root/collections/OWNER/ID.json        lists of repositories
root/incoming/                        what is half-written; emptied at start
root/lock                             held by the one server of this folder
"""

import fcntl
import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import pygit2

from zoo.localhub import jsonfile, names
from zoo.localhub.collections import Collections
from zoo.localhub.disk import force_to_disk
from zoo.localhub.errors import AlreadyThere, BadRequest, Damaged, RepoMissing, RootInUse
from zoo.localhub.gitrepo import GitRepo
from zoo.localhub.gitwriter import GitWriter
from zoo.localhub.names import KINDS, Kind
from zoo.localhub.objects import Objects

Gated = Literal[False, "auto", "manual"]
_SETTINGS = "hub.json"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What a repository's owner decides, outside git."""

    private: bool = False
    gated: Gated = False
    created_s: float = 0.0
    """Seconds since 1970, UTC."""
    sdk: str = ""
    """What a Space is made of; empty for other kinds."""


@dataclass(frozen=True)
class Repo:
    """A repository found in the store."""

    kind: Kind
    id: str
    """`owner/name`."""
    folder: Path
    settings: Settings

    @property
    def namespace(self) -> str:
        """Its owner's name."""
        return self.id.partition("/")[0]

    def git(self) -> GitRepo:
        """The git repository, opened for the calling thread."""
        return GitRepo(self.folder)


class Store:
    """The root folder of an embedded Hub."""

    def __init__(self, root: Path) -> None:
        """Open the folder, creating it if need be, and hold it until `close`.

        Raises:
            RootInUse: another server holds it.
        """
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self._hold = (root / "lock").open("w")
        try:
            fcntl.flock(self._hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._hold.close()
            raise RootInUse(
                f"another embedded Hub already serves {root}",
                hint="use its address, end it, or give another --root",
            ) from error
        # A mounted volume may belong to another user id; the settings of these repositories run nothing.
        pygit2.settings.owner_validation = False
        self.incoming = root / "incoming"
        shutil.rmtree(self.incoming, ignore_errors=True)
        self.objects = Objects(root / "objects", self.incoming)
        self.collections = Collections(root / "collections")
        self.received: set[tuple[Kind, str, str]] = set()
        """Kind, repository and sha256 of the large files that were sent for it since the start."""
        self._clear_leftovers()
        self._locks: dict[tuple[Kind, str], threading.RLock] = {}
        self._catalog = threading.RLock()
        """Held while a repository appears, moves or goes."""

    def close(self) -> None:
        """Let go of the folder."""
        self._hold.close()

    def find(self, kind: Kind, repo_id: str) -> Repo:
        """The repository of that kind and `owner/name`.

        Raises:
            Damaged: its settings cannot be read.
            RepoMissing: there is none.
            BadRequest: that is no name.
        """
        folder = self._folder(kind, repo_id)
        settings = self.settings(folder)
        if settings is None:
            raise RepoMissing(f"no {kind} {repo_id!r}")
        return Repo(kind, repo_id, folder, settings)

    def repos(self, kind: Kind) -> Iterator[Repo]:
        """Every repository of a kind, by name."""
        for repo_id, folder in self.folders(kind):
            try:
                settings = self.settings(folder)
            except Damaged as error:  # it is not to hide the others
                _log.error("%s", error)
                continue
            if settings is not None:
                yield Repo(kind, repo_id, folder, settings)

    def folders(self, kind: Kind) -> list[tuple[str, Path]]:
        """The name and the folder of every repository of a kind, whole or not."""
        found = sorted(self._base(kind).glob("*/*.git"))
        return [(f"{folder.parent.name}/{folder.name[:-4]}", folder) for folder in found]

    def settings(self, folder: Path) -> Settings | None:
        """The settings in a repository's folder; None if there are none.

        Raises:
            Damaged: they cannot be read.
        """
        try:
            data = jsonfile.read(folder / _SETTINGS)
            if data is None:
                return None
            found = Settings(**data)
            if not isinstance(data.get("private"), bool) or found.gated not in (False, "auto", "manual"):
                raise ValueError(f"it does not say who may see what: {data}")
            return found
        except (ValueError, TypeError) as error:
            raise Damaged(
                f"the settings {folder / _SETTINGS} are broken: {error}",
                hint='restore the file from a backup, or write {"private": true} into it',
            ) from error

    def create(
        self,
        kind: Kind,
        repo_id: str,
        *,
        private: bool = False,
        gated: Gated = False,
        author: str = "local",
        sdk: str = "",
    ) -> Repo:
        """A new repository with one commit on `main`; a Space is made of `sdk`.

        Raises:
            AlreadyThere: one of that name exists.
        """
        folder = self._folder(kind, repo_id)
        with self._catalog:
            self._refuse_taken(kind, repo_id)
            fresh = Path(tempfile.mkdtemp(dir=self.incoming, prefix="repo-"))
            GitWriter.create(fresh, author)
            self._write_settings(fresh, Settings(private, gated, time.time(), sdk))
            folder.parent.mkdir(parents=True, exist_ok=True)
            os.rename(fresh, folder)
            force_to_disk([folder])
        return self.find(kind, repo_id)

    def delete(self, repo: Repo) -> None:
        """Delete a repository; it is out of sight in one step."""
        with self._catalog, self.writing(repo):
            grave = Path(tempfile.mkdtemp(dir=self.incoming, prefix="gone-"))
            os.rename(repo.folder, grave / "repo")
            self.collections.follow(repo.kind, repo.id, None)
        shutil.rmtree(grave, ignore_errors=True)

    def move(self, repo: Repo, new_id: str) -> Repo:
        """Give a repository another `owner/name`; the old name leads nowhere afterwards.

        Raises:
            AlreadyThere: one of that name exists.
        """
        folder = self._folder(repo.kind, new_id)
        with self._catalog, self.writing(repo):
            self._refuse_taken(repo.kind, new_id)
            folder.parent.mkdir(parents=True, exist_ok=True)
            os.rename(repo.folder, folder)
            force_to_disk([folder])
            self.collections.follow(repo.kind, repo.id, new_id)
        return self.find(repo.kind, new_id)

    def configure(self, repo: Repo, *, private: bool | None = None, gated: Gated | None = None) -> Repo:
        """Change settings; None leaves one as it is."""
        with self.writing(repo):
            settings = self.find(repo.kind, repo.id).settings
            if private is not None:
                settings = replace(settings, private=private)
            if gated is not None:
                settings = replace(settings, gated=gated)
            self._write_settings(repo.folder, settings)
        return self.find(repo.kind, repo.id)

    @contextmanager
    def writing(self, repo: Repo, author: str = "local") -> Iterator[GitWriter]:
        """Hold the repository's lock, one writer at a time; `author` signs its commits.

        Raises:
            RepoMissing: it went or moved while waiting.
        """
        with self._catalog:
            lock = self._locks.setdefault((repo.kind, repo.id), threading.RLock())
        with lock:
            self.find(repo.kind, repo.id)
            yield GitWriter(repo.folder, author)

    def _clear_leftovers(self) -> None:
        """Remove the lock files of a writer that was killed; nobody else writes while the folder is held."""
        for kind in KINDS:
            for repo in self.repos(kind):
                for left in [*repo.folder.glob("*.lock"), *(repo.folder / "refs").rglob("*.lock")]:
                    left.unlink()

    def _base(self, kind: Kind) -> Path:
        return self.root / "repos" / f"{kind}s"

    def _folder(self, kind: Kind, repo_id: str) -> Path:
        namespace, slash, name = repo_id.partition("/")
        if not slash:
            raise BadRequest(f"{repo_id!r} has no owner", hint=f"say local/{repo_id}")
        names.repo_id(namespace, name)
        return self._base(kind) / namespace / f"{name}.git"

    def _refuse_taken(self, kind: Kind, repo_id: str) -> None:
        if self._folder(kind, repo_id).exists():
            raise AlreadyThere(f"the {kind} {repo_id!r} is already there")

    def _write_settings(self, folder: Path, settings: Settings) -> None:
        jsonfile.write(folder / _SETTINGS, asdict(settings))
