"""Who may do what: a caller, and what it may see, fetch, write and rule. Knows no HTTP and no storage.

A namespace's members are the user of that name, those whose line in the file of tokens names it, and admins.
"""

from dataclasses import dataclass

from zoo.localhub.users import Role, User


@dataclass(frozen=True)
class Caller:
    """Whoever sent a request; without a role, nobody that is known."""

    name: str = ""
    role: Role | None = None
    namespaces: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether it sent a token that is good here."""
        return self.role is not None

    def belongs_to(self, namespace: str) -> bool:
        """Whether it sees what is private there and fetches what is gated."""
        return self.role == "admin" or (self.known and namespace in (self.name, *self.namespaces))

    def writes_to(self, namespace: str) -> bool:
        """Whether it makes repositories there and commits to them."""
        return self.role == "admin" or (self.role == "write" and self.belongs_to(namespace))

    def rules(self, namespace: str) -> bool:
        """Whether it deletes, moves and opens repositories there, and lets others fetch what is gated."""
        return self.role == "admin" or (self.role == "write" and namespace == self.name)


NOBODY = Caller()
LOCAL = Caller("local", "admin")
"""Every token's owner on a Hub without a file of tokens, which this machine alone can reach."""


def caller_of(user: User) -> Caller:
    """The caller that a line of the file of tokens describes."""
    return Caller(user.name, user.role, user.namespaces)
