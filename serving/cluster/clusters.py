"""A cluster: one of this machine alone, started and ended with the server, or one that runs already."""

import logging
import shutil
import tempfile
from typing import TYPE_CHECKING

from serving.cluster.environment import set_up
from serving.settings import Settings
from zoo.errors import EngineFailed

if TYPE_CHECKING:
    from serving.cluster.serves import ServeReplicas

HERE = "local"
"""The address of the cluster that is started here."""
STORE_BYTES = 80 * 1024**2
"""Of Ray's object store, through which nothing is sent; the least that it takes."""


def open_cluster(settings: Settings, *, name: str) -> "ServeReplicas":
    """The replicas of the base that the settings name.

    Raises:
        NotInstalled, BadInput: see `environment.set_up`.
        EngineFailed: the cluster or its engines do not start, or are not there.
    """
    local = settings.cluster == HERE
    set_up(local=local, replicas=settings.max_replicas or settings.replicas)
    if local:
        return _started(settings, name)
    return _joined(settings.cluster or "", name)


def _started(settings: Settings, name: str) -> "ServeReplicas":
    import ray
    from ray import serve
    from ray.serve.context import _set_global_client

    from serving.cluster.serves import QUIET, ServeReplicas, engines

    folder = tempfile.mkdtemp(prefix="mz-", dir="/tmp")  # short: sockets lie in it

    def end() -> None:  # all of it; Serve's own end leaves a controller that complains on the terminal
        ray.shutdown()
        _set_global_client(None)  # or the next cluster of this process is taken for this one
        shutil.rmtree(folder, ignore_errors=True)

    try:
        ray.init(
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=False,
            object_store_memory=STORE_BYTES,
            _temp_dir=folder,
            _system_config={"automatic_object_spilling_enabled": False},
        )
        _hush()
        serve.start(proxy_location="Disabled", logging_config=QUIET)
        _hush()
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

    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
    except Exception as error:
        raise EngineFailed(
            f"the cluster at {address} cannot be joined ({type(error).__name__})",
            hint="run this on one of its nodes, with the same RAY_AUTH_TOKEN; docs/cluster.md",
        ) from error
    _hush()
    try:
        handle = serve.get_app_handle(name)
    except Exception as error:
        ray.shutdown()
        raise EngineFailed(
            f"the cluster at {address} has no application {name} ({type(error).__name__})",
            hint="serve deploy deploy/ray/serve.yaml; docs/cluster.md",
        ) from error
    return ServeReplicas(handle, end=ray.shutdown)


def _hush() -> None:
    """Ray's words on the terminal: that a replica is lost is told by the engine."""
    for name in ("ray", "ray.serve"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
