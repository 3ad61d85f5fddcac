"""`medzoo card`: write an adapter's card from its manifest, or check that it is up to date."""

import sys
from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if the card is stale.")
def card(folder: Path, check: bool) -> None:
    """Write README.md and .eval_results into the adapter in FOLDER, from its zoo.json."""
    from model_cards.card import stale, write_card

    changed = stale(folder) if check else write_card(folder)
    for name in changed:
        click.echo(f"{'stale' if check else 'wrote'} {folder / name}")
    if not changed:
        click.echo(f"the card in {folder} is up to date")
    elif check:
        click.echo(f"next: medzoo card {folder}")
        sys.exit(1)
