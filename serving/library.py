"""Names -> adapters on this machine: what a name stands for, and its files, fetched once for all who wait.

A name is an alias, `repo` or `repo@revision`; it is resolved to a commit once per request. The Hub is
behind a small protocol. Knows nothing of models and slots.
"""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from serving.core.engine import OnDisk
from serving.core.registry import Registry
from serving.core.requests import BASE, AdapterId
from zoo.errors import BadInput, HubUnreachable, UnknownName, ZooError
from zoo.hub import RepoRef, fetch, last_resolved, parse_ref, resolve
from zoo.manifest import CONFIG_NAME, MANIFEST_NAME, WEIGHTS_NAME, read_manifest


class Hub(Protocol):
    """What the library asks of a Hub."""

    def resolve(self, repo: str, revision: str) -> str:
        """The full sha that a revision stands for now."""

    def last_resolved(self, repo: str, revision: str) -> str | None:
        """What this Hub last said, for when it cannot be asked."""

    def fetch(self, repo: str, sha: str) -> Path:
        """The folder of the adapter's files."""


class ZooHub:
    """The Hub at an address, through `zoo.hub`."""

    def __init__(self, endpoint: str | None = None, token: str | None = None) -> None:
        self._endpoint, self._token = endpoint, token

    def resolve(self, repo: str, revision: str) -> str:
        """See `zoo.hub.resolve`."""
        return resolve(repo, revision, endpoint=self._endpoint, token=self._token)

    def last_resolved(self, repo: str, revision: str) -> str | None:
        """See `zoo.hub.last_resolved`."""
        return last_resolved(repo, revision, endpoint=self._endpoint)

    def fetch(self, repo: str, sha: str) -> Path:
        """See `zoo.hub.fetch`."""
        return fetch(repo, sha, endpoint=self._endpoint, token=self._token)[0]


@dataclass(frozen=True)
class Resolved:
    """A name as asked, and the commit it stood for at that moment."""

    asked: str
    repo: str
    sha: str
    hub_unreachable: bool = False
    """True if the Hub could not be asked and this is the last commit known."""


class Library:
    """The adapters that this server can bring here."""

    def __init__(self, hub: Hub, registry: Registry, aliases: Mapping[str, RepoRef] | None = None) -> None:
        self._hub = hub
        self._registry = registry
        self._aliases = dict(aliases or {})
        self._lock = threading.Lock()
        self._fetches: dict[tuple[str, str], Future[OnDisk]] = {}

    @property
    def aliases(self) -> Mapping[str, RepoRef]:
        """What each alias stands for, as the operator wrote it."""
        return self._aliases

    def resolve(self, asked: str) -> Resolved:
        """The commit that a name stands for now.

        Raises:
            UnknownName: it is no alias and has not the form of a repo.
            NotOnHub: there is no such repo or revision.
            HubUnreachable: the Hub does not answer, and never told this name's commit before.
        """
        if "/" not in asked and asked not in self._aliases:
            raise UnknownName("adapter", asked, (BASE, *self._aliases))
        ref = self._aliases.get(asked) or parse_ref(asked)
        try:
            return Resolved(asked, ref.repo, self._hub.resolve(ref.repo, ref.revision))
        except HubUnreachable:
            sha = self._hub.last_resolved(ref.repo, ref.revision)
            if sha is None:
                raise
            return Resolved(asked, ref.repo, sha, hub_unreachable=True)

    def bring(self, wanted: Resolved) -> OnDisk:
        """The adapter's files, fetched if they are not here; one fetch serves all who wait for it.

        Files that were fetched and are gone since, such as from a cache that was cleared, are fetched anew,
        unless the adapter is loaded and needs none.

        Raises:
            ZooError: the fetch failed; every waiter gets the reason, and the next request tries again.
        """
        key = (wanted.repo, wanted.sha)
        with self._lock:
            fetching = self._fetches.get(key)
            if fetching is not None and self._is_lost(fetching):
                fetching = None
            mine = fetching is None
            if fetching is None:
                fetching = self._fetches[key] = Future()
        if mine:
            self._fetch(key, fetching)
        return fetching.result()

    def _is_lost(self, fetching: "Future[OnDisk]") -> bool:
        """True if the files of a fetch that went well are gone and wanted."""
        if not fetching.done():
            return False
        adapter = fetching.result()
        names = (WEIGHTS_NAME, CONFIG_NAME, MANIFEST_NAME)
        if all((adapter.folder / name).is_file() for name in names):
            return False
        return self._registry.status(adapter.id.repo, adapter.id.sha).state != "resident"

    def _fetch(self, key: tuple[str, str], fetching: "Future[OnDisk]") -> None:
        repo, sha = key
        self._registry.set_status(repo, sha, "fetching")
        try:
            folder = self._hub.fetch(repo, sha)
            manifest = read_manifest(folder)
        except Exception as error:
            reason = error.message if isinstance(error, ZooError) else type(error).__name__
            self._registry.set_status(repo, sha, "failed", reason)
            with self._lock:
                del self._fetches[key]
            fetching.set_exception(error)
            return
        self._registry.set_status(repo, sha, "on_disk")
        fetching.set_result(OnDisk(AdapterId(repo, sha, manifest.weights_sha256), folder, manifest))


def name_adapters(found: Sequence[tuple[str, RepoRef]]) -> dict[str, RepoRef]:
    """Aliases for (variant, where it is) pairs: a variant's name if only one bears it, else `repo@revision`.

    Raises:
        BadInput: the same adapter is given twice, or a variant bears the base's name.
    """
    refs = [ref for _, ref in found]
    twice = [ref for ref in refs if refs.count(ref) > 1]
    if twice:
        raise BadInput(f"the adapter {twice[0]} is given twice")
    names = [name for name, _ in found]
    if BASE in names:
        raise BadInput(f"a variant is named {BASE!r}, which is the name of the base itself")
    return {name if names.count(name) == 1 else str(ref): ref for name, ref in found}
