"""A cluster of this machine alone, started and ended by who asks for it, or one that runs already.

`zoo.on_ray.environment.set_up` is the caller's to call first.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from zoo.errors import ClusterFailed
from zoo.on_ray import folders, private

HERE = "local"
"""The address of the cluster that is started here."""
STORE_BYTES = 80 * 1024**2
"""Of Ray's object store, through which little is sent; the least that it takes."""


def start(*, cpus: int | None = None) -> Callable[[], None]:
    """Start a cluster; what is given back ends it. `cpus` are those that it counts, not those that it uses.

    Raises:
        Exception: whatever Ray raises; nothing of the cluster is left then.
    """
    import ray

    folder, remove = folders.make()

    def end() -> None:
        ray.shutdown()
        remove()

    try:
        with _without_stderr():
            ray.init(
                address=HERE,  # or RAY_ADDRESS, where it is set, names one to join
                num_cpus=cpus,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                configure_logging=False,
                object_store_memory=STORE_BYTES,
                **private.in_folder(f"{folder}/r"),  # Ray opens this one to all, and the one around it not
            )
    except BaseException:
        end()
        raise
    hush()
    return end


def join(address: str) -> None:
    """Join the cluster that runs at `address`, or with `auto` on this machine.

    Raises:
        ClusterFailed: there is none, or it lets nobody in.
    """
    import ray

    try:
        with _without_stderr():
            ray.init(
                address=address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False
            )
    except Exception as error:
        raise ClusterFailed(
            f"the cluster at {address} cannot be joined ({type(error).__name__})",
            hint="run this on one of its nodes, with the same RAY_AUTH_TOKEN; docs/cluster.md",
        ) from error
    hush()


def hush() -> None:
    """Keep Ray's words from the terminal: what is lost is told by who asked for it."""
    private.hush_raylets()
    for name in ("ray", "ray.serve"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Where Ray tells, past Python and its own settings, that it was told to tell nothing."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
