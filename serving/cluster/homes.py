"""Which replicas a question should go to, best first. Knows no Ray."""

from collections.abc import Collection, Mapping, Sequence
from hashlib import blake2b

SPARE = 4
"""Questions more than twice the idlest replica's that a home may have."""


def ranked(
    keys: Sequence[str], under_way: Mapping[str, int], *, among: Collection[str] = (), homes: int = 2
) -> list[str]:
    """Names of the replicas, given how much is under way at each; `keys` are the digests of the adapters.
    Those that are not `among` some, if any are named, come after all that are.

    Each adapter has some homes, by the names of both alone (rendezvous hashing, Thaler and Ravishankar 1998),
    so a replica that comes or goes moves only its own. First come the homes of the most of the adapters, the
    idlest of them first. A home that has twice as much to do as the idlest of all has, and a little, is none.
    """
    at_home = dict.fromkeys(under_way, 0)
    for key in keys:
        for name in sorted(under_way, key=lambda one: _weight(key, one), reverse=True)[:homes]:
            at_home[name] += 1
    most = 2 * min(under_way.values(), default=0) + SPARE

    def rank(name: str) -> tuple[bool, bool, int, int, int]:
        passed_over = bool(among) and name not in among
        weight = _weight(" ".join(keys), name)
        return passed_over, under_way[name] > most, -at_home[name], under_way[name], weight

    return sorted(under_way, key=rank)


def _weight(key: str, name: str) -> int:
    return int.from_bytes(blake2b(f"{key} {name}".encode(), digest_size=8).digest(), "big")
