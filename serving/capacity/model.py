"""A server's replicas as arithmetic: how busy they are, how often an adapter is in its slot, how long a first
token takes. Approximations all; `serving.capacity.simulation` tells how far they are off.

Slots and files in memory: Che's approximation (`popularity`). A replica's engine alternates between its
batches, which is processor sharing: the number of comparisons at it is a birth-death chain of a finite
population with rates that depend on the state, whatever the distribution of an answer's length (Cohen 1979).
A question that no batch can begin with waits for so many batches to end, each exponential: an Erlang
distribution. Who ask in the same moment begin together. One loader loads: an M/D/1 queue. With `spread` a
question takes the lesser of two replicas (Mitzenmacher 2001).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from serving.capacity.given import Place, Times, Traffic
from serving.capacity.popularity import Floats, first_named, hits, named, zipf
from zoo.errors import BadInput

MOST_REPLICAS = 1024
"""So many, and no more than users, are looked at when the least number is looked for."""
TURNED_AWAY = 0.01
"""Share of questions that may be told: busy, where enough replicas are looked for."""
_ROUNDS = 30
"""Until the states under the choice of the lesser of two replicas agree with those that are chosen by."""
_NEARLY = 0.99
"""A loader's utilisation beyond which its queue is told as if it were this."""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What to expect of all replicas together."""

    replicas: int
    questions_per_s: float
    """That are answered."""
    busy_share: float
    """Of the questions, told: busy."""
    utilisation: float
    """Share of the time that an engine works, a mean."""
    highest_utilisation: float
    """Of the replica whose adapters are asked most."""
    hit_rate: float
    """Share of the adapters asked that were in a slot, or on their way into one."""
    first_token_mean_s: float
    first_token_p50_s: float
    first_token_p95_s: float
    loads_per_s: float
    """Each of which evicts, once all slots are filled."""
    loader_utilisation: float
    """Of the replica that loads most."""
    slots_in_use: float
    """Different adapters that comparisons hold, of the replica that is asked most."""
    at_once: int
    """Comparisons that run at once there, by rows and slots."""
    cold_fetches: float
    """In the first hour, if no replica has any files."""
    limit: str
    """What is used most."""


def forecast(times: Times, traffic: Traffic, place: Place) -> Forecast:
    """Of these replicas."""
    shares = zipf(traffic.adapters, traffic.zipf)
    others = named(shares, min(traffic.rows, traffic.adapters)) - shares
    every = [
        _Replica(times, traffic, place, first=first, others=others)
        for first in first_named(shares, place.replicas, place.routing)
        if first.sum() > 0
    ]
    alike = place.replicas if place.routing == "random" else 1
    answered = alike * sum(one.answered for one in every)
    loads = alike * sum(one.answered * one.misses for one in every)
    hottest = max(every, key=lambda one: one.utilisation)
    used = {
        "engine": hottest.utilisation,
        "loader": max(one.loader for one in every),
        "slots": hottest.slots_in_use / place.slots,
    }
    waits = _Waits([part for one in every for part in one.waits])
    busy = alike * sum(one.turned_away for one in every)
    return Forecast(
        replicas=place.replicas,
        questions_per_s=answered,
        busy_share=busy / (answered + busy),
        utilisation=alike * sum(one.utilisation for one in every) / place.replicas,
        highest_utilisation=hottest.utilisation,
        hit_rate=1 - loads / (answered * min(traffic.rows, traffic.adapters)),
        first_token_mean_s=waits.mean,
        first_token_p50_s=waits.quantile(0.5),
        first_token_p95_s=waits.quantile(0.95),
        loads_per_s=loads,
        loader_utilisation=used["loader"],
        slots_in_use=hottest.slots_in_use,
        at_once=hottest.at_once,
        cold_fetches=alike * sum(float(-np.expm1(-one.answered * one.uses * 3600).sum()) for one in every),
        limit=max(used, key=used.__getitem__),
    )


def least_replicas(times: Times, traffic: Traffic, place: Place, *, target_s: float) -> int:
    """So many that 95 of 100 first tokens come within `target_s` and next to nobody is turned away.

    Raises:
        BadInput: no number up to `MOST_REPLICAS` does.
    """

    def enough(count: int) -> bool:
        found = forecast(times, traffic, replace(place, replicas=count))
        return found.first_token_p95_s <= target_s and found.busy_share <= TURNED_AWAY

    most = min(MOST_REPLICAS, traffic.users)
    rows = min(traffic.rows, traffic.adapters)
    high = 1 if target_s >= place.window_s + times.prompt(1, rows) else most
    while not enough(high):
        if high == most:
            raise BadInput(
                f"no number of replicas up to {most} with {place.routing} routing gives 95 of 100 "
                f"first tokens within {target_s:g} s",
                hint="--target with more seconds, more --slots, or fewer --users at a time"
                + (", or --routing spread" if place.routing != "spread" else ""),
            )
        high = min(2 * high, most)
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


class _Replica:
    """One replica, to which questions that name adapters `first` go with these shares of all questions; each
    names the `others` beside, with these probabilities."""

    def __init__(
        self, times: Times, traffic: Traffic, place: Place, *, first: Floats, others: Floats
    ) -> None:
        self._times, self._traffic, self._place = times, traffic, place
        self.share = float(first.sum())
        self._rows = min(traffic.rows, traffic.adapters)
        self.uses: Floats = first / self.share + others
        """(adapters,): how often a question here names each."""
        in_slots = hits(self.uses, place.slots)
        missed = self.uses * (1 - in_slots)
        self.misses = float(missed.sum())
        """Loads a question."""
        kept = float((missed * hits(missed, place.host)).sum())
        self.load_s = times.load_disk_s
        if self.misses:
            self.load_s += kept / self.misses * (times.load_host_s - times.load_disk_s)
        self.at_once = max(1, min(place.max_rows // self._rows, self._fit_in_slots()))
        self._chain()

    def _fit_in_slots(self) -> int:
        """Comparisons whose different adapters, in the mean, have a slot each."""
        count, unused = 1, (1 - self.uses) ** 2
        while count < self._place.max_rows and (1 - unused).sum() <= self._place.slots:
            count, unused = count + 1, unused * (1 - self.uses)
        return count

    def _batches(self, there: int) -> tuple[int, float]:
        """Batches under way with so many comparisons at the replica, and comparisons in each."""
        run = min(there, self.at_once)
        count = min(run, self._place.max_batches)
        return count, run / count

    def _work_s(self, each: float) -> float:
        """The engine's seconds for a batch of so many comparisons."""
        rows, traffic, times = each * self._rows, self._traffic, self._times
        steps = traffic.longest(rows) - 1
        row_steps = rows * (traffic.longest(1) - 1)
        return times.prompt(each, rows) + steps * times.step_s + row_steps * times.step_row_s

    def _rate(self, there: int) -> float:
        """Comparisons that end in a second, by the engine or, if that is less, by the loader."""
        _, each = self._batches(there)
        loading = self.misses * self.load_s
        return min(each / self._work[there], 1 / loading if loading else math.inf)

    def _chain(self) -> None:
        """The probability of each number of comparisons at the replica, and what follows from it."""
        most = self.at_once + self._place.max_waiting_rows // self._rows
        self._work = [0.0, *(self._work_s(self._batches(there)[1]) for there in range(1, self.at_once + 1))]
        self._work += self._work[-1:] * (most - self.at_once)
        users = self._traffic.users * self.share
        comes = np.array([max(0.0, users - there) for there in range(most + 1)]) / self._traffic.think_s
        self._ends: Floats = np.array([0.0, *(self._rate(there) for there in range(1, most + 1))])
        self._states, comes = self._settled(comes)
        arriving = self._states * comes
        self.turned_away = float(arriving[-1])
        self._found: Floats = arriving[:-1] / arriving[:-1].sum()
        self.answered = float(self._states @ self._ends)
        shared = [
            rate * self._work[there] / self._batches(there)[1] if there else 0.0
            for there, rate in enumerate(self._ends)
        ]
        self.utilisation = float(self._states @ shared)
        self.loader = min(1.0, self.answered * self.misses * self.load_s)
        mean_there = float(self._states @ np.arange(most + 1))
        in_use = -np.expm1(-self.uses * mean_there).sum()  # answered x time there = mean there (Little)
        self.slots_in_use = min(float(in_use), float(self._place.slots))

    def _settled(self, comes: Floats) -> tuple[Floats, Floats]:
        """The states' probabilities, and how often questions come in each.

        Where a question takes the lesser of two replicas, one with so many under way gets it as often as the
        other has no fewer: the mean field of Mitzenmacher 2001, whose fixed point is looked for.
        """
        states, chosen = self._balance(comes), comes
        two = self._place.routing == "spread" and self._place.replicas > 1
        for _ in range(_ROUNDS if two else 0):
            no_fewer = np.append(np.cumsum(states[::-1])[::-1], 0.0)
            chosen = comes * (no_fewer[:-1] + no_fewer[1:])
            states = (states + self._balance(chosen)) / 2
        return states, chosen

    def _balance(self, comes: Floats) -> Floats:
        """The probability of each state of a birth-death chain: (comes / ends) multiplied up."""
        with np.errstate(divide="ignore"):
            logs = np.append(0.0, np.cumsum(np.log(comes[:-1]) - np.log(self._ends[1:])))
        weights = np.exp(logs - logs.max())
        return np.asarray(weights / weights.sum())

    @property
    def waits(self) -> list[tuple[float, float, int, float]]:
        """Parts of the first token's distribution: weight (questions a second), fixed seconds, how many
        batches are waited for, and the mean seconds until one ends."""
        misses = -math.expm1(-self.misses)
        late = 0.0
        if misses:
            used = min(self.loader, _NEARLY)
            late = self.load_s * (self.misses / misses + used / (2 * (1 - used)))
        burst = min(self._traffic.burst, self._traffic.users)
        together = 1 + (burst - 1) * self.share  # who begin in the same batch
        found = []
        for there, probability in enumerate(self._found):
            each = self._batches(max(1, there))[1]
            free = there < min(self.at_once, self._place.max_batches)
            behind = there + (together - 1) / 2 - self.at_once
            before = (not free) + int(max(0.0, behind) / each)
            begun = min(together, self.at_once) if free else each
            fixed = self._place.window_s + self._times.prompt(begun, begun * self._rows)
            ends = each / self._ends[max(1, there)]
            for share, left in self._under_way(each) if free and there else ((1.0, 0.0),):
                weight = self.answered * float(probability) * share
                found.append((weight * (1 - misses), fixed + left, before, ends))
                found.append((weight * misses, fixed + left + late, before, ends))
        return [part for part in found if part[0] > 0]

    def _under_way(self, each: float) -> tuple[tuple[float, float], ...]:
        """What a question finds the engine at, by its probability, and how long that still takes: prompts, of
        which a quarter or three are left to do, or a step, of which a half is."""
        prompt = self._times.prompt(each, each * self._rows)
        share = prompt / self._work_s(each)
        step = self._times.step(each * self._rows)
        return (share / 2, prompt / 4), (share / 2, 3 * prompt / 4), (1 - share, step / 2)


class _Waits:
    """A mixture of Erlang distributions, each begun later by a fixed time."""

    def __init__(self, parts: Sequence[tuple[float, float, int, float]]) -> None:
        columns = np.array(parts, dtype=np.float64).T
        self._weights, self._fixed, self._stages, self._means = columns
        self._weights = self._weights / self._weights.sum()

    @cached_property
    def mean(self) -> float:
        return float(self._weights @ (self._fixed + self._stages * self._means))

    def quantile(self, share: float) -> float:
        """The time within which so many come."""
        low, high = 0.0, self.mean
        while self._within(high) < share:
            high *= 2
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if self._within(middle) < share else (low, middle)
        return high

    def _within(self, time: float) -> float:
        """Share that have come by then: 1 - exp(-x) (1 + x + ... + x^(n-1) / (n-1)!) of each."""
        x = np.maximum(time - self._fixed, 0.0) / self._means
        term, missing = np.exp(-x), np.zeros_like(x)
        for stage in range(int(self._stages.max(initial=0.0))):
            missing += np.where(stage < self._stages, term, 0.0)
            term = term * x / (stage + 1)
        return float(self._weights @ np.where(time >= self._fixed, 1 - missing, 0.0))
