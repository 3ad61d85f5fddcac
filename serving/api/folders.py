"""Adapter folders of this machine beside a Hub's repos, for one who has just trained. Only in this process:
no request of a server ever names a folder.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from serving.library import Hub
from zoo.errors import BadInput
from zoo.hub import RepoRef
from zoo.manifest import MANIFEST_NAME


def is_folder(written: str) -> bool:
    """True for what is written as a path, such as `./out/mdpo` or `/data/mdpo`; `a/b` is a repo."""
    return written.startswith((".", "/", "~"))


def folder_ref(written: str) -> RepoRef:
    """What the folder is known as here."""
    return RepoRef(written, "local")


class WithFolders:
    """A Hub that has these folders too. The place of a commit is taken by `local-` and a digest of the
    folder's manifest, so a folder that was trained anew is another adapter."""

    def __init__(self, hub: Hub, folders: Iterable[str]) -> None:
        self._hub = hub
        self._folders = {written: Path(written).expanduser() for written in folders}

    def resolve(self, repo: str, revision: str) -> str:
        """See `Hub`.

        Raises:
            BadInput: the folder holds no finished adapter.
        """
        if (folder := self._folders.get(repo)) is None:
            return self._hub.resolve(repo, revision)
        try:
            manifest = (folder / MANIFEST_NAME).read_bytes()
        except OSError as error:
            raise BadInput(
                f"{repo} holds no adapter: {MANIFEST_NAME}: {error.strerror}",
                hint="give the --out folder of a `medzoo train` that has ended",
            ) from None
        return f"local-{hashlib.sha256(manifest).hexdigest()[:12]}"

    def last_resolved(self, repo: str, revision: str) -> str | None:
        """See `Hub`."""
        return None if repo in self._folders else self._hub.last_resolved(repo, revision)

    def fetch(self, repo: str, sha: str) -> Path:
        """See `Hub`; a folder is where it is."""
        return self._folders.get(repo) or self._hub.fetch(repo, sha)
