"""How a run is carried out, as options, and where it keeps what is dear to make."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli._base import Command, names_of, with_options

if TYPE_CHECKING:
    from training.processes import Processes
    from zoo.vlm.store import TensorStore

_EXECUTION_OPTIONS = (
    click.option(
        "--micro-batch",
        type=click.IntRange(min=1),
        help="Pairs that are run at once: a batch's gradient is added up from its parts. The better first "
        "choice for less memory: no slower where a part still fills the device. Default: the whole batch.",
    ),
    click.option(
        "--gradient-checkpointing",
        is_flag=True,
        help="Keep one layer's activations in place of all: about a quarter of the memory, for 30 to 45 % "
        "more time. For where --micro-batch 1 is not enough.",
    ),
    click.option(
        "--checkpoint-every",
        type=click.IntRange(min=1),
        default=50,
        show_default=True,
        help="Steps between checkpoints: so many a kill can lose.",
    ),
    click.option(
        "--tensorboard", is_flag=True, help="Write the log for TensorBoard too, into OUT/tensorboard."
    ),
)
_CACHE_OPTIONS = (
    click.option(
        "--cache",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder that keeps vision features and reference log-probs for other runs; it tells nothing in "
        "words, but is as private as the pictures. Default: OUT/cache, which is removed when the run is "
        "finished or its training fails, and stays for the same command to go on with where it was killed; "
        "memory alone for restricted data.",
    ),
    click.option(
        "--cache-gb",
        type=click.FloatRange(min=0),
        default=20.0,
        show_default=True,
        help="Most that the cache takes on disk, in GiB; what does not fit is made anew each time. 0: memory "
        "alone.",
    ),
)
EXECUTION_NAMES = names_of(_EXECUTION_OPTIONS)
"""Parameters that bear the names which `training.execution.Execution` has for them."""
CACHE_NAMES = names_of(_CACHE_OPTIONS)


def execution_options(command: Command) -> Command:
    """Those of `EXECUTION_NAMES` and `CACHE_NAMES`."""
    return with_options(command, (*_EXECUTION_OPTIONS, *_CACHE_OPTIONS))


@contextmanager
def opened_store(
    out: Path, cache: Path | None, *, gigabytes: float, restricted: str, processes: Processes
) -> Iterator[TensorStore]:
    """Where a run in `out` keeps vision features and the reference's log-probs: in `cache`, for good, or in
    `out` until it is finished or its training fails, so that a kill loses none. Without `cache`, what is made
    of `restricted` data, which that names, stays in memory, and without `gigabytes` anything.
    """
    from zoo.errors import TrainingFailed
    from zoo.vlm.store import TensorStore

    own = out / "cache"
    folder = None if gigabytes == 0 else cache or (None if restricted else own)
    if folder is None and gigabytes:
        click.echo(
            f"{restricted} is not to be passed on, so what is made of its pictures "
            "stays in memory alone, and a run that is killed makes it anew; --cache DIR keeps it on disk",
            err=True,
        )
    store = TensorStore(folder, disk_bytes=int(gigabytes * 2**30))
    try:
        yield store
    except BaseException as error:
        with suppress(OSError):
            if isinstance(error, TrainingFailed) and folder == own and processes.main:
                shutil.rmtree(own)  # the same command would fail again
            else:
                own.rmdir()  # gone only where nothing was begun
            out.rmdir()
        raise
    if folder == own:
        processes.by_main(lambda: shutil.rmtree(own))
