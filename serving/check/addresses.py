"""Addresses among the settings: what is none, and how one is shown."""

import re
from urllib.parse import urlsplit


def is_address(written: str) -> bool:
    """Whether this is an address of http or https, without a query."""
    try:
        parts = urlsplit(written)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return valid and not (parts.query or parts.fragment)


def without_password(address: str) -> str:
    """The same, with stars where a password stands."""
    address = re.sub(r"(?i)(password=)[^&]*", r"\1***", address)
    return re.sub(r"(?<=://)[^/?#]*@", "***@", address)
