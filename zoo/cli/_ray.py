"""`--ray` and `--workers`: a large set by several processes. Knows no Ray and no verb."""

import re

import click

from zoo.cli._base import Command, with_options
from zoo.errors import BadInput

_OPTIONS = (
    click.option(
        "--ray",
        is_flag=False,
        flag_value="local",
        metavar="[ADDRESS]",
        help="In shards, as a job of Ray Data: by workers in a cluster of this machine that ends with the "
        "command, or in the one at ADDRESS: HOST:PORT or auto. The result is that of one process.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        help="Processes of --ray, each with the base in memory.  [default: one a GPU; 2 without]",
    ),
)


def ray_options(command: Command) -> Command:
    """`--ray` and `--workers`."""
    return with_options(command, _OPTIONS)


def check_ray(address: str | None, workers: int | None) -> None:
    """See that `--ray` and `--workers` can be meant so.

    Raises:
        BadInput: `--workers` without `--ray`, or an address that is none, such as a folder's name.
    """
    if address is None:
        if workers is not None:
            raise BadInput(f"--workers {workers} without --ray, which alone has workers", hint="--ray")
    elif address not in ("local", "auto") and not re.fullmatch(r"[^\s/]+:\d+", address):
        raise BadInput(
            f"--ray {address}: neither HOST:PORT, auto nor local",
            hint="--ray local, where a word follows that is not its address",
        )
