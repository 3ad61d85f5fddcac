"""How long a model takes here: images, prompts, steps and loads, timed at one row and at all rows.

Through the engine's own seam, `serving.engines.model.Model`, one thing at a time: what the engine's threads
and HTTP add is not in it.
"""

import json
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from serving.capacity.estimate import ASKED, FETCHED
from serving.capacity.given import Times
from serving.engines.model import Model, Row
from zoo.asking import Sampling, question
from zoo.errors import BadInput
from zoo.manifest import AdapterManifest

REPETITIONS = 9
TOKENS = 24
"""Most of an answer here."""
SIDE = 336
"""Of the drawn pictures."""
TURNS = question("What is shown?")
Value = TypeVar("Value")


def measured(
    model: Model, folder: Path, manifest: AdapterManifest, *, slots: int, rows: int, of: str
) -> Times:
    """Times of a model, a base in a precision that `of` names, each of whose slots gets the adapter in a
    folder; the medians of several tries.

    Raises:
        BadInput: `rows` is 1, or no answer had a second token.
    """
    if rows < 2:
        raise BadInput("times at one row and at all rows are told apart by --max-rows of 2 or more")
    disk, host = _loads(model, folder, manifest, slots)
    pictures = [_picture(seed) for seed in range(max(REPETITIONS, math.ceil(rows / slots)))]
    features = [model.encode([one])[0] for one in pictures]
    prompts, steps = zip(*(_batches(model, features, slots, count) for count in (1, rows)), strict=True)
    looked = statistics.median(_timed(partial(_looked, model, one))[0] for one in pictures[:REPETITIONS])
    prompt_row, step_row = (max(0.0, (full - one) / (rows - 1)) for one, full in (prompts, steps))
    return Times(
        image_s=max(0.0, looked - prompts[0]),
        prompt_s=max(0.0, prompts[0] - prompt_row),
        prompt_row_s=prompt_row,
        step_s=max(0.0, steps[0] - step_row),
        step_row_s=step_row,
        load_disk_s=disk,
        load_host_s=host,
        fetch_s=ASKED + sum(file.stat().st_size for file in folder.iterdir() if file.is_file()) / FETCHED,
        source=f"measured: {of} with {slots} slots, at 1 and {rows} rows; fetches assumed",
        of=of,
    )


def write_times(path: Path, times: Times) -> None:
    """For `read_times`."""
    path.write_text(json.dumps(asdict(times), indent=2) + "\n", encoding="utf-8")


def _timed(call: Callable[[], Value]) -> tuple[float, Value]:
    began = time.perf_counter()
    found = call()
    return time.perf_counter() - began, found


def _loads(model: Model, folder: Path, manifest: AdapterManifest, slots: int) -> tuple[float, float]:
    """Seconds from the files and from their bytes; all slots are filled in the end."""
    reads, writes = [], []
    for turn in range(max(REPETITIONS, slots)):
        slot = 1 + turn % slots
        if model.digest(slot) is not None:
            model.clear(slot)
        seconds, content = _timed(partial(model.read, folder))
        reads.append(seconds)
        writes.append(_timed(partial(model.load, slot, folder, manifest, content))[0])
    return statistics.median(reads) + statistics.median(writes), statistics.median(writes)


def _batches(model: Model, features: Sequence[Any], slots: int, rows: int) -> tuple[float, float]:
    """Seconds of a batch's first step and of a further one in which all rows answer.

    No two rows have the adapter and the picture in common, or they would share one run of their prompt.
    """
    prompts: list[float] = []
    steps: list[float] = []
    for turn in range(REPETITIONS + 1):
        sampling = [
            Sampling(max_tokens=TOKENS, temperature=1.0, seed=turn * rows + row) for row in range(rows)
        ]
        asked = [Row(features[row // slots], TURNS, 1 + row % slots, one) for row, one in enumerate(sampling)]
        seconds, batch = _timed(partial(_begun, model, asked))
        further = []
        while len(batch.open) == rows:
            further.append(_timed(batch.step)[0])
        if turn:  # the first is a warm-up
            prompts.append(seconds)
            steps += further
    if not steps:
        raise BadInput("every answer ended with its first token", hint="measure with another --adapter")
    return statistics.median(prompts), statistics.median(steps)


def _begun(model: Model, rows: Sequence[Row]) -> Any:
    batch = model.begin(rows)
    batch.step()
    return batch


def _looked(model: Model, picture: Any) -> None:
    """A picture to its first token: what a device was told to encode is done only then."""
    features, _ = model.encode([picture])
    _begun(model, [Row(features, TURNS, 1, Sampling(max_tokens=TOKENS))])


def _picture(seed: int) -> Any:
    import numpy as np
    from PIL import Image

    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))
