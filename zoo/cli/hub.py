"""`medzoo hub`: a Hub of one's own on this machine. Knows the command line alone."""

from pathlib import Path

import click


@click.group()
def hub() -> None:
    """Run a Hub on this machine: for work without internet, for tests, for the demo."""


_root = click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder that holds the Hub's repositories; `serve` makes it if it is not there.",
)


@hub.command()
@_root
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="Port; 0 takes a free one."
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address of this machine's loopback; any other is refused, because any token may write.",
)
@click.option(
    "--lfs",
    is_flag=True,
    help="Ask for large files by LFS, not within the commit: for files of many GB, and for "
    "Dataset.push_to_hub. Every client must then set HF_HUB_DISABLE_XET=1. Off by default.",
)
def serve(root: Path, port: int, host: str, lfs: bool) -> None:
    """Serve the folder --root as a Hub until Ctrl-C.

    huggingface_hub, transformers and datasets use it by HF_ENDPOINT alone. Any token writes, no token
    reads what is public.
    """
    try:
        from zoo.localhub.server import serve as run
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{error.name} is not installed\n  next: pip install 'medvlm-zoo[hub]'"
        ) from error

    def ready(url: str) -> None:
        click.echo(f"embedded Hub at {url}")
        click.echo(f"  use it with: export HF_ENDPOINT={url} HF_TOKEN=local")

    run(root, host=host, port=port, lfs=lfs, ready=ready)


@hub.command()
@_root
def prune(root: Path) -> None:
    """Delete the large files in --root that no repository points to any more.

    Deleting a repository takes away its history at once, but leaves its large files to this. Files
    younger than an hour stay. No server may hold the folder meanwhile.
    """
    from zoo.localhub.store import Store

    if not root.is_dir():
        raise click.BadParameter(f"no such folder: {root}", param_hint="--root")
    store = Store(root)
    try:
        count, freed_bytes = store.prune()
    finally:
        store.close()
    click.echo(f"{count} large files deleted, {freed_bytes / 1e6:.1f} MB")
