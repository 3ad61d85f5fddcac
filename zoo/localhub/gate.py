"""Who asked for a gated repository's files and what came of it: one file in the repository's folder."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from zoo.localhub import jsonfile

Status = Literal["pending", "accepted", "rejected"]
STATUSES: tuple[Status, ...] = get_args(Status)
FILE = "access.json"


@dataclass(frozen=True)
class Asked:
    """One user's request."""

    user: str
    id: str
    status: Status
    time_s: float
    """When it was made, seconds since 1970, UTC."""
    reason: str = ""
    """Why it was rejected, where somebody said so."""


def asked(folder: Path) -> dict[str, Asked]:
    """Every request for the repository in `folder`, by user, in the order in which they came.

    Raises:
        ValueError, TypeError: the file is broken.
    """
    return {user: Asked(**told) for user, told in (jsonfile.read(folder / FILE) or {}).items()}


def accepted(folder: Path, user: str) -> bool:
    """Whether the user may fetch the files."""
    found = asked(folder).get(user)
    return found is not None and found.status == "accepted"


def fresh(user: str, status: Status) -> Asked:
    """A request that is made now."""
    return Asked(user, secrets.token_hex(12), status, time.time())


def put(folder: Path, request: Asked) -> None:
    """Keep a request in place of the user's last; the caller holds the repository's lock."""
    everything: Mapping[str, Asked] = {**asked(folder), request.user: request}
    jsonfile.write(folder / FILE, {user: asdict(one) for user, one in everything.items()})
