"""The part of `medzoo plan serve` that is about many: replicas for so many users, and how that is told."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli._base import Command, with_options
from zoo.cli._out import check_out
from zoo.cli._plan import Report
from zoo.errors import BadInput

if TYPE_CHECKING:
    from serving.capacity.given import Place, Times, Traffic
    from serving.capacity.model import Forecast
    from serving.capacity.simulation import Simulated
    from serving.settings import Settings

_QUESTIONS = 10_000
"""Of a simulation, after as many that warm it up, or more where there are more users or more ask at once."""
_BURSTS = 10
"""At least, or there would be next to no time between the first question and the last."""
_FILE = click.Path(dir_okay=False, path_type=Path)
_OPTIONS = (
    click.option("--users", type=click.IntRange(min=1), help="How many replicas do so many people need?"),
    click.option(
        "--adapters", type=click.IntRange(1, 10_000), help="That they ask among.  [default: as many as slots]"
    ),
    click.option("--think", type=click.FloatRange(min=0.1), help="Seconds between questions.  [default: 60]"),
    click.option(
        "--zipf", type=click.FloatRange(0, 3), help="Popularity of rank k is 1 / k^ZIPF.  [default: 1]"
    ),
    click.option("--asked", type=click.IntRange(1, 16), help="Adapters a comparison.  [default: 2]"),
    click.option("--tokens", type=click.FloatRange(min=1), help="Of an answer, in the mean.  [default: 64]"),
    click.option("--burst", type=click.IntRange(min=1), help="People who ask at once.  [default: 1]"),
    click.option("--replicas", type=click.IntRange(1, 1024), help="Default: the least that are enough."),
    click.option(
        "--routing",
        type=click.Choice(["random", "affinity", "spread"]),
        help="Which replica a question goes to: any; its first adapter's own; the lesser of the two or more "
        "that its first adapter has.  [default: spread]",
    ),
    click.option(
        "--target",
        type=click.FloatRange(min=0, min_open=True),
        help="Seconds within which 95 of 100 first tokens are to come.  [default: 2]",
    ),
    click.option("--cold", is_flag=True, help="Simulate from a start on which no replica has any files."),
    click.option("--times", type=_FILE, help="Measured times.  Default: worked out from rates."),
    click.option("--measure", type=_FILE, help="Load the base here, measure it and write --times to FILE."),
    click.option(
        "--adapter",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Folder of the adapter to measure with.",
    ),
    click.option("--simulate", is_flag=True, help="Simulate the scheduler too; up to minutes."),
    click.option("--seed", type=int, default=0, show_default=True, help="Of the simulation."),
    click.option("--plot", type=_FILE, help="Draw it into this PNG."),
)
_NEEDS = {
    "users": (
        *("adapters", "think", "zipf", "asked", "tokens", "burst", "replicas", "routing", "target", "times"),
        *("simulate", "plot"),
    ),
    "simulate": ("cold",),
    "measure": ("adapter",),
}
"""Options that say nothing without another."""
_ROWS: Mapping[str, tuple[str, str]] = {
    "questions answered a second": ("questions_per_s", ""),
    "told: busy": ("busy_share", "%"),
    "engines at work": ("utilisation", "%"),
    "the busiest engine": ("highest_utilisation", "%"),
    "adapters found in a slot": ("hit_rate", "%"),
    "first token, mean": ("first_token_mean_s", "s"),
    "first token, 50 of 100 within": ("first_token_p50_s", "s"),
    "first token, 95 of 100 within": ("first_token_p95_s", "s"),
    "loads and evictions an hour": ("loads_per_h", ""),
}


def capacity_options(command: Command) -> Command:
    """Who asks, what answers, how long it takes."""
    return with_options(command, _OPTIONS)


def check_options(options: Mapping[str, Any]) -> None:
    """See, before anything is measured, that every option says something.

    Raises:
        BadInput: one needs another, or they exclude each other, or no picture can be made there.
    """
    given = {name for name, value in options.items() if value is not None and value is not False}
    for needed, names in _NEEDS.items():
        if needed not in given and (idle := next((name for name in names if name in given), "")):
            example = {"users": " 100", "measure": " times.json"}.get(needed, "")
            raise BadInput(f"--{idle} says nothing without --{needed}", hint=f"--{needed}{example}")
    if {"times", "measure"} <= given:
        raise BadInput("--times and --measure exclude each other", hint="give one of them")
    if options["plot"]:
        check_out(options["plot"], file=True, option="--plot")


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What was forecast, and what was simulated."""

    times: Times
    traffic: Traffic
    place: Place
    target_s: float
    wanted: bool
    """Whether the number of replicas was asked for, rather than given."""
    model: Forecast
    simulated: Simulated | None

    def as_data(self) -> dict[str, Any]:
        """For JSON."""
        told = {name: asdict(getattr(self, name)) for name in ("times", "traffic", "place", "model")}
        return {**told, "target_s": self.target_s, "simulation": self.simulated and asdict(self.simulated)}

    def lines(self, command: str) -> list[str]:
        """For people; each replica is started by `command`."""
        traffic, place, model = self.traffic, self.place, self.model
        found = textwrap.wrap(
            f"{_many(traffic.users, 'user')}, {traffic.think_s:g} s between questions, "
            f"{_many(traffic.adapters, 'adapter')} (Zipf {traffic.zipf:g}), {traffic.rows} a comparison, "
            f"{_many(traffic.tokens, 'token')} an answer"
            + (f", {traffic.burst} ask at once" if traffic.burst > 1 else ""),
            80,
            subsequent_indent="  ",
        )
        found += textwrap.wrap(f"times: {self.times.source}", 80, subsequent_indent="  ")
        why = f": the least for 95 of 100 first tokens within {self.target_s:g} s" if self.wanted else ""
        found.append(f"replicas {place.replicas}, routing {place.routing}{why}")
        head = f"  {'':<32}{'model':>10}"
        found.append(f"{head}{'simulated':>12}{'difference':>12}" if self.simulated else head)
        said, seen = _figures(model), self.simulated and _figures(self.simulated)
        for name, (field, unit) in _ROWS.items():
            line = f"  {name:<32}{_told(said[field], unit):>10}"
            if seen:
                line += f"{_told(seen[field], unit):>12}{_apart(said[field], seen[field], unit):>12}"
            found.append(line)
        if self.simulated:
            one = self.simulated
            late = f", {one.late} too late" if one.late else ""
            late += f", {one.fetches} adapters fetched" if place.cold else ""
            found.append(f"  simulated: {one.asked} questions in {one.seconds:.0f} s, {one.busy} busy{late}")
        found.append(
            f"used most: {model.limit}; of {place.slots} slots {model.slots_in_use:.1f} in use, "
            f"{model.at_once} comparisons at once"
        )
        fetches = _many(round(model.cold_fetches), "adapter")
        found.append(f"cold replicas fetch {fetches} in their first hour")
        if model.first_token_p95_s > self.target_s:
            found.append(f"too slow: --replicas left out looks for the least within {self.target_s:g} s")
        found.append(f"each replica: {command}")
        return found


@dataclass(frozen=True, kw_only=True)
class CapacityReport(Report):
    """A plan of one replica, and a forecast of many."""

    capacity: Capacity
    command: str
    """That starts a replica."""

    def as_data(self) -> dict[str, Any]:
        return {**super().as_data(), "capacity": self.capacity.as_data()}

    def lines(self) -> list[str]:
        return [*super().lines(), "", *self.capacity.lines(self.instead or self.command)]


def forecast_of(options: Mapping[str, Any], settings: Settings, times: Times, adapter_bytes: int) -> Capacity:
    """What the options ask for.

    Raises:
        BadInput: more adapters a comparison than a server takes, or no number of replicas is enough.
    """
    from tqdm import tqdm

    from serving.capacity.given import Place, Traffic
    from serving.capacity.model import forecast, least_replicas
    from serving.capacity.simulation import simulate

    most = min(settings.max_adapters, settings.max_rows, settings.slots)
    rows = options["asked"] or min(2, most)
    if rows > most:
        raise BadInput(
            f"--asked {rows}, and a server with these settings takes {most} adapters a comparison",
            hint="--asked with fewer, or more --slots, --max-rows or MEDZOO_MAX_ADAPTERS",
        )
    if (options["burst"] or 1) > options["users"]:
        raise BadInput(
            f"--burst {options['burst']} of --users {options['users']}", hint="--burst with no more than all"
        )
    traffic = Traffic(
        users=options["users"],
        think_s=options["think"] or 60.0,
        adapters=options["adapters"] or settings.slots,
        zipf=1.0 if options["zipf"] is None else options["zipf"],
        rows=rows,
        tokens=min(options["tokens"] or 64.0, settings.max_new_tokens),
        most_tokens=settings.max_new_tokens,
        burst=options["burst"] or 1,
    )
    place = Place(
        replicas=options["replicas"] or 1,
        routing=options["routing"] or "spread",
        slots=settings.slots,
        max_rows=settings.max_rows,
        max_waiting_rows=settings.max_waiting_rows,
        window_s=settings.batch_window_ms / 1000,
        timeout_s=settings.timeout_s,
        adapter_bytes=adapter_bytes,
        host_bytes=settings.host_bytes,
        cold=options["cold"],
    )
    target_s = options["target"] or 2.0
    if not options["replicas"]:
        place = replace(place, replicas=least_replicas(times, traffic, place, target_s=target_s))
    simulated = None
    if options["simulate"]:
        questions = max(_QUESTIONS, _BURSTS * traffic.burst)
        warm_up = 0 if place.cold else max(questions, 2 * traffic.users)
        with tqdm(total=warm_up + questions, desc="simulated", unit="question") as bar:
            simulated = simulate(
                times,
                traffic,
                place,
                questions=questions,
                warm_up=warm_up,
                seed=options["seed"],
                asked=bar.update,
            )
    if options["plot"]:
        from serving.capacity.plot import plot

        plot(options["plot"], times, traffic, place, simulated)
    return Capacity(
        times=times,
        traffic=traffic,
        place=place,
        target_s=target_s,
        wanted=not options["replicas"],
        model=forecast(times, traffic, place),
        simulated=simulated,
    )


def _figures(found: Forecast | Simulated) -> dict[str, float]:
    figures = {name: getattr(found, name) for name, _ in _ROWS.values() if hasattr(found, name)}
    figures.setdefault("questions_per_s", getattr(found, "answered", 0) / getattr(found, "seconds", 1.0))
    return {**figures, "loads_per_h": found.loads_per_s * 3600}


def _many(count: float, what: str) -> str:
    return f"{count:.10g} {what}" + ("" if count == 1 else "s")


def _told(value: float, unit: str) -> str:
    if unit == "%":
        return f"{100 * value:.1f} %"
    return (f"{value:.0f}" if value >= 100 else f"{value:.3g}") + (f" {unit}" if unit else "")


def _apart(said: float, seen: float, unit: str) -> str:
    """How far the simulation is from the model."""
    if unit == "%":
        return f"{100 * (seen - said):+.1f}"
    return f"{100 * (seen / said - 1):+.0f} %" if said else ""
