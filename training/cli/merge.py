"""`medzoo merge`: a base with an adapter's change added to its weights, as a model of its own."""

from pathlib import Path

import click


@click.command()
@click.argument("adapter")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder to write."
)
@click.option("--hub", help="Hub address of the adapter.  [default: HF_ENDPOINT or https://huggingface.co]")
@click.option(
    "--shard-gb",
    type=click.FloatRange(min=0, min_open=True),
    default=4.0,
    show_default=True,
    help="Most gigabytes of a file of weights.",
)
def merge(adapter: str, out: Path, hub: str | None, shard_gb: float) -> None:
    """Merge ADAPTER, a folder or REPO[@REVISION], into its base: safetensors in OUT, with a card.

    The result needs no PEFT, and is what llama.cpp's converter takes. Memory holds one tensor at a time. A
    run that was killed goes on when it is typed again; one that is finished says so.
    """
    from model_cards.merged import card_files
    from zoo.bases import get_base
    from zoo.catalog import verified
    from zoo.cli._asked import adapter_folders
    from zoo.licences import obliging, redistributable
    from zoo.manifest import TERMS_NAME
    from zoo.vlm.merge import merge as write

    (folder,), (source,) = adapter_folders((adapter,), hub=hub)
    manifest = verified(folder)
    base = get_base(manifest.base.name)
    identity = source or manifest.repo or folder.resolve().name
    done = write(
        base,
        folder,
        manifest,
        out,
        identity=identity,
        texts=card_files(base, manifest, identity=identity, title=out.name),
        max_bytes=round(shard_gb * 1e9),
        say=lambda line: click.echo(line, err=True),
    )
    click.echo(f"{out}: {base.pinned} with {identity}")
    click.echo(f"  {done.layers} layers changed; after rounding {done.changed:.1%} of their weights differ")
    for terms in obliging(manifest.license):
        click.echo(f"  its terms go along with it: save {terms.link} as {out / TERMS_NAME} first")
    if redistributable(manifest.license):
        click.echo(f"  licence {manifest.license}; next: hf upload OWNER/NAME {out}")
    else:
        click.echo(f"  licence {manifest.license}: it holds the base's weights, which are not passed on")
