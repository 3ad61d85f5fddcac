"""`medzoo hub`: a Hub of one's own. Knows the command line alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli.hub_mirror import mirror
from zoo.cli.hub_token import token

if TYPE_CHECKING:
    from zoo.localhub.store import Store


@click.group()
def hub() -> None:
    """Run a Hub of your own: for work without internet, for a ward, for tests, for the demo."""


hub.add_command(token)
hub.add_command(mirror)

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
    help="Address to listen on; beyond this machine's loopback only with --tokens.",
)
@click.option(
    "--lfs",
    is_flag=True,
    help="Ask for large files by LFS, not within the commit: for files of many GB, and for "
    "Dataset.push_to_hub. Every client must then set HF_HUB_DISABLE_XET=1. Off by default.",
)
@click.option(
    "--tokens",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of tokens, made by `medzoo hub token new`; read again when it changes.",
)
@click.option(
    "--public-url",
    default="",
    help="Address under which clients reach it, such as https://hub.ward.example: that of the proxy with "
    "TLS in front. Headers of a proxy are not believed.",
)
@click.option("--hosts", multiple=True, help="One more name by which clients may call it; can be repeated.")
@click.option(
    "--anonymous",
    type=click.Choice(["none", "read"]),
    help="What one without a token may do: nothing, or read what is public.  "
    "[default: none with --tokens, else read]",
)
@click.option(
    "--audit",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that gets a JSON line for every write, every file read of a private or gated repository, and "
    "every denied attempt; of more than 60 by one user and address within a minute the rest in one line with "
    "their number. It can be moved away at any time.",
)
def serve(
    root: Path,
    port: int,
    host: str,
    lfs: bool,
    tokens: Path | None,
    public_url: str,
    hosts: tuple[str, ...],
    anonymous: str | None,
    audit: Path | None,
) -> None:
    """Serve the folder --root as a Hub until Ctrl-C.

    huggingface_hub, transformers and datasets use it by HF_ENDPOINT alone. Without --tokens any token writes
    and no token reads what is public, so it serves this machine alone. With --tokens every user has a role.
    """
    with _installed():
        from zoo.localhub.front import Front
        from zoo.localhub.server import serve as run

    front = Front(
        tokens=tokens,
        public_url=public_url.rstrip("/"),
        hosts=hosts,
        anonymous=None if anonymous is None else anonymous == "read",
        audit=audit,
    )

    def ready(url: str) -> None:
        click.echo(f"embedded Hub at {url}")
        if tokens is None:
            click.echo(f"  use it with: export HF_ENDPOINT={url} HF_TOKEN=local")
        else:
            click.echo(f"  use it with: export HF_ENDPOINT={front.public_url or url} HF_TOKEN=...")
        if tokens is not None and not front.public_url.startswith("https://"):
            click.echo("  tokens travel in the clear: put TLS in front and say --public-url https://NAME")

    run(root, host=host, port=port, lfs=lfs, front=front, ready=ready)


@hub.command()
@_root
@click.option("--deep", is_flag=True, help="Hash the bytes of every large file too.")
def check(root: Path, deep: bool) -> None:
    """Tell whether all in --root is whole, and what to do about what is not.

    Looks at every branch and tag, every git object they lead to, every large file and all settings. No
    server may hold the folder meanwhile.
    """
    with _installed(), _stopped(root) as store:
        from zoo.localhub.check import check as look

        faults = 0
        for fault in look(store, deep=deep):
            click.echo(str(fault))
            faults += 1
        count = len([*store.folders("model"), *store.folders("dataset")])
    if faults:
        raise click.ClickException(f"{faults} faults in {count} repositories")
    click.echo(f"{count} repositories, all is whole")


@hub.command()
@_root
@click.option("--dry-run", is_flag=True, help="Only tell what would go.")
def gc(root: Path, dry_run: bool) -> None:
    """Delete what no branch or tag in --root leads to, and pack the rest.

    Deleting a repository takes away its history at once, but leaves its large files to this. What is
    younger than an hour stays. No server may hold the folder meanwhile.
    """
    with _installed(), _stopped(root) as store:
        from zoo.localhub.gc import collect

        freed = collect(store, dry_run=dry_run)
    click.echo(
        f"{freed.large_files} large files, {freed.large_bytes / 1e6:.1f} MB, and {freed.git_objects} git "
        f"objects {'would go' if dry_run else 'went'}; {freed.packed} {'would be ' if dry_run else ''}packed"
    )


@hub.command()
@click.argument("repo")
@click.option("--hub", "address", help="Address of the Hub.  [default: HF_ENDPOINT, else huggingface.co]")
def ask(repo: str, address: str | None) -> None:
    """Ask for the files of a gated REPO on an embedded Hub; a data set is datasets/OWNER/NAME."""
    from huggingface_hub import get_session
    from huggingface_hub.utils._headers import build_hf_headers
    from huggingface_hub.utils._http import hf_raise_for_status

    from zoo.hub_access import asking, hub_address, hub_api

    place = hub_address(address)
    headers = build_hf_headers(token=hub_api(place, None).token)
    with asking(repo, place):
        answer = get_session().post(f"{place}/{repo}/ask-access", headers=headers)
        hf_raise_for_status(answer)
    click.echo(f"{repo}: {answer.json()['status']}")


@contextmanager
def _installed() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{error.name} is not installed\n  next: pip install 'medvlm-zoo[hub]'"
        ) from error


@contextmanager
def _stopped(root: Path) -> "Iterator[Store]":
    from zoo.localhub.store import Store

    if not root.is_dir():
        raise click.BadParameter(f"no such folder: {root}", param_hint="--root")
    store = Store(root)
    try:
        yield store
    finally:
        store.close()
