"""Proxies in front of this server that the operator trusts: to say who asks, from where, and by https.

What a header says counts by the address that the connection comes from, and by nothing in the request.
"""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from starlette.types import Scope

from zoo.errors import BadInput, NotAllowed

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, kw_only=True)
class Proxies:
    """Which addresses are proxies, and the header in which they name who asks."""

    addresses: tuple[Network, ...] = ()
    user_header: str = ""
    """In small letters; empty: they name nobody."""

    def trusted(self, scope: Scope) -> bool:
        """True where the connection comes from a proxy."""
        client = scope.get("client")
        try:
            address = ip_address(client[0]) if client else None
        except ValueError:  # a name, as tests have
            return False
        mapped = getattr(address, "ipv4_mapped", None) or address
        return mapped is not None and any(mapped in network for network in self.addresses)

    def user(self, scope: Scope) -> str:
        """Whom a proxy names; empty where none does.

        Raises:
            NotAllowed: the header comes from somewhere else, or is there twice.
        """
        said = _values(scope, self.user_header) if self.user_header else []
        if not said:
            return ""
        if not self.trusted(scope):
            raise NotAllowed(
                f"the header {self.user_header} comes from no proxy of this server",
                hint="the operator sets MEDZOO_PROXY_ADDRESSES",
            )
        if len(said) > 1:
            raise NotAllowed(
                f"the header {self.user_header} is there more than once",
                hint="the proxy has to replace the one that a client sends",
            )
        return said[0].strip().lower()

    def secure(self, scope: Scope) -> bool:
        """True where the browser came by https, as far as is known."""
        if scope.get("scheme") == "https":
            return True
        return self.trusted(scope) and _values(scope, "x-forwarded-proto") == ["https"]

    def address(self, scope: Scope) -> str:
        """Where the browser is, for counting: what a proxy added last, else the connection's address."""
        forwarded = _values(scope, "x-forwarded-for") if self.trusted(scope) else []
        client = scope.get("client")
        return forwarded[-1].rpartition(",")[2].strip() if forwarded else client[0] if client else ""


def read_addresses(written: tuple[str, ...]) -> tuple[Network, ...]:
    """Addresses and networks such as 10.1.2.3 and 10.1.2.0/24.

    Raises:
        BadInput: one is neither.
    """
    found = []
    for one in written:
        try:
            found.append(ip_network(one))
        except ValueError:
            raise BadInput(
                f"proxy_addresses has {one!r}, which is no address", hint="10.1.2.3, or 10.1.2.0/24"
            ) from None
    return tuple(found)


def _values(scope: Scope, name: str) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name.encode()]
