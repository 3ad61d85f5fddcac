"""`medzoo pull`: bring one adapter to this machine and check that it is whole."""

import os
import shutil
from pathlib import Path

import click


@click.command()
@click.argument("adapter", metavar="REPO[@REVISION]")
@click.option(
    "--to",
    type=click.Path(file_okay=False, path_type=Path),
    help="A new or empty folder to put the files in.  [default: the cache of huggingface_hub]",
)
@click.option("--hub", help="Address of the Hub.  [default: HF_ENDPOINT or https://huggingface.co]")
def pull(adapter: str, to: Path | None, hub: str | None) -> None:
    """Fetch an adapter from a Hub and compare its weights with the sha256 in its zoo.json.

    The revision is a branch, a tag or a commit; it is main if none is given. Prints the folder, the
    commit and the digest of the weights.
    """
    from zoo.catalog import verified
    from zoo.errors import BadInput
    from zoo.hub import fetch, parse_ref

    ref = parse_ref(adapter)
    if to is not None and to.exists() and any(to.iterdir()):
        raise BadInput(f"{to} is not empty", hint="give --to a new or empty folder")
    folder, sha = fetch(ref.repo, ref.revision, endpoint=hub)
    manifest = verified(folder)
    if to is not None:
        _copy(folder, to)
        folder = to
    click.echo(f"folder  {folder}")
    click.echo(f"adapter {ref.repo}@{sha}")
    click.echo(f"what    {manifest.identity}")
    click.echo(f"sha256  {manifest.weights_sha256}")


def _copy(folder: Path, to: Path) -> None:
    """Copy the adapter's files, not the cache's links to them; all of them or, if it fails, none."""
    from zoo.hub import files_of

    part = to.with_name(f"{to.name}.{os.getpid()}.part")
    try:
        for name in files_of(folder):
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, part / name)
        os.replace(part, to)
    finally:
        shutil.rmtree(part, ignore_errors=True)
