"""Processes that do jobs side by side, one thread each, and end with the process that started them.

Nothing heavy is imported until a process knows how many threads it may take.
"""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from training.study.plan import Job, Settings
from zoo.children import PARENT, end_with_parent


@dataclass(frozen=True)
class Done:
    """A job that came to its end."""

    name: str
    seconds: float
    cpu_seconds: float


Do = Callable[[Sequence[Job]], Iterator[Done]]
"""Does jobs in any order, and tells of each when it is done."""


def do_one(job: Job, settings: Settings, out: Path) -> Done:
    """Do a job in this process."""
    from training.study.jobs import act

    wall, cpu = time.monotonic(), time.process_time()
    act(job, settings, out)
    return Done(job.name, round(time.monotonic() - wall, 2), round(time.process_time() - cpu, 2))


@contextmanager
def workers(count: int, settings: Settings, out: Path) -> Iterator[Do]:
    """`count` processes that do a study's jobs. An error of a job ends them all and is raised here."""
    context = multiprocessing.get_context("spawn")  # a forked torch may hang
    pool = ProcessPoolExecutor(count, context, initializer=_begin, initargs=(os.getpid(),))

    def do(jobs: Sequence[Job]) -> Iterator[Done]:
        for future in as_completed([pool.submit(do_one, job, settings, out) for job in jobs]):
            yield future.result()

    try:
        yield do
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(parent: int) -> None:
    os.environ.update({PARENT: str(parent), "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"})
    end_with_parent()
