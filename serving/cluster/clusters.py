"""A cluster: one of this machine alone, started and ended with the server, or one that runs already."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from serving.settings import Settings
from zoo.errors import EngineFailed
from zoo.on_ray.clusters import HERE, hush, join, start
from zoo.on_ray.environment import set_up
from zoo.on_ray.private import forget_serve

if TYPE_CHECKING:
    from serving.cluster.serves import ServeReplicas


def open_cluster(settings: Settings, *, name: str) -> "ServeReplicas":
    """The replicas of the base that the settings name.

    Raises:
        NotInstalled, BadInput: see `zoo.on_ray.environment.set_up`.
        ClusterFailed: the cluster that runs cannot be joined.
        EngineFailed: the cluster or its engines do not start, or are not there.
    """
    local = settings.cluster == HERE
    set_up("--cluster", extra="cluster", local=local, processes=settings.max_replicas or settings.replicas)
    if local:
        return _started(settings, name)
    return _joined(settings.cluster or "", name)


def _started(settings: Settings, name: str) -> "ServeReplicas":
    from ray import serve

    from serving.cluster.serves import QUIET, ServeReplicas, engines

    ends: list[Callable[[], None]] = []

    def end() -> None:  # all of it; Serve's own end leaves a controller that complains on the terminal
        for one in ends:
            one()
        forget_serve()

    try:
        ends.append(start())
        serve.start(proxy_location="Disabled", logging_config=QUIET)
        hush()
        handle = serve.run(engines(settings), name=name, route_prefix=None)
    except BaseException as error:
        end()
        if not isinstance(error, Exception):
            raise
        raise EngineFailed(
            f"the cluster's engines did not start ({type(error).__name__})",
            hint="try without --cluster, which says why a base cannot be loaded",
        ) from error
    return ServeReplicas(handle, end=end)


def _joined(address: str, name: str) -> "ServeReplicas":
    import ray
    from ray import serve

    from serving.cluster.serves import ServeReplicas

    join(address)
    try:
        handle = serve.get_app_handle(name)
    except Exception as error:
        ray.shutdown()
        raise EngineFailed(
            f"the cluster at {address} has no application {name} ({type(error).__name__})",
            hint="serve deploy deploy/ray/serve.yaml; docs/cluster.md",
        ) from error
    return ServeReplicas(handle, end=ray.shutdown)
