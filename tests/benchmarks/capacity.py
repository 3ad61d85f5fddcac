"""The forecast of `medzoo plan serve --users` beside the simulation, and that beside the real engine.

The real engine (`EmbeddedEngine`, threads and all) runs a model that sleeps, and is asked by threads; the
simulation is given how long it slept. Model and simulation: a table of adapters, users and routings, at times
worked out for qwen3-vl-4b on a GPU of 100 TFLOP/s and 1000 GB/s. `python -m tests.benchmarks.capacity
docs/capacity.png` prints the table and draws it.
"""

import random
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from serving.capacity.estimate import adapter_bytes, estimated
from serving.capacity.given import Place, Routing, Times, Traffic
from serving.capacity.model import Forecast, forecast, least_replicas
from serving.capacity.popularity import zipf
from serving.capacity.simulation import Simulated, simulate
from serving.core.engine import OnDisk, Work
from serving.core.registry import Registry
from serving.core.requests import AdapterId
from serving.engines.embedded import EmbeddedEngine
from serving.engines.model import Row
from zoo.asking import Piece, Sampling, question
from zoo.bases import known_base
from zoo.figures import COLOURS, DARK, head, new_figure, plain, save
from zoo.memory.peak import Precision
from zoo.memory.serving import Serving
from zoo.memory.shape import shape_of
from zoo.memory.work import Rates

TIMES = Times(
    image_s=0.02,
    prompt_s=0.01,
    prompt_row_s=0.004,
    step_s=0.004,
    step_row_s=0.0005,
    load_disk_s=0.04,
    load_host_s=0.02,
    fetch_s=0.0,
    source="slept",
)
TRAFFIC = Traffic(users=24, think_s=8.0, adapters=24, rows=2, tokens=16, most_tokens=64)
PLACE = Place(replicas=1, adapter_bytes=1 << 20, host_bytes=12 << 20)
QUESTIONS = 300
ADAPTERS, USERS = (10, 100, 1000), (100, 1000, 10_000)
ROUTINGS: tuple[Routing, ...] = ("random", "spread")


def measure() -> dict[str, float]:
    """The mean wait for a first token, simulated over real, and how often an adapter is found in its slot."""
    engine = _Engine()
    wait_s, loads = engine.ask_all()
    times = engine.model.slept()
    simulated = simulate(times, TRAFFIC, PLACE, questions=20 * QUESTIONS, warm_up=QUESTIONS)
    return {
        "capacity_first_token_simulated_over_engine": simulated.first_token_mean_s / wait_s,
        "capacity_hit_rate_engine": 1 - loads / TRAFFIC.rows,
        "capacity_hit_rate_simulated": simulated.hit_rate,
        "capacity_hit_rate_model": forecast(times, TRAFFIC, PLACE).hit_rate,
        "capacity_utilisation_simulated": simulated.utilisation,
    }


class _Sleeping:
    """A model that takes time and says nothing."""

    def __init__(self) -> None:
        self._digests: dict[int, str] = {}
        self._longer: dict[str, list[float]] = {}
        self.loads = 0

    def sleep(self, what: str, seconds: float) -> None:
        """Take so long; how much longer it was is remembered."""
        began = time.perf_counter()
        time.sleep(seconds)
        self._longer.setdefault(what, []).append(time.perf_counter() - began - seconds)

    def slept(self) -> Times:
        """What it took: on a busy machine who sleeps wakes late."""
        late = {what: sum(found) / len(found) for what, found in self._longer.items()}
        load_s = TIMES.load_host_s + late["load"]
        return replace(
            TIMES,
            image_s=TIMES.image_s + late["image"],
            prompt_s=TIMES.prompt_s + late["prompt"],
            step_s=TIMES.step_s + late["step"],
            load_host_s=load_s,
            load_disk_s=load_s + TIMES.load_disk_s - TIMES.load_host_s + late["read"],
        )

    def encode(self, images: Sequence[Any]) -> tuple[str, int]:
        self.sleep("image", TIMES.image_s)
        return "features", PLACE.host_bytes**2  # too large to be kept, as if each image were a new one

    def check(self, features: Any, turns: Any, *, max_tokens: int) -> None:
        pass

    def read(self, folder: Path) -> bytes:
        self.sleep("read", TIMES.load_disk_s - TIMES.load_host_s)
        return bytes(PLACE.adapter_bytes)

    def load(self, slot: int, folder: Path, manifest: Any, content: bytes) -> None:
        self.sleep("load", TIMES.load_host_s)
        self._digests[slot] = folder.name
        self.loads += 1

    def digest(self, slot: int) -> str | None:
        return self._digests.get(slot)

    def clear(self, slot: int) -> None:
        del self._digests[slot]

    def look(self, *_: Any) -> Any:
        raise NotImplementedError

    def begin(self, rows: Sequence[Row]) -> "_Batch":
        return _Batch(self, rows)


class _Batch:
    def __init__(self, model: _Sleeping, rows: Sequence[Row]) -> None:
        self._model = model
        self.prompt_tokens = [1] * len(rows)
        self.open = list(range(len(rows)))
        dice = [random.Random(256 * row.sampling.seed + row.slot) for row in rows]
        stops = TRAFFIC.stops
        self._left = [
            next((n for n in range(1, TRAFFIC.most_tokens) if one.random() < stops), TRAFFIC.most_tokens)
            for one in dice
        ]
        self._said = 0

    def step(self) -> list[Piece]:
        rows = len(self.open)
        if self._said:
            self._model.sleep("step", TIMES.step(rows))
        else:
            self._model.sleep("prompt", TIMES.prompt(0, rows))
        self._said += 1
        done = [row for row in self.open if self._left[row] <= self._said]
        self.open = [row for row in self.open if row not in done]
        return [Piece(row, "", self._said, "stop") for row in done]

    def drop(self, row: int) -> None:
        self.open.remove(row)


class _Engine:
    """The real engine over the sleeping model, and threads that ask it; counts."""

    def __init__(self) -> None:
        self._waits: list[float] = []
        self._numbers = iter(range(1, 2 * QUESTIONS + 1))
        self.model = _Sleeping()
        registry = Registry(slots=PLACE.slots)
        self._engine = EmbeddedEngine(self.model, registry, slots=PLACE.slots, host_bytes=PLACE.host_bytes)

    def ask_all(self) -> tuple[float, float]:
        """Of the second half of the questions the mean wait for a first token, and loads a question."""
        users = [threading.Thread(target=self._user, args=(number,)) for number in range(TRAFFIC.users)]
        for one in users:
            one.start()
        while len(self._waits) < QUESTIONS:
            time.sleep(0.1)
        loads, seen = self.model.loads, len(self._waits)
        for one in users:
            one.join()
        self._engine.close()
        waits = self._waits[seen:]
        return sum(waits) / len(waits), (self.model.loads - loads) / len(waits)

    def _user(self, number: int) -> None:
        dice = random.Random(number)
        shares = zipf(TRAFFIC.adapters, TRAFFIC.zipf)
        while True:
            time.sleep(dice.expovariate(1 / TRAFFIC.think_s))
            asked = next(self._numbers, None)
            if asked is None:
                return
            named: dict[int, None] = {}
            while len(named) < TRAFFIC.rows:
                named[dice.choices(range(TRAFFIC.adapters), shares)[0]] = None
            work = Work(
                images=(Image.new("RGB", (1, 1)),),
                turns=question("Q"),
                adapters=tuple(_adapter(one) for one in named),
                sampling=Sampling(seed=asked),
                client=str(number),
            )
            self._waits.append(self._engine.submit(work).done.result()[0].first_token_ms / 1000)


def _adapter(number: int) -> OnDisk:
    manifest: Any = None
    return OnDisk(AdapterId(f"zoo/{number}", "1", str(number)), Path(str(number)), manifest)


Case = tuple[int, int, Place, Forecast, Simulated, float]


def table() -> list[Case]:
    """Adapters, users, place, model, simulation and the seconds that it took, of every case; replicas are the
    least that the model finds enough for `random`, for 95 of 100 first tokens within 2 s."""
    base = known_base("qwen3-vl-4b")
    shape = shape_of(base)
    serving = Serving(
        precision=Precision(bytes=2),
        targets=base.lora_targets,
        slots=8,
        max_rank=64,
        rank=16,
        rows=16,
        image=shape.image_tokens,
        prompt=64,
        answer=256,
        features=0,
    )
    times = estimated(shape, serving, Rates(operations=100e12, bytes=1e12, source="as told"))
    place = Place(replicas=1, routing="random", adapter_bytes=adapter_bytes(shape, serving))
    found = []
    for adapters in ADAPTERS:
        for users in USERS:
            traffic = Traffic(users=users, think_s=60.0, adapters=adapters, rows=2)
            enough = least_replicas(times, traffic, place, target_s=2.0)
            routings: tuple[Routing, ...] = (*ROUTINGS, "affinity") if adapters == users // 10 else ROUTINGS
            for routing in routings:
                there = replace(place, replicas=enough, routing=routing)
                began = time.process_time()
                seen = simulate(times, traffic, there, questions=5000, warm_up=max(5000, users), seed=0)
                took = time.process_time() - began
                found.append((adapters, users, there, forecast(times, traffic, there), seen, took))
                print(_line(found[-1]), flush=True)
    return found


def _line(row: Case) -> str:
    """Model and simulation, as a line of Markdown."""
    adapters, users, place, said, seen, took = row
    pairs = [
        f"{100 * said.utilisation:.0f} / {100 * seen.utilisation:.0f} %",
        f"{100 * said.hit_rate:.1f} / {100 * seen.hit_rate:.1f} %",
        f"{said.first_token_p50_s:.2f} / {seen.first_token_p50_s:.2f} s",
        f"{said.first_token_p95_s:.2f} / {seen.first_token_p95_s:.2f} s",
        " / ".join(f"{one * 3600 / place.replicas:.0f}" for one in (said.loads_per_s, seen.evictions_per_s)),
        f"{100 * said.busy_share:.1f} / {100 * seen.busy_share:.1f} %",
    ]
    cells = [f"{adapters}", f"{users}", f"{place.replicas}", place.routing, *pairs, f"{took:.0f} s"]
    return f"| {' | '.join(cells)} |"


def draw(rows: Sequence[Case], path: Path) -> None:
    """Hit rates and first tokens of the simulation over those of the model."""
    figure = new_figure(9.0, 3.6)
    figure.set_layout_engine("constrained")
    axes = figure.subplots(1, 2)
    for panel, name, title in (
        (axes[0], "hit_rate", "share of adapters found in a slot"),
        (axes[1], "first_token_p95_s", "seconds within which 95 of 100 first tokens come"),
    ):
        for colour, routing in zip(COLOURS, (*ROUTINGS, "affinity"), strict=False):
            mine = [row for row in rows if row[2].routing == routing]
            said, seen = ([getattr(row[at], name) for row in mine] for at in (3, 4))
            panel.plot(said, seen, "o", color=colour, label=routing, markersize=5, alpha=0.8)
        ends = (0, 1) if name == "hit_rate" else (0.5, 100)
        panel.plot(ends, ends, color=DARK, linewidth=0.8)
        panel.set_title(title, loc="left", fontsize=9, color=DARK)
        panel.set_xlabel("model", fontsize=8, color=DARK)
        panel.set_ylabel("simulation", fontsize=8, color=DARK)
        panel.legend(fontsize=7, frameon=False)
        plain(panel)
    axes[1].set(xscale="log", yscale="log")
    head(figure, "10 to 1000 adapters, 100 to 10 000 users")
    save(figure, path)


if __name__ == "__main__":
    draw(table(), Path(sys.argv[1]))
