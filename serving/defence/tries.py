"""How often a password may be tried: doubling waits by name and address together, by address, and by name.

Nobody is locked out: one who tries somebody's name from elsewhere costs that person short waits, and none
where they have signed in before. Names that nobody has are counted like others. Pure, with a clock that is
handed in; kept in memory alone.
"""

from collections import OrderedDict
from dataclasses import dataclass

from serving.defence.addresses import network_of

REST_S = 3600.0
"""After so long without a try what was before is forgotten."""
MOST = 10_000
"""Names, addresses and pairs that are remembered, of each."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """After `free` tries each next one waits twice as long as the one before, from `first_s` to `most_s`."""

    free: int
    first_s: float
    most_s: float


BY_PAIR = Patience(free=4, first_s=5, most_s=900)
BY_ADDRESS = Patience(free=50, first_s=1, most_s=60)
"""Many may share one: a ward behind one router."""
BY_NAME = Patience(free=10, first_s=1, most_s=15)
"""A guess every 15 s, from however many addresses."""


Count = tuple[int, float]
"""How many tries, and when the last one was."""


@dataclass(frozen=True)
class Held:
    """What is known of one name and address, to be kept elsewhere."""

    pair: Count = (0, 0.0)
    address: Count = (0, 0.0)
    name: Count = (0, 0.0)
    known: bool = False
    """They have signed in from there."""


class _Counts:
    """Tries by key, the oldest forgotten first."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._tries: OrderedDict[str, Count] = OrderedDict()

    def held(self, key: str) -> Count:
        return self._tries.get(key, (0, 0.0))

    def hold(self, key: str, count: Count) -> None:
        if count[0]:
            self._tries[key] = count

    def wait_s(self, key: str, now: float) -> float:
        count, last = self._get(key, now)
        beyond = count - self._patience.free
        if beyond < 0:
            return 0.0
        wait = min(self._patience.most_s, self._patience.first_s * 2.0 ** min(beyond, 60))
        return max(0.0, last + wait - now)

    def add(self, key: str, now: float) -> None:
        count, _ = self._get(key, now)
        self._tries[key] = (count + 1, now)
        self._tries.move_to_end(key)
        if len(self._tries) > MOST:
            self._tries.popitem(last=False)

    def take_back(self, key: str) -> None:
        count, last = self._tries.get(key, (0, 0.0))
        if count > 1:
            self._tries[key] = (count - 1, last)
        else:
            self._tries.pop(key, None)

    def forget(self, key: str) -> None:
        self._tries.pop(key, None)

    def _get(self, key: str, now: float) -> tuple[int, float]:
        count, last = self._tries.get(key, (0, now))
        return (0, now) if now - last > REST_S else (count, last)


class Tries:
    """The tries of one server; used from one thread."""

    def __init__(self) -> None:
        self._pairs, self._addresses, self._names = map(_Counts, (BY_PAIR, BY_ADDRESS, BY_NAME))
        self._known: OrderedDict[str, None] = OrderedDict()

    @classmethod
    def of(cls, name: str, address: str, held: Held) -> "Tries":
        """Those of one name and address alone."""
        tries, address = cls(), network_of(address)
        tries._pairs.hold(_pair(name, address), held.pair)
        tries._addresses.hold(address, held.address)
        tries._names.hold(name, held.name)
        if held.known:
            tries._known[_pair(name, address)] = None
        return tries

    def held(self, name: str, address: str) -> Held:
        """What is known of them, for `of`."""
        address = network_of(address)
        pair = _pair(name, address)
        return Held(
            self._pairs.held(pair), self._addresses.held(address), self._names.held(name), pair in self._known
        )

    def begin(self, name: str, address: str, *, now: float) -> float:
        """Count a try; 0, or where it comes too soon the seconds to wait, and then it does not count."""
        address = network_of(address)
        pair = _pair(name, address)
        waits = [self._pairs.wait_s(pair, now), self._addresses.wait_s(address, now)]
        if pair not in self._known:
            waits.append(self._names.wait_s(name, now))
        if max(waits) == 0:
            self._pairs.add(pair, now)
            self._addresses.add(address, now)
            self._names.add(name, now)
        return max(waits)

    def won(self, name: str, address: str) -> None:
        """The try that was counted had the right password."""
        address = network_of(address)
        pair = _pair(name, address)
        self._pairs.forget(pair)
        self._addresses.take_back(address)
        self._names.take_back(name)
        self._known[pair] = None
        self._known.move_to_end(pair)
        if len(self._known) > MOST:
            self._known.popitem(last=False)


def _pair(name: str, address: str) -> str:
    return f"{name}\n{address}"
