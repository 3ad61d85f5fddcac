"""From settings to an engine that asks the replicas of a cluster."""

from collections.abc import Callable

from serving.cluster.clusters import open_cluster
from serving.cluster.engine import RemoteEngine
from serving.cluster.gathered import Gathered
from serving.cluster.wire import common
from serving.core.registry import Registry
from serving.core.watch import Watch
from serving.metrics import Metrics
from serving.settings import Settings
from zoo.bases import Base
from zoo.on_ray.clusters import HERE


def open_remote(
    base: Base,
    settings: Settings,
    registry: Registry,
    *,
    metrics: Metrics,
    watch: Watch,
    say: Callable[[str], None],
) -> RemoteEngine:
    """Start or join the cluster; `metrics` tell of its replicas too from then on.

    Raises:
        ZooError: see `open_cluster` and `RemoteEngine`.
    """
    if settings.cluster == HERE:
        say(f"starting a cluster on this machine: {settings.replicas} replicas of {base.pinned}")
    else:
        say(f"joining the cluster at {settings.cluster}")
    replicas = open_cluster(settings, name=f"medzoo-{base.name}")
    try:
        engine = RemoteEngine(
            replicas,
            registry,
            base=base.pinned,
            slots=settings.slots,
            max_rows=settings.max_rows,
            max_waiting_rows=settings.max_waiting_rows,
            alike=common(settings),
            silent_s=min(15.0, max(5.0, settings.timeout_s / 8)),  # of a replica that hangs
            watch=watch,
        )
    except BaseException:
        replicas.close()
        raise
    metrics.told = Gathered(metrics.told, lambda: engine.metrics)
    return engine
