"""`medzoo publish`: an adapter or a pair set to a Hub, with its card, in one commit."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from training.publish import Preview, Published

WITHHELD = ": its questions may not be passed on, or no score rests on it"


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("repo")
@click.option("--hub", "endpoint", help="Hub address.  [default: HF_ENDPOINT or https://huggingface.co]")
@click.option("--private", is_flag=True, help="Create the repo as a private one; refused if it is public.")
@click.option(
    "--gated",
    type=click.Choice(["auto", "manual"]),
    help="Open the files only to those who ask: at once (auto), or when an owner grants it (manual).",
)
@click.option("--tag", help="Tag of the commit.  [default: the next of v1, v2 ...]")
@click.option("--dry-run", is_flag=True, help="Say exactly what would go up, and change nothing.")
@click.option("--allow-unevaluated", is_flag=True, help="Publish an adapter that nobody has scored.")
@click.option("--without-sft", is_flag=True, help="Publish a variant that was not scored beside SFT.")
def publish(
    folder: Path, repo: str, allow_unevaluated: bool, without_sft: bool, dry_run: bool, **where: Any
) -> None:
    """Publish the adapter or the pair set in FOLDER as REPO (`owner/name`), with its card, in one commit.

    An adapter is tagged with its version and put into the collection of its base. What its repo holds already
    is not published again. If the connection breaks, the same command goes on from there. A pair set becomes
    a data set. What a licence forbids is refused, and answers that quote questions which may not be passed on
    stay here.
    """
    from training import publish as publishing
    from training.pairs.report import REPORT_NAME

    if (folder / REPORT_NAME).is_file():
        if dry_run:
            _say_preview(publishing.preview_pairs(folder, repo, **where))
        else:
            _say_published(publishing.publish_pairs(folder, repo, **where))
        return
    where |= {"allow_unevaluated": allow_unevaluated, "without_sft": without_sft}
    if dry_run:
        _say_preview(publishing.preview(folder, repo, **where))
    else:
        _say_published(publishing.publish(folder, repo, **where))


def _say_published(done: "Published") -> None:
    if done.pushed:
        click.echo(f"published {done.pinned}")
    else:
        click.echo(f"nothing to publish: {done.pinned} holds exactly this")
    click.echo(f"  {done.address}")
    click.echo(f"  version    {done.tag}")
    if done.collection:
        click.echo(f"  collection {done.collection}")
    for name in done.left_out:
        click.echo(f"  withheld   {name}{WITHHELD}")
    if done.note:
        click.echo(f"  note       {done.note}")


def _say_preview(found: "Preview") -> None:
    from zoo.hub_access import shown

    plan, collection = found.plan, found.collection
    click.echo(f"would publish to {plan.repo} on {shown(plan.address)}; nothing was changed")
    click.echo(f"  repo       {f'at {plan.head}' if plan.head else 'is to be created'}")
    gate = f", gated ({plan.gated})" if plan.gated else ""
    click.echo(f"  open to    {'its owners: private' if plan.private else 'all: public'}{gate}")
    if plan.is_done:
        click.echo("  commit     none: the repo holds exactly this")
    else:
        click.echo(f"  commit     {plan.message}")
    click.echo(f"  version    {plan.tag}")
    if collection is not None:
        state = "the Hub has no collections"
        if collection.supported:
            state = "is in it" if collection.holds else "to be added"
            state += "" if collection.slug else ", which is to be created"
        click.echo(f"  collection {collection.title}: {state}")
    for one in plan.files:
        click.echo(f"  {one.change:<10} {one.name}  {one.size} bytes  sha256 {one.sha256}")
    for name in plan.deleted:
        click.echo(f"  {'deleted':<10} {name}")
    for name in plan.withheld:
        click.echo(f"  {'withheld':<10} {name}{WITHHELD}")
    if found.note:
        click.echo(f"  note       {found.note}")
