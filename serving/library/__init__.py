"""Adapters on this machine: the commit that a name stands for, and its files, fetched once for all who wait.

A name is resolved to a commit once per request. Knows nothing of models and slots.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from serving.core.engine import OnDisk
from serving.core.origin import bound
from serving.core.registry import Registry
from serving.core.requests import BASE, AdapterId
from serving.core.watch import Watch
from serving.library.hub import Hub as Hub
from serving.library.hub import ZooHub as ZooHub
from serving.library.names import Names as Names
from serving.library.names import name_adapters as name_adapters
from serving.library.sharing import SharedCalls
from zoo.errors import BadAdapter, DatabaseAway, HubError, HubUnreachable, ZooError
from zoo.hub import RepoRef, is_full_sha
from zoo.manifest import CONFIG_NAME, MANIFEST_NAME, WEIGHTS_NAME, read_manifest

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Resolved:
    """A name as asked, and the commit it stood for at that moment."""

    asked: str
    repo: str
    sha: str
    hub_unreachable: bool = False
    """True if the Hub, or what servers share, could not be asked and this is the last commit known."""


@dataclass(frozen=True)
class Brought:
    """A name, the commit it stood for, and that commit's files."""

    resolved: Resolved
    adapter: OnDisk


@dataclass(frozen=True)
class _Head:
    """What a revision stood for, good until a time."""

    sha: str
    hub_unreachable: bool
    until: float


class Library:
    """The adapters that this server can bring here.

    Whatever asks the Hub gives a future at once and runs in a thread of its own, shared by all who want the
    same; how long to wait is for each to say. A revision that was resolved less than `resolve_every_s` ago is
    not asked for again, so a burst of requests asks the Hub once; and where the Hub did not answer, the last
    commit known serves for as long as the vain wait took.
    """

    def __init__(
        self,
        hub: Hub,
        registry: Registry,
        aliases: Mapping[str, RepoRef] | Names | None = None,
        *,
        allow: Sequence[str] = (),
        resolve_every_s: float = 1.0,
        watch: Watch | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`allow` holds glob patterns of repos that may be brought without an alias, such as `local/*`; names
        that are made already, such as those that servers share, have theirs."""
        self._hub = hub
        self._registry = registry
        self.names = aliases if isinstance(aliases, Names) else Names(aliases, allow=allow)
        self._resolve_every_s = resolve_every_s
        self._watch = watch or Watch()
        self._clock = clock
        self._lock = threading.Lock()
        self._heads: dict[RepoRef, _Head] = {}
        self._here: dict[tuple[str, str], OnDisk] = {}
        # Two lines each: for the repos that have an alias, and for all others, however many are asked for.
        self._resolves = {has_alias: SharedCalls[_Head](clock=clock) for has_alias in (True, False)}
        self._fetches = {has_alias: SharedCalls[OnDisk](clock=clock) for has_alias in (True, False)}

    def here(self, repo: str) -> list[OnDisk]:
        """Every commit of a repo that was brought here while this server ran."""
        with self._lock:
            return [adapter for (one, _), adapter in self._here.items() if one == repo]

    def get(self, asked: str, ref: RepoRef | None = None) -> "Future[Brought]":
        """What a name stands for now, with its files; `ref` in place of what the name stands for.

        Files that were fetched and are gone since, such as from a cache that was cleared, are fetched anew,
        unless the adapter is loaded and needs none.

        The future raises:
            UnknownName, BadInput, NotAllowed: see `Names.ref`.
            NotOnHub: there is no such repo or revision.
            HubUnreachable, DatabaseAway: the Hub, or what servers share, does not answer, and never told this
                name's commit before.
            HubError, BadManifest: the fetch failed; all who wait are told why; the next tries again.
            BadAdapter: it bears the base's name.
            Busy: too much is asked of the Hub at once.
        """
        brought: Future[Brought] = Future()
        brought.set_running_or_notify_cancel()

        def known(done: "Future[_Head]") -> None:
            with _failing(brought):
                resolved = self._resolved(asked, wanted, done.result())
                self._bring(resolved).add_done_callback(lambda files: fetched(resolved, files))

        def fetched(resolved: Resolved, done: "Future[OnDisk]") -> None:
            with _failing(brought):
                brought.set_result(Brought(resolved, done.result()))

        with _failing(brought):
            wanted = ref or self.names.ref(asked)
            self._resolve(wanted).add_done_callback(bound(known))
        return brought

    def _resolved(self, asked: str, ref: RepoRef, head: _Head) -> Resolved:
        sha = self.names.latest(ref) or head.sha  # another server may have been told a newer one
        if before := self.names.stands_for(ref, sha):
            self._registry.moved(ref.repo, before, sha)
        return Resolved(asked, ref.repo, sha, head.hub_unreachable)

    def _resolve(self, ref: RepoRef) -> "Future[_Head]":
        now = self._clock()
        if is_full_sha(ref.revision):
            return _done(_Head(ref.revision, False, now))
        with self._lock:
            head = self._heads.get(ref)
        if head is not None and now < head.until:
            return _done(head)
        return self._resolves[self._has_alias(ref.repo)].begin(ref, lambda: self._ask(ref))

    def _ask(self, ref: RepoRef) -> _Head:
        asked, unreachable = self._clock(), False
        try:
            with _named(f"{ref} could not be resolved", self._watch, call="resolve"):
                sha = self._hub.resolve(ref.repo, ref.revision)
        except (HubUnreachable, DatabaseAway):
            known = self._hub.last_resolved(ref.repo, ref.revision)
            if known is None:
                raise
            sha, unreachable = known, True
        now = self._clock()
        good_s = max(self._resolve_every_s, now - asked) if unreachable else self._resolve_every_s
        head = _Head(sha, unreachable, now + good_s)
        with self._lock:
            self._heads = {one: at for one, at in self._heads.items() if now < at.until}
            self._heads[ref] = head
        return head

    def _bring(self, wanted: Resolved) -> "Future[OnDisk]":
        with self._lock:
            adapter = self._here.get((wanted.repo, wanted.sha))
        if adapter is not None and not self._is_lost(adapter):
            return _done(adapter)
        line = self._fetches[self._has_alias(wanted.repo)]
        return line.begin((wanted.repo, wanted.sha), lambda: self._fetch(wanted.repo, wanted.sha))

    def _has_alias(self, repo: str) -> bool:
        return any(one.repo == repo for one in self.names.aliases.values())

    def _is_lost(self, adapter: OnDisk) -> bool:
        """True if files that were fetched are gone and wanted."""
        names = (WEIGHTS_NAME, CONFIG_NAME, MANIFEST_NAME)
        if all((adapter.folder / name).is_file() for name in names):
            return False
        return self._registry.status(adapter.id.repo, adapter.id.sha).state != "resident"

    def _fetch(self, repo: str, sha: str) -> OnDisk:
        self._registry.set_status(repo, sha, "fetching")
        try:
            wanted = f"{repo}@{sha}"
            with _named(f"{wanted} could not be fetched", self._watch, call="fetch", adapter=wanted):
                folder = self._hub.fetch(repo, sha)
                manifest = read_manifest(folder)
                if manifest.variant.name == BASE:
                    raise BadAdapter(
                        f"{repo}@{sha} calls its variant {BASE!r}, which is the name of the base itself",
                        hint="its author has to publish it under another name",
                    )
        except ZooError as error:
            self._registry.set_status(repo, sha, "failed", error.message)
            raise
        adapter = OnDisk(AdapterId(repo, sha, manifest.weights_sha256), folder, manifest)
        with self._lock:
            self._here[repo, sha] = adapter
        self._registry.set_status(repo, sha, "on_disk")
        return adapter


@contextmanager
def _failing(future: "Future[Any]") -> Iterator[None]:
    """Whatever is raised here is the future's."""
    try:
        yield
    except Exception as error:
        future.set_exception(error)


@contextmanager
def _named(what: str, watch: Watch, *, call: str, adapter: str = "") -> Iterator[None]:
    """Tell of a call, and make a failure without a name here, such as a download that broke off, a HubError.
    Only what was found is named: any other name is a client's word."""
    began, wrong = time.monotonic(), ""
    try:
        yield
    except ZooError as error:
        wrong = type(error).__name__
        raise
    except Exception as error:
        wrong = HubError.__name__
        raise HubError(f"{what} ({type(error).__name__})", hint="ask again later") from error
    finally:
        watch.hub(call, time.monotonic() - began, "" if wrong else adapter, wrong)
        if wrong:
            watch.failed(wrong)


def _done(value: _Value) -> "Future[_Value]":
    future: Future[_Value] = Future()
    future.set_result(value)
    return future
