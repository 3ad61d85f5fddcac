"""Times of a server that nobody has measured: operations and bytes over a device's rates, and assumptions."""

from dataclasses import replace

from serving.capacity.given import Times
from zoo.memory.serving import Serving
from zoo.memory.shape import Shape
from zoo.memory.work import Rates, first_token_seconds, token_seconds

LOADED = 1.4e9
"""Bytes a second from files in memory to a slot, checks included: `adapter_load_seconds` of `make bench`."""
READ = 1.0e9
"""Bytes a second from a disk. Assumed."""
FETCHED = 50e6
"""Bytes a second from a Hub, `ASKED` seconds after it was asked. Assumed."""
ASKED = 0.5


def adapter_bytes(shape: Shape, serving: Serving) -> int:
    """Of an adapter's file, which is in float32."""
    return 4 * shape.language.lora(serving.rank, serving.targets)


def estimated(shape: Shape, serving: Serving, rates: Rates) -> Times:
    """By the arithmetic of `medzoo plan serve`, with a line through one row and all rows."""
    one = replace(serving, rows=1)
    prompts = [first_token_seconds(shape, replace(serving, rows=rows), rates) for rows in (1, 2)]
    prompt_row = prompts[1] - prompts[0]
    first, full = (token_seconds(shape, which, rates) for which in (one, serving))
    step_row = (full - first) / (serving.rows - 1) if serving.rows > 1 else 0.0
    size = adapter_bytes(shape, serving)
    return Times(
        image_s=prompts[0] - prompt_row,
        prompt_s=0.0,
        prompt_row_s=prompt_row,
        step_s=first - step_row,
        step_row_s=step_row,
        load_disk_s=size / READ + size / LOADED,
        load_host_s=size / LOADED,
        fetch_s=ASKED + size / FETCHED,
        source=f"worked out from rates ({rates.source}); loads and fetches assumed",
    )
