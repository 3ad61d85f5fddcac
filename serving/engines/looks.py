"""Where the adapters of one comparison looked, on one scale an adapter. For the engine's thread alone."""

from typing import Any

import numpy as np

from serving.core.engine import Look
from serving.core.requests import HeatMap
from serving.engines.jobs import Job
from serving.engines.model import Model


def looks(model: Model, features: Any, job: Job) -> tuple[Look, ...]:
    """One a row of the comparison, in the order asked; the greatest value of each over all images is 1."""
    loads = [job.load_of(adapter) for adapter in job.work.adapters]
    slots = [load.slot if load else 0 for load in loads]
    sizes = [image.size for image in job.work.images]
    looked = model.look(features, sizes, job.work.turns, slots)
    found = []
    for row, load in enumerate(loads):
        peak = max(float(one.ratios[row].max()) for one in looked)
        maps = tuple(HeatMap(values=one.ratios[row] / np.float32(peak), box=one.box) for one in looked)
        digest = model.digest(load.slot) if load else None
        found.append(Look(maps=maps, peak=peak, load=load.number if load else 0, digest=digest or ""))
    return tuple(found)
