"""`medzoo ratings`: what raters said, taken out of the database as files, a data set or pairs to train on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from serving.annotations.desk import Desk

KINDS = ("ratings.csv", "ratings.jsonl", "dataset.zip", "pairs.zip")
WHO = "command line"
"""By which the log of acts names whoever types here."""
_annotations = click.option(
    "--annotations",
    "where",
    envvar="MEDZOO_ANNOTATIONS",
    metavar="FILE|URL",
    help="The ratings' database.  [default: MEDZOO_ANNOTATIONS]",
)


@click.group()
def ratings() -> None:
    """List what raters rated, take it out as files, and publish it.

    This reads the database itself, beside a server or without one. Raters go by pseudonyms; work lists are
    made and rated on a server's pages.
    """


@ratings.command()
@_annotations
def ls(where: str | None) -> None:
    """List the work lists: id, state, rated and assigned cases, title."""
    with _desk(where) as desk:
        for one in desk.lists.all():
            told = desk.lists.progress(one.id)
            done, assigned = sum(p.done for p in told), sum(p.assigned for p in told)
            click.echo(f"{one.id}\t{one.state}\t{done}/{assigned}\t{one.title}")


@ratings.command()
@click.argument("work_lists", metavar="LIST...", nargs=-1, required=True)
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What to make.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="The file to write; of a .zip kind without that ending a folder with the same files.",
)
@click.option("--images", is_flag=True, help="dataset.zip: with the pictures. This is your permission.")
@click.option(
    "--comments", is_flag=True, help="With raters' own words, which can name people; not for pairs."
)
@click.option("--reference", is_flag=True, help="pairs.zip: also the true answer over the worst one.")
@click.option("--weights", metavar="NONE,MINOR,SEVERE", help="pairs.zip: weights by the rejected's severity.")
@_annotations
def export(
    work_lists: tuple[str, ...],
    kind: str,
    out: Path,
    images: bool,
    comments: bool,
    reference: bool,
    weights: str | None,
    where: str | None,
) -> None:
    """Take the ratings of LIST out: as a table, as records, as a data set with a card, or as pairs to train.

    Only what was said blind and finished is taken. Ratings as a table or records can be of several lists, of
    one base and with the same weights by each name; `medzoo agreement` says what they come to together.
    pairs.zip always holds its pictures: it is for your own machine.
    """
    from serving.annotations.export import KINDS as kinds
    from serving.annotations.export import export_files, parse_weights, write_files, zipped
    from zoo.cli._out import check_out

    as_folder = kind.endswith(".zip") and out.suffix != ".zip"
    check_out(out, file=not as_folder)
    with _desk(where) as desk:
        files = export_files(
            desk,
            work_lists[0],
            next(one for one in kinds if one == kind),
            also=work_lists[1:],
            images=images,
            comments=comments,
            reference=reference,
            scale=parse_weights(weights),
        )
        for one in dict.fromkeys(work_lists):
            desk.acts.add(WHO, f"exported {kind}", one)
    if as_folder:
        write_files(out, files)
    else:
        out.write_bytes(zipped(files) if kind.endswith(".zip") else files[kind])
    click.echo(f"wrote {out}")
    if kind == "pairs.zip":
        if not as_folder:
            click.echo(f"  next: unzip {out} -d FOLDER")
        folder = out if as_folder else "FOLDER"
        click.echo(f"  next: medzoo train rated_dpo --dataset rated --data-dir {folder} --out adapter")


@ratings.command()
@click.argument("work_list", metavar="LIST")
@click.argument("repo", metavar="OWNER/NAME")
@click.option("--private/--public", default=True, show_default=True, help="Who may see a repo that is new.")
@click.option("--images", is_flag=True, help="With the pictures. This is your permission.")
@click.option(
    "--licence", "license", default="", help="Under which you may pass on what the zoo does not know."
)
@click.option("--hub", help="Address of the Hub.  [default: HF_ENDPOINT or https://huggingface.co]")
@_annotations
def publish(
    work_list: str, repo: str, private: bool, images: bool, license: str, hub: str | None, where: str | None
) -> None:
    """Publish the ratings of LIST as the data set OWNER/NAME, with its card, in one commit."""
    from serving.annotations.publishing import publish_ratings

    with _desk(where) as desk:
        done = publish_ratings(
            desk, work_list, repo, private=private, images=images, license=license, endpoint=hub
        )
        desk.acts.add(WHO, "published", f"{work_list} {repo}")
    click.echo(f"published {done.repo}@{done.sha}")
    click.echo(f"  {done.url}")
    click.echo(f"  version    {done.tag}")


@contextmanager
def _desk(where: str | None) -> Iterator[Desk]:
    from serving.annotations.desk import Desk
    from serving.annotations.opening import check_there
    from zoo.errors import BadInput

    if where is None:
        raise BadInput("no ratings' database is named", hint="give --annotations or set MEDZOO_ANNOTATIONS")
    check_there(where)
    desk = Desk(where)
    try:
        yield desk
    finally:
        desk.close()
