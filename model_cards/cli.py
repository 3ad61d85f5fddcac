"""`medzoo card`: write cards or check them. `medzoo verify`: whether an adapter is what its card says."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli._checks import tell

if TYPE_CHECKING:
    from model_cards.repo import Repo

_HUB = click.option("--hub", help="Address of the Hub.  [default: HF_ENDPOINT or https://huggingface.co]")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print every check as JSON.")


@click.command()
@click.argument("adapter", metavar="FOLDER|REPO[@REVISION]", required=False)
@click.option("--check", is_flag=True, help="Write nothing; list the card's faults, and exit with 1 if any.")
@click.option("--overview", is_flag=True, help="The card of the whole zoo: one table of a Hub's adapters.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="With --overview: the file to write.  [default: the terminal]",
)
@_HUB
@_JSON
def card(
    adapter: str | None, check: bool, overview: bool, out: Path | None, hub: str | None, as_json: bool
) -> None:
    """Write the card of an adapter: README.md and .eval_results in FOLDER, from its zoo.json and answers.

    With --check an existing card is looked at, of a folder or of a repo on a Hub, ours or anybody's: numbers
    without evidence, a missing base revision, a licence wider than allowed, files that are not those that
    were scored.
    """
    if overview:
        if adapter is not None or check:
            raise click.UsageError("--overview is of a whole Hub: give neither an adapter nor --check")
        _overview(hub, out)
    elif adapter is None:
        raise click.UsageError("give a FOLDER, or a REPO with --check, or --overview")
    elif out is not None:
        raise click.UsageError("--out goes with --overview; a card is written into its adapter's folder")
    elif check:
        from model_cards.check import check as every_check

        repo = _found(adapter, hub)
        tell("adapter", repo.name, every_check(repo), as_json=as_json)
    elif not Path(adapter).is_dir():
        raise click.UsageError(f"{adapter} is no folder, and a card is written into one; or add --check")
    else:
        from model_cards.card import write_card

        written = write_card(Path(adapter))
        for name in written:
            click.echo(f"wrote {Path(adapter) / name}")
        if not written:
            click.echo(f"the card in {adapter} is up to date")


@click.command()
@click.argument("adapter", metavar="REPO[@REVISION]|FOLDER")
@_HUB
@_JSON
def verify(adapter: str, hub: str | None, as_json: bool) -> None:
    """Check that an adapter is what its card says, and exit with 1 if it is not.

    The weights' digest, the base's revision, the licence, the card's every number, and each score made again
    from the stored answers. Answers that may not be published are `withheld`. No model is needed.
    """
    from model_cards.verify import verify as every_check

    repo = _found(adapter, hub)
    tell("adapter", repo.name, every_check(repo), as_json=as_json)


def _found(adapter: str, hub: str | None) -> "Repo":
    from model_cards.found import found

    return found(adapter, endpoint=hub)


def _overview(hub: str | None, out: Path | None) -> None:
    from model_cards.overview import render
    from zoo.catalog import adapters
    from zoo.hub import hub_address, shown

    text = render(adapters(endpoint=hub), hub=shown(hub_address(hub)))
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
        click.echo(f"wrote {out}")
