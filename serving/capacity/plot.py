"""A forecast as a picture: the first token over users, and how often an adapter is in its slot over slots."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from serving.capacity.given import Place, Times, Traffic
from serving.capacity.model import forecast
from serving.capacity.simulation import Simulated
from zoo.figures import COLOURS, DARK, GREY, head, new_figure, plain, save

_POINTS = 25


def plot(path: Path, times: Times, traffic: Traffic, place: Place, simulated: Simulated | None) -> None:
    """Draw what the model says around the case, and the simulation of the case."""
    figure = new_figure(9.0, 3.4)
    figure.set_layout_engine("constrained")
    axes = figure.subplots(1, 2)
    users = np.unique(np.geomspace(max(1, traffic.users / 8), traffic.users * 2, _POINTS).astype(int))
    crowds = [forecast(times, replace(traffic, users=int(count)), place) for count in users]
    for name, colour in (("first_token_p95_s", COLOURS[1]), ("first_token_p50_s", COLOURS[0])):
        label = f"{'95' if '95' in name else '50'} of 100, model"
        axes[0].plot(users, [getattr(one, name) for one in crowds], color=colour, label=label)
        if simulated:
            axes[0].plot(traffic.users, getattr(simulated, name), "o", color=colour, label="simulation")
    axes[0].set(xscale="log", yscale="log")
    axes[0].set_xlabel(f"users of {place.replicas} replicas", fontsize=8, color=DARK)
    axes[0].set_title("seconds to the first token", loc="left", fontsize=9, color=DARK)
    slots = sorted({place.slots, *range(1, 4 * place.slots, max(1, place.slots // 4))})
    rates = [forecast(times, traffic, replace(place, slots=count)).hit_rate for count in slots]
    axes[1].plot(slots, rates, color=COLOURS[2], label="model")
    if simulated:
        axes[1].plot(place.slots, simulated.hit_rate, "o", color=COLOURS[2], label="simulation")
    axes[1].set_ylim(0, 1.02)
    axes[1].set_xlabel("slots of a replica", fontsize=8, color=DARK)
    axes[1].set_title("share of adapters found in a slot", loc="left", fontsize=9, color=DARK)
    for one in axes:
        one.axvline(traffic.users if one is axes[0] else place.slots, color=GREY, linewidth=0.8)
        one.legend(fontsize=7, frameon=False)
        plain(one)
    head(figure, f"{traffic.adapters} adapters, {place.replicas} replicas, routing {place.routing}")
    save(figure, path)
