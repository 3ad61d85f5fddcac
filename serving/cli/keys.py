"""`medzoo keys`: the keys by which a server's clients are known."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from serving.shared.store import Store

Command = TypeVar("Command", bound=Callable[..., Any])


def _where(command: Command) -> Command:
    """The options that say where the keys are."""
    file = click.option(
        "--file",
        "path",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="MEDZOO_KEYS_FILE",
        help="File of keys.  [default: MEDZOO_KEYS_FILE]",
    )
    shared = click.option(
        "--shared",
        metavar="FILE|URL",
        envvar="MEDZOO_SHARED",
        help="Database of servers that share their keys.  [default: MEDZOO_SHARED]",
    )
    return file(shared(command))


@click.group()
def keys() -> None:
    """Make, list and take back the keys of a server.

    Only salted hashes are kept. A running server sees at its next request what changed in its file, or in
    the database that it shares with others.
    """


@keys.command()
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["read", "annotate", "admin"]),
    default="read",
    show_default=True,
    help="read asks and looks, annotate also rates answers, admin also loads and unloads adapters.",
)
@_where
def new(name: str, role: str, path: Path | None, shared: str | None) -> None:
    """Make a key and print it, once. NAME stands in logs, so it is no person's.

    Without a file or a database the line to store is printed too.
    """
    from serving.defence.keys import ROLES, add_key, new_key

    token, key = new_key(name, next(one for one in ROLES if one == role))
    if shared is not None:
        from serving.shared.key_table import add_key as add_shared

        with _store(path, shared) as store:
            add_shared(store, key)
        click.echo(
            f"stored the hash of {name} in the shared database; this is the key, shown once:", err=True
        )
    elif path is None:
        click.echo(f"put this line into a file that MEDZOO_KEYS_FILE names, with mode 600:\n{key}", err=True)
    else:
        add_key(path, key)
        click.echo(f"stored the hash of {name} in {path}; this is the key, shown once:", err=True)
    click.echo(token)


@keys.command()
@_where
def ls(path: Path | None, shared: str | None) -> None:
    """List the names of the keys and their roles."""
    from serving.defence.keys import read_keys

    if shared is not None:
        from serving.shared.key_table import read_keys as read_shared

        with _store(path, shared) as store, store.read() as connection:
            found = read_shared(connection)
    else:
        found = read_keys(_named(path))
    for key in found:
        click.echo(f"{key.name}\t{key.role}")


@keys.command()
@click.argument("name")
@_where
def rm(name: str, path: Path | None, shared: str | None) -> None:
    """Take a key back."""
    from serving.defence.keys import remove_key

    if shared is not None:
        from serving.shared.key_table import remove_key as remove_shared

        with _store(path, shared) as store:
            remove_shared(store, name)
    else:
        remove_key(_named(path), name)
    click.echo(f"took {name} back", err=True)


@contextmanager
def _store(path: Path | None, shared: str) -> "Iterator[Store]":
    """The database, opened; SQLite's file is made where there is none."""
    from serving.shared.store import Store
    from zoo.errors import BadInput

    if path is not None:
        raise BadInput(
            "a file of keys and a shared database are both named",
            hint="give one: --file (MEDZOO_KEYS_FILE) or --shared (MEDZOO_SHARED)",
        )
    store = Store(shared)
    try:
        yield store
    finally:
        store.close()


def _named(path: Path | None) -> Path:
    from zoo.errors import BadInput

    if path is None:
        raise BadInput(
            "no file of keys is named",
            hint="give --file FILE or set MEDZOO_KEYS_FILE; where servers share them, MEDZOO_SHARED",
        )
    return path
