"""`medzoo publish`: an adapter or a pair set to a Hub, with its card, in one commit."""

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("repo")
@click.option("--hub", "endpoint", help="Hub address. Default: HF_ENDPOINT, else huggingface.co.")
@click.option("--private", is_flag=True, help="Make the repo private.")
@click.option("--tag", help="Tag of the commit, such as v1.")
@click.option("--allow-unevaluated", is_flag=True, help="Publish an adapter that nobody has scored.")
def publish(
    folder: Path, repo: str, endpoint: str | None, private: bool, tag: str | None, allow_unevaluated: bool
) -> None:
    """Publish the adapter or the pair set in FOLDER as REPO (`owner/name`), with its card, in one commit.

    A pair set becomes a data set; one whose licence forbids it is refused.
    """
    from training.pairs.report import REPORT_NAME
    from training.publish import publish as publish_adapter
    from training.publish import publish_pairs

    if (folder / REPORT_NAME).is_file():
        done = publish_pairs(folder, repo, endpoint=endpoint, private=private, tag=tag)
    else:
        done = publish_adapter(
            folder,
            repo,
            endpoint=endpoint,
            private=private,
            tag=tag,
            allow_unevaluated=allow_unevaluated,
        )
    click.echo(f"published {done.pinned}\n  {done.address}")
    for name in done.left_out:
        click.echo(f"  withheld: {name}, whose questions may not be passed on")
