"""`medzoo keys`: the keys by which a server's clients are known."""

from pathlib import Path

import click

_file = click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="MEDZOO_KEYS_FILE",
    help="File of keys.  [default: MEDZOO_KEYS_FILE]",
)


@click.group()
def keys() -> None:
    """Make, list and take back the keys of a server.

    Only salted hashes are kept. A running server sees at its next request what changed in its file.
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
@_file
def new(name: str, role: str, path: Path | None) -> None:
    """Make a key and print it, once. NAME stands in logs, so it is no person's.

    Without a file the line to store is printed too.
    """
    from serving.defence.keys import ROLES, add_key, new_key

    token, key = new_key(name, next(one for one in ROLES if one == role))
    if path is None:
        click.echo(f"put this line into a file that MEDZOO_KEYS_FILE names, with mode 600:\n{key}", err=True)
    else:
        add_key(path, key)
        click.echo(f"stored the hash of {name} in {path}; this is the key, shown once:", err=True)
    click.echo(token)


@keys.command()
@_file
def ls(path: Path | None) -> None:
    """List the names of the keys and their roles."""
    from serving.defence.keys import read_keys

    for key in read_keys(_named(path)):
        click.echo(f"{key.name}\t{key.role}")


@keys.command()
@click.argument("name")
@_file
def rm(name: str, path: Path | None) -> None:
    """Take a key back."""
    from serving.defence.keys import remove_key

    remove_key(_named(path), name)
    click.echo(f"took {name} back", err=True)


def _named(path: Path | None) -> Path:
    from zoo.errors import BadInput

    if path is None:
        raise BadInput("no file of keys is named", hint="give --file FILE or set MEDZOO_KEYS_FILE")
    return path
