"""`medzoo hub token`: the tokens by which an embedded Hub knows its users."""

from pathlib import Path

import click

_file = click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="File of tokens, for `medzoo hub serve --tokens`.",
)


@click.group()
def token() -> None:
    """Make, list and take back the tokens of a Hub's users.

    Only salted hashes are kept. A running Hub sees at its next request what changed in its file.
    """


@token.command()
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["read", "write", "admin"]),
    default="read",
    show_default=True,
    help="read reads, write also makes repositories and commits to them in its namespaces, admin does all.",
)
@click.option(
    "--namespace",
    "namespaces",
    multiple=True,
    help="A namespace beside NAME whose private and gated repositories the user sees, and writes to if its "
    "role is write; can be repeated.",
)
@_file
def new(name: str, role: str, namespaces: tuple[str, ...], path: Path) -> None:
    """Make a token for NAME and print it, once. NAME stands in commits and in the audit log."""
    from zoo.localhub.users import ROLES, add_user, new_user

    shown, user = new_user(name, next(one for one in ROLES if one == role), namespaces)
    add_user(path, user)
    click.echo(f"stored the hash of {name}'s token in {path}; this is the token, shown once:", err=True)
    click.echo(shown)


@token.command()
@_file
def ls(path: Path) -> None:
    """List the users with their roles and namespaces."""
    from zoo.localhub.users import read_users

    for user in read_users(path):
        click.echo("\t".join([user.name, user.role, *user.namespaces]))


@token.command()
@click.argument("name")
@_file
def rm(name: str, path: Path) -> None:
    """Take a token back; what NAME wrote stays."""
    from zoo.localhub.users import remove_user

    remove_user(path, name)
    click.echo(f"took {name}'s token back", err=True)
