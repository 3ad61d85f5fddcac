"""`medzoo accounts`: who may sign in, and what was done."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from serving.annotations.desk import Desk

WHO = "command line"
"""By which the log of acts names whoever can open the database."""

_where = click.option(
    "--annotations",
    "where",
    envvar="MEDZOO_ANNOTATIONS",
    metavar="FILE|URL",
    help="Where accounts and ratings are kept: a file, or postgresql://...  [default: MEDZOO_ANNOTATIONS]",
)


@click.group()
def accounts() -> None:
    """Make, list and close the accounts by which people sign in.

    Of a password its Argon2 hash alone is kept. A running server sees within seconds what changed.
    """


@accounts.command()
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["rater", "administrator"]),
    default="rater",
    show_default=True,
    help="A rater compares and rates; an administrator also makes work lists, sees results and exports.",
)
@_where
def new(name: str, role: str, where: str | None) -> None:
    """Make an account. The password is asked for, or read from standard input where that is no terminal."""
    from serving.annotations.accounts import ROLES

    with _desk(where, made=True) as desk:
        desk.accounts.add(name, next(one for one in ROLES if one == role), _password())
        desk.acts.add(WHO, "account made", name)
    click.echo(f"{name} may sign in as {role}", err=True)


@accounts.command()
@click.argument("name")
@_where
def password(name: str, where: str | None) -> None:
    """Give an account another password and end its sessions; one that was closed is open again."""
    with _desk(where) as desk:
        desk.accounts.get(name)
        desk.accounts.set_password(name, _password())
        desk.acts.add(WHO, "password changed", name)
    click.echo(f"{name} has another password", err=True)


@accounts.command()
@click.argument("name")
@_where
def close(name: str, where: str | None) -> None:
    """Let nobody sign in by this name any more and end its sessions. Its ratings stay."""
    with _desk(where) as desk:
        desk.accounts.close(name)
        desk.acts.add(WHO, "account closed", name)
    click.echo(f"closed {name}", err=True)


@accounts.command()
@_where
def ls(where: str | None) -> None:
    """List names, roles and states."""
    with _desk(where) as desk:
        for one in desk.accounts.all():
            click.echo(f"{one.name}\t{one.role}\t{f'closed {one.closed_at}' if one.closed_at else 'open'}")


@accounts.command()
@_where
def log(where: str | None) -> None:
    """Print who did what, oldest first: time, who, act, to what."""
    with _desk(where) as desk:
        for act in desk.acts.all():
            click.echo("\t".join((act.made_at, act.who, act.act, act.what)))


@contextmanager
def _desk(where: str | None, *, made: bool = False) -> Iterator["Desk"]:
    """The database, which must be there unless it may be `made`: a mistyped name is no new, empty one."""
    from serving.annotations.desk import Desk
    from serving.annotations.opening import check_there
    from zoo.errors import BadInput

    if not where:
        raise BadInput(
            "it is not said where the accounts are", hint="give --annotations FILE or set MEDZOO_ANNOTATIONS"
        )
    if not made:
        check_there(where)
    desk = Desk(where)
    try:
        yield desk
    finally:
        desk.close()


def _password() -> str:
    if sys.stdin.isatty():
        typed: str = click.prompt("password", hide_input=True, confirmation_prompt=True)
        return typed
    return sys.stdin.readline().rstrip("\r\n")
