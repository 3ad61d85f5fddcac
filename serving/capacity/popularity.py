"""Which adapters are asked how often, on which replica, and how often an asked one is still in its slot.

Knows rates and places, no times of a model and no queue.
"""

import numpy as np
import numpy.typing as npt

from serving.capacity.given import Routing

Floats = npt.NDArray[np.float64]
_HALVINGS = 60
"""Of an interval that a time is looked for in."""
_HOMES = 2
"""Of a popular adapter, for each replica that its questions keep busy: with one, a third of the replicas
would be no popular adapter's home."""
_ROUNDS = 30
_LEAST = 1e-6
"""Of the mean load, what a replica is taken to have that has none."""


def zipf(adapters: int, exponent: float) -> Floats:
    """(adapters,): the share of questions that name each first, the most popular first."""
    weights = np.arange(1, adapters + 1, dtype=np.float64) ** -exponent
    return np.asarray(weights / weights.sum())


def characteristic_time(rates: Floats, places: int) -> float:
    """How long an entry that nobody asks for stays among the `places` used last: the T at which the mean
    number of different ones asked within T is `places` (Che, Tung and Wang 2002, eq. 4); inf if all fit.

    `rates` are asks a second of independent Poisson streams.
    """
    asked = rates[rates > 0]
    if len(asked) <= places:
        return np.inf
    if places <= 0:
        return 0.0
    high = 1.0 / float(asked.max())
    while -np.expm1(-asked * high).sum() < places:
        high *= 2
    low = 0.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if -np.expm1(-asked * middle).sum() < places else (low, middle)
    return high


def hits(rates: Floats, places: int) -> Floats:
    """The probability that each is among the `places` used last when it is asked for: 1 - exp(-rate T)."""
    time = characteristic_time(rates, places)
    return np.asarray(np.where(rates > 0, -np.expm1(-rates * time), 0.0) if time < np.inf else rates > 0)


def named(shares: Floats, rows: int) -> Floats:
    """The probability that a comparison of `rows` different adapters, drawn one after the other, names each.

    Drawing without replacement is who rings first of clocks with these rates, so the number that has rung
    at a time obeys the equation of `characteristic_time`.
    """
    if rows >= len(shares):
        return np.ones_like(shares)
    return shares if rows == 1 else hits(shares, rows)


def homes(shares: Floats, replicas: int, routing: Routing) -> list[list[int]]:
    """Of each adapter the replicas that questions which name it first may go to, its own first."""
    if routing == "random":
        return [list(range(replicas))] * len(shares)
    order = np.argsort(_places(shares, replicas), axis=0)
    return [
        order[:count, adapter].tolist() for adapter, count in enumerate(_counts(shares, replicas, routing))
    ]


def _counts(shares: Floats, replicas: int, routing: Routing) -> npt.NDArray[np.intp]:
    """How many homes each adapter has."""
    busy = np.zeros(len(shares)) if routing == "affinity" else np.ceil(_HOMES * shares * replicas)
    return np.minimum(1 + busy, replicas).astype(np.intp)


def _places(shares: Floats, replicas: int) -> npt.NDArray[np.intp]:
    """(replicas, adapters): each replica's place in the order that an adapter's homes are taken in.

    It follows from the names of the two alone (rendezvous hashing, Thaler and Ravishankar 1998), so a replica
    that goes moves its own adapters only.
    """
    adapters, names = np.arange(len(shares), dtype=np.uint64), np.arange(replicas, dtype=np.uint64)
    return np.argsort(np.argsort(_mixed(names[:, None] + (adapters << np.uint64(32))), axis=0), axis=0)


def first_named(shares: Floats, replicas: int, routing: Routing) -> Floats:
    """(replicas, adapters): the share of all questions that name an adapter first and go to a replica.
    One row stands for all where they are alike.

    Where a question goes to the home that has least to do, an adapter's questions are divided so that its
    homes become as alike as they can: each round gives less to those that have more than the mean.
    """
    if routing == "random":
        return np.asarray(shares[None, :] / replicas)
    found: Floats = np.asarray(_places(shares, replicas) < _counts(shares, replicas, routing), np.float64)
    found = np.asarray(found * (shares / found.sum(axis=0)))
    for _ in range(_ROUNDS if routing == "spread" else 0):
        found = found / np.sqrt(np.maximum(found.sum(axis=1, keepdims=True) * replicas, _LEAST))
        found = np.asarray(found * (shares / found.sum(axis=0)))
    return found


def _mixed(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of SplitMix64, in whose output every bit depends on every bit of the input."""
    with np.errstate(over="ignore"):
        numbers = numbers * np.uint64(0x9E3779B97F4A7C15)
        numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return numbers ^ (numbers >> np.uint64(31))
