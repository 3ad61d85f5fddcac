"""`medzoo stand-in`: a random checkpoint of a base's architecture. Knows the command line alone."""

from pathlib import Path

import click


@click.command()
@click.argument("name")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder to write it to; new or empty.",
)
@click.option(
    "--true-size",
    is_flag=True,
    help="As many layers and parameters as the base has: gigabytes. Without it some megabytes.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the weights.")
def stand_in(name: str, out: Path, true_size: bool, seed: int) -> None:
    """Write a checkpoint of a base's exact architecture with random weights.

    To try the whole chain, or to measure speed and memory, before the real weights are here. What it says
    means nothing.
    """
    try:
        from zoo.vlm.builders.stand_in import build_stand_in
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{error.name} is not installed\n  next: pip install 'medvlm-zoo[model]'"
        ) from error
    from zoo.bases import known_base

    base = known_base(name)
    build_stand_in(base, out, true_size=true_size, seed=seed)
    click.echo(f"{out}: RANDOM WEIGHTS in the architecture of {base.name}; what they say means nothing")
    size = "" if true_size else " --any-size"
    click.echo(f"  next: medzoo bases {base.name} --at {out}{size}")
