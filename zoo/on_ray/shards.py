"""Shards of a job, known by number, answered by processes of a cluster as one pass of Ray Data, in order.

A worker is made once in each process and is told a shard's number; all else it knows by itself. Nothing is
raised there, since Ray writes what is raised, message and all, into its logs: errors come back as data.
"""

import logging
import os
import pickle
import signal
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Generic, TypeVar

from zoo.errors import BadInput, ClusterFailed, ZooError
from zoo.on_ray.clusters import HERE, STORE_BYTES, join, start
from zoo.on_ray.environment import set_up

Reply = TypeVar("Reply")
Worker = Callable[[int], Reply]
"""Answers a shard by its number."""

_WITHOUT_GPU = 2
"""Workers where nobody says how many and there is no GPU to count by."""
_TRIES = 4
"""Processes that one shard may cost before it is believed that it ends every one."""


@dataclass(frozen=True, kw_only=True)
class Workers:
    """Processes of a cluster that answer shards."""

    where: str
    """Of which cluster, for people."""
    count: int
    on_gpu: bool
    """Whether each has a GPU of its own."""

    def __str__(self) -> str:
        gpus = ", a GPU each" if self.on_gpu else ""
        return f"{self.count} worker{'s' * (self.count > 1)} in a cluster {self.where}{gpus}"

    def answers(self, make: Callable[[], Worker[Reply]], shards: Sequence[int]) -> Iterator[Reply]:
        """The replies to some shards, in the shards' order. `make` is called in each process, once.

        A shard whose process died is asked again in another.

        Raises:
            ZooError: what `make` or a worker raised; of another exception the type alone is told.
            ClusterFailed: one shard ended several processes, or the cluster ended.
        """
        import ray.data
        from ray.exceptions import RayError

        if not shards:
            return
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.execution_options.preserve_order = True
        count = min(self.count, len(shards))
        asked = ray.data.from_items([{"shard": n} for n in shards], override_num_blocks=len(shards))
        with warnings.catch_warnings(action="ignore"):  # the last two have no newer name in this Ray
            answered = asked.map_batches(
                _Process,
                fn_constructor_args=(make, Path.cwd()),
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(size=count, max_tasks_in_flight_per_actor=2),
                num_cpus=1,
                num_gpus=1 if self.on_gpu else 0,
                max_restarts=-1,
                max_task_retries=_TRIES - 1,
            )
        try:
            for row in _interruptible(answered.iter_rows()):
                reply = pickle.loads(row["reply"])
                if isinstance(reply, ZooError):
                    raise reply
                yield reply
        except RayError as error:
            raise ClusterFailed(
                f"the cluster's workers end before they answer ({type(error).__name__})",
                hint="fewer --workers take less memory; what was answered is kept, and the same command goes "
                "on from there",
            ) from error


def _interruptible(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The same rows, and Ctrl-C between them at the latest: one that comes in a destructor of Ray's is only
    printed there, and all would go on."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield from rows
        return
    interrupted = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        before(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        for row in rows:
            if interrupted:
                raise KeyboardInterrupt
            yield row
    finally:
        signal.signal(signal.SIGINT, before)


class _Process(Generic[Reply]):
    """What Ray Data makes in each process, and asks one shard at a time."""

    def __init__(self, make: Callable[[], Worker[Reply]], folder: Path) -> None:
        self._make, self._folder = make, folder
        self._worker: Worker[Reply] | None = None

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[bytes]]:
        return {"reply": [pickle.dumps(self._reply(int(shard))) for shard in batch["shard"]]}

    def _reply(self, shard: int) -> Reply | ZooError:
        try:
            if self._worker is None:
                _enter(self._folder)
                self._worker = self._make()
            return self._worker(shard)
        except ZooError as error:
            return error
        except Exception as error:  # its message may quote a question
            return ClusterFailed(
                f"a worker failed ({type(error).__name__})", hint="the same without --ray tells why"
            )


def _enter(folder: Path) -> None:
    """Stand where the command was typed, so that its paths hold."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise BadInput(
            f"a worker has no folder {folder} ({error.strerror})",
            hint="every node needs the same files under the same paths: docs/scale.md",
        ) from None


def _see_memory(shared: Path) -> None:
    """See that what workers answer stays in memory: Ray takes a file on disk where shared memory is small, as
    containers have it."""
    if not shared.is_dir():
        return
    has = os.statvfs(shared)
    if (free := has.f_bavail * has.f_bsize) < STORE_BYTES:
        raise ClusterFailed(
            f"{shared} has {free // 1024**2} MB free, and answers would be kept on disk in its place",
            hint=f"--ray needs {STORE_BYTES // 1024**2} MB: docker run --shm-size 256m; or do without it",
        )


@contextmanager
def workers_of(address: str, *, count: int | None, device: str) -> Iterator[Workers]:
    """Workers of the cluster at `address`, which is started and ended here if it is `HERE`.

    One a GPU where the cluster has any and `device` allows them; else two, or `count` of them.

    Raises:
        NotInstalled: there is no Ray, or not all that Ray Data needs.
        BadInput: the cluster lets anybody in, it has too few GPUs or cores for the workers, or `device` names
            one of several.
        ClusterFailed: it cannot be started or joined.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise BadInput(f"--device {device}: each worker has a device of its own", hint="--device cuda")
    local = address == HERE
    needs = ("fsspec", "pandas", "pyarrow")
    set_up("--ray", extra="ray", local=local, processes=count or _WITHOUT_GPU, needs=needs)
    if local:
        _see_memory(Path("/dev/shm"))
    import ray

    if local:
        try:
            end = start(cpus=max(count or _WITHOUT_GPU, os.cpu_count() or 1) + 1)  # one is Ray Data's own
        except Exception as error:
            raise ClusterFailed(
                f"no cluster could be started here ({type(error).__name__})", hint="the same without --ray"
            ) from error
    else:
        join(address)
        end = ray.shutdown
    try:
        has = ray.cluster_resources()
        gpus = 0 if device == "cpu" else int(has.get("GPU", 0))
        if device == "cuda" and not gpus:
            raise BadInput("--device cuda: the cluster has no GPU", hint="--device cpu")
        most, each = (gpus, "GPU") if gpus else (int(has.get("CPU", 0)), "CPU")
        count = count or gpus or _WITHOUT_GPU
        if count > most:
            raise BadInput(
                f"--workers {count}: the cluster has {most} {each}s, one a worker", hint=f"--workers {most}"
            )
        where = "of this machine" if local else f"at {address}"
        yield Workers(where=where, count=count, on_gpu=gpus > 0)
    finally:
        end()
