"""The adapters that can be asked, as they stand now. Asks no Hub itself."""

from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field

from serving.core.engine import OnDisk
from serving.core.registry import Registry, Status
from serving.core.requests import AdapterId
from serving.library import Brought
from zoo.errors import ZooError
from zoo.manifest import Evaluation


@dataclass(frozen=True, kw_only=True)
class Listing:
    """One adapter that can be asked by an alias, as it stands now."""

    alias: str
    written: str
    """`repo@revision` as the operator gave it."""
    adapter: AdapterId | None
    """None if it could not be brought here; `status.reason` tells why."""
    variant: str
    title: str
    base: str
    status: Status
    evaluation: tuple[Evaluation, ...] = ()
    files: OnDisk | None = field(default=None, compare=False, repr=False)
    """Its files on this machine; None from another server. Where they lie is no part of what
    the adapter is."""

    @property
    def accuracy(self) -> Evaluation | None:
        """The score on all questions, if the manifest has one."""
        return next((e for e in self.evaluation if (e.metric, e.subset) == ("accuracy", "all")), None)


def list_adapter(alias: str, written: str, getting: "Future[Brought]", *, registry: Registry) -> Listing:
    """How an adapter stands, by what getting it has come to; one that failed or is not there yet says so."""
    try:
        adapter = getting.result(timeout=0).adapter
    except (FutureTimeout, ZooError) as error:
        reason = error.message if isinstance(error, ZooError) else "the Hub has not answered yet"
        return Listing(
            alias=alias,
            written=written,
            adapter=None,
            variant=alias,
            title="",
            base="",
            status=Status("failed", reason),
        )
    manifest = adapter.manifest
    return Listing(
        alias=alias,
        written=written,
        adapter=adapter.id,
        variant=manifest.variant.name,
        title=manifest.variant.title,
        base=f"{manifest.base.name}@{manifest.base.revision}",
        status=registry.status(adapter.id.repo, adapter.id.sha),
        evaluation=tuple(manifest.evaluation),
        files=adapter,
    )
