"""How a run is carried out, as options, and where it keeps what is dear to make. None decides a result."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from training.processes import Processes
    from zoo.datasets import QuestionSet
    from zoo.vlm.store import TensorStore

Command = TypeVar("Command", bound=Callable[..., Any])

EXECUTION_NAMES = ("micro_batch", "gradient_checkpointing", "checkpoint_every", "tensorboard")
"""Those whose parameters bear the names that `training.execution.Execution` has for them."""


def execution_options(command: Command) -> Command:
    """Those of `EXECUTION_NAMES`, `--cache` and `--cache-gb`."""
    for option in reversed(_EXECUTION_OPTIONS):
        command = option(command)
    return command


_EXECUTION_OPTIONS = (
    click.option(
        "--micro-batch",
        type=click.IntRange(min=1),
        help="Pairs that are run at once, for less memory: a batch's gradient is added up from its parts. "
        "Slower where a part leaves the device idle. Default: the whole batch.",
    ),
    click.option(
        "--gradient-checkpointing",
        is_flag=True,
        help="Keep one layer's activations in place of all: much less memory for about a third more time.",
    ),
    click.option(
        "--cache",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder that keeps vision features and reference log-probs for other runs; it tells nothing in "
        "words, but is as private as the pictures. Default: OUT/cache, until the run is finished, and memory "
        "alone for restricted data.",
    ),
    click.option(
        "--cache-gb",
        type=click.FloatRange(min=0),
        default=20.0,
        show_default=True,
        help="Most that the cache takes on disk, in GiB; what does not fit is made anew each time.",
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


@contextmanager
def opened_store(
    out: Path, cache: Path | None, *, gigabytes: float, questions: QuestionSet, processes: Processes
) -> Iterator[TensorStore]:
    """Where a run in `out` keeps vision features and the reference's log-probs: in `cache`, for good, or in
    `out` until it is finished, so that a kill loses none. Without `cache`, restricted data's stay in memory.
    """
    from zoo.vlm.store import TensorStore

    own = out / "cache"
    folder = cache or (None if questions.restricted else own)
    if folder is None:
        click.echo(
            f"{questions.name}/{questions.split} is not to be passed on, so what is made of its pictures "
            "stays in memory alone, and a run that is killed makes it anew; --cache DIR keeps it on disk",
            err=True,
        )
    store = TensorStore(folder, disk_bytes=int(gigabytes * 2**30))
    try:
        yield store
    except BaseException:
        with suppress(OSError):  # gone only where nothing was begun
            own.rmdir()
            out.rmdir()
        raise
    if folder == own:
        processes.by_main(lambda: shutil.rmtree(own))
