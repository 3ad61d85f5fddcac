"""Which hosts and addresses are this machine, and which are the open internet. Resolves no names."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address

_AUTHORITY = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\[\]:@/]*))(?::[0-9]*)?")
_OPEN_V6 = ip_network("2000::/3")
_CLOSED = tuple(
    ip_network(written)
    for written in (
        "192.0.0.0/24",  # protocol assignments (RFC 6890); Python counts some of them as global
        "192.88.99.0/24",  # relays to 6to4 (RFC 7526)
        "168.63.129.16/32",  # a public address by which a cloud answers its own machines
        "2001::/23",  # protocol assignments, Teredo among them (RFC 2928)
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address inside (RFC 3056)
        "3fff::/20",
    )
)


def is_loopback(host: str) -> bool:
    """True for `localhost`, and for a literal address of this machine alone."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return False
    return getattr(address, "ipv4_mapped", None) is None and address.is_loopback


def host_name(written: str) -> str:
    """The host of a Host header or of an origin's authority, without port, brackets and final dot; what is
    no such thing stays as it is written, and so fits no name."""
    parts = _AUTHORITY.fullmatch(written.lower())
    return (parts[1] or parts[2] or "").rstrip(".") if parts else written.lower()


def network_of(host: str) -> str:
    """Who counts as one: an address, of IPv6 a network of 64 bits, as anyone has all of one. What is no
    address stays as it is."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return host if address.version == 4 else address.exploded[:19]


def is_public(address: Address) -> bool:
    """True for an address of the open internet that holds no other address inside.

    False for what is private, shared (RFC 6598), loopback, link-local (where clouds keep their metadata),
    multicast, unspecified, reserved or for documentation, and for IPv4 inside IPv6 in any form: mapped,
    compatible, translated (RFC 6052), 6to4, Teredo, ISATAP.
    """
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, IPv6Address):
        isatap = (int(address) >> 32) & 0xFDFFFFFF == 0x00005EFE  # RFC 5214; the universal bit may be set
        if address not in _OPEN_V6 or isatap or address.scope_id is not None:
            return False
    return not any(address in network for network in _CLOSED if network.version == address.version)
