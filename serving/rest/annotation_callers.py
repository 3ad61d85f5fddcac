"""Who asks for work lists and ratings, and whether they may. Who they are, what stands before the routes has
found out."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from serving.annotations.records import AccountRole
from zoo.errors import NoKey, NotAllowed


@dataclass(frozen=True, kw_only=True)
class Person:
    """Someone who has signed in, or a program that bears a key."""

    name: str
    role: str
    """read, annotate or admin."""
    account: bool
    """False: a key."""
    way: str
    """session, proxy, key or machine."""

    @property
    def is_administrator(self) -> bool:
        """Whether work lists are theirs to make and close."""
        return self.role == "admin"

    @property
    def called(self) -> AccountRole:
        """The role by its name among people."""
        return "administrator" if self.is_administrator else "rater"


def anyone(request: Request) -> Person:
    """Whoever was let in.

    Raises:
        NoKey: nothing says who it is.
    """
    state = request.state
    role = getattr(state, "role", None)
    if role is None:
        raise NoKey("nobody is signed in", hint="sign in at /sign-in, or send a key")
    account, way = bool(getattr(state, "account", False)), getattr(state, "way", "")
    return Person(name=state.client, role=role, account=account, way=way)


def reader(person: Annotated[Person, Depends(anyone)]) -> Person:
    """One who may see work lists: their own, or all.

    Raises:
        NotAllowed: the role is too small.
    """
    if person.role == "read":
        raise NotAllowed("a key of the role read sees no work lists", hint="ask the operator for another")
    return person


def rater(person: Annotated[Person, Depends(reader)]) -> Person:
    """One who may rate.

    Raises:
        NotAllowed: a key, which is nobody in particular.
    """
    if not person.account:
        raise NotAllowed(
            "a key cannot rate: a rating is somebody's", hint="sign in by an account (medzoo accounts new)"
        )
    return person


def administrator(person: Annotated[Person, Depends(reader)]) -> Person:
    """One who may make and close work lists.

    Raises:
        NotAllowed: somebody else.
    """
    if not person.is_administrator:
        raise NotAllowed("this is an administrator's to do", hint="ask one")
    return person


Anyone = Annotated[Person, Depends(anyone)]
Reader = Annotated[Person, Depends(reader)]
Rater = Annotated[Person, Depends(rater)]
Administrator = Annotated[Person, Depends(administrator)]
