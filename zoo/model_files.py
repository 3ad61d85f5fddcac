"""The files of a model, in a folder or at a commit on a Hub, of which any range of bytes can be read.

Of a Hub only what is asked comes: a range, or a small file as a whole, which stays on this machine. It knows
no model.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from huggingface_hub import get_session, hf_hub_url
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

from zoo.errors import BadInput, HubError
from zoo.hub import fetch_file, parse_ref, resolve
from zoo.hub_access import asking, hub_address, hub_api

SMALL_BYTES = 64 * 2**20
"""Most bytes of a file that is read whole: twice those of the largest tokenizer's."""


class ModelFiles(Protocol):
    """Where a model lies."""

    @property
    def name(self) -> str:
        """As people name the place."""

    @property
    def commit(self) -> str:
        """The full commit on a Hub; empty for a folder."""

    @property
    def sizes(self) -> Mapping[str, int]:
        """Bytes of each file, by its path within."""

    @property
    def digests(self) -> Mapping[str, str]:
        """sha256 of each file that a Hub has told of without reading it."""

    def read(self, name: str, start: int, count: int) -> bytes:
        """So many bytes of a file from that one on; fewer where it ends before.

        Raises:
            ZooError: it cannot be read.
        """

    def path(self, name: str) -> Path | None:
        """A whole small file on this machine; None if there is none of that name.

        Raises:
            ZooError: it cannot be had, or is not small.
        """


class FolderFiles:
    """A folder on this machine."""

    commit = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = str(folder)
        self.sizes = {
            path.relative_to(folder).as_posix(): path.stat().st_size
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        self.digests: Mapping[str, str] = {}

    def read(self, name: str, start: int, count: int) -> bytes:
        """See `ModelFiles`."""
        try:
            with (self.folder / name).open("rb") as file:
                file.seek(start)
                return file.read(count)
        except OSError as error:
            raise BadInput(f"{self.folder / name} cannot be read: {error.strerror}") from None

    def path(self, name: str) -> Path | None:
        """See `ModelFiles`."""
        return self.folder / name if _is_there(self, name) else None


class HubFiles:
    """A repo at one commit on a Hub, or one of its folders."""

    def __init__(self, repo: str, revision: str, *, folder: str = "", endpoint: str | None = None) -> None:
        """Ask what is there, in the whole repo or below `folder`.

        Raises:
            HubError: the Hub does not answer or refuses, or has no such repo or revision.
        """
        self._address = hub_address(endpoint)
        self.repo = repo
        self.within = f"{folder}/" if folder else ""
        """What the path of each file begins with in the repo."""
        self.commit = resolve(repo, revision, endpoint=self._address)
        self.name = f"{f'{repo}/{folder}'.rstrip('/')}@{self.commit}"
        self._api = hub_api(self._address, None)
        with asking(self.name, self._address):
            told = self._api.model_info(repo, revision=self.commit, files_metadata=True)
        files = {
            one.rfilename.removeprefix(self.within): one
            for one in told.siblings or ()
            if one.rfilename.startswith(self.within)
        }
        self.sizes = {name: (one.lfs.size if one.lfs else one.size) or 0 for name, one in files.items()}
        self.digests = {name: one.lfs.sha256 for name, one in files.items() if one.lfs}

    def read(self, name: str, start: int, count: int) -> bytes:
        """See `ModelFiles`. The Hub is never let send more than was asked."""
        path = f"{self.within}{name}"
        url = hf_hub_url(self.repo, path, revision=self.commit, endpoint=self._address)
        asked = {"range": f"bytes={start}-{start + count - 1}"}
        headers = {**build_hf_headers(token=self._api.token), **asked}
        with (
            asking(f"{self.name}/{name}", self._address),
            get_session().stream("GET", url, headers=headers, follow_redirects=True) as answer,
        ):
            hf_raise_for_status(answer)
            if answer.status_code != 206:
                raise HubError(f"{self._address} gives no part of a file, only {name} as a whole")
            return bytes(answer.read()[:count])

    def path(self, name: str) -> Path | None:
        """See `ModelFiles`."""
        if not _is_there(self, name):
            return None
        return fetch_file(self.repo, self.commit, f"{self.within}{name}", endpoint=self._address)


def model_files(source: str | Path, *, endpoint: str | None = None) -> ModelFiles:
    """The files of a folder here, or of `REPO`, `REPO@REVISION` or `REPO/FOLDER@REVISION` on a Hub.

    Raises:
        BadInput: it is neither.
        HubError: see `HubFiles`.
    """
    folder = Path(source)
    if folder.is_dir():
        return FolderFiles(folder)
    if isinstance(source, Path) or source.startswith((".", "/", "~")):
        raise BadInput(f"{source} is no folder", hint="give a folder, or REPO or REPO@REVISION of a Hub")
    place, at, revision = source.partition("@")
    parts = place.split("/")
    if any(one in ("", ".", "..") for one in parts[2:]):
        raise BadInput(f"{source} names no folder of a repo")
    ref = parse_ref("/".join(parts[:2]) + at + revision)
    try:
        return HubFiles(ref.repo, ref.revision, folder="/".join(parts[2:]), endpoint=endpoint)
    except HubError as error:
        if at:
            raise
        raise type(error)(f"there is no folder {source}, and: {error.message}", hint=error.hint) from error


def _is_there(files: ModelFiles, name: str) -> bool:
    size = files.sizes.get(name)
    if size is not None and size > SMALL_BYTES:
        raise BadInput(
            f"{files.name}: {name} has {size} bytes; a file of this name has {SMALL_BYTES} at most"
        )
    return size is not None
