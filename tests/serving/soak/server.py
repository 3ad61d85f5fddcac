"""`medzoo serve` with what a soak needs beside it: errors thrown into batches, and a look inside.

Words after the module's name are those of `medzoo serve`. In the environment SOAK_RAISE_EVERY=N makes every
Nth step of the model raise, and SOAK_HUB_ANSWER_S is how long the Hub may keep silent. A line on the standard
input is a command: `state` prints what the engine and its process hold, as a line of JSON; `swap` makes the
next few batches with two adapters or more run two of their rows with each other's adapter.
"""

import gc
import itertools
import json
import os
import sys
import threading
from typing import Any

from serving import opening
from serving.cli.serve import serve
from serving.engines import banked
from zoo import hub, hub_access

SECRET = "SECRET-OF-A-QUESTION"
"""In the message of each error that is thrown; it must not reach a client or the log."""
SWAPS = 8


class Trouble:
    """What goes wrong on purpose."""

    def __init__(self, *, raise_every: int) -> None:
        self._every = raise_every
        self._steps = itertools.count(1)
        self.raised = 0
        self.swaps = 0
        """Batches that are yet to be mixed up."""

    def step(self) -> None:
        """Called before each step of a batch."""
        if self._every and next(self._steps) % self._every == 0:
            self.raised += 1
            raise RuntimeError(SECRET)

    def rows(self, rows: list[Any]) -> list[Any]:
        """The rows of a batch, as they are to run."""
        different = next((n for n, row in enumerate(rows) if row.slot != rows[0].slot), None)
        if not self.swaps or different is None:
            return rows
        self.swaps -= 1
        slots = [row.slot for row in rows]
        slots[0], slots[different] = slots[different], slots[0]
        return [type(row)(**{**vars(row), "slot": slot}) for row, slot in zip(rows, slots, strict=True)]


class _Batch:
    """A batch of the model whose steps raise now and then."""

    def __init__(self, inner: Any, trouble: Trouble) -> None:
        self._inner, self._trouble = inner, trouble

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def step(self) -> Any:
        self._trouble.step()
        return self._inner.step()


def main() -> None:
    """Serve until told to end."""
    trouble = Trouble(raise_every=int(os.environ.get("SOAK_RAISE_EVERY", "0")))
    if patience := os.environ.get("SOAK_HUB_ANSWER_S"):
        hub.ANSWER_S = hub_access.SILENCE_S = float(patience)
    begin, open_service = banked.BankedModel.begin, opening.open_service

    def troubled(model: Any, rows: Any) -> Any:
        return _Batch(begin(model, trouble.rows(list(rows))), trouble)

    def opened(*args: Any, **kwargs: Any) -> Any:
        service = open_service(*args, **kwargs)
        threading.Thread(target=_obey, args=(service, trouble), name="soak", daemon=True).start()
        return service

    banked.BankedModel.begin = troubled  # type: ignore[method-assign]
    opening.open_service = opened
    serve.main(sys.argv[1:], prog_name="medzoo serve")


def _obey(service: Any, trouble: Trouble) -> None:
    for line in sys.stdin:
        if line.strip() == "swap":
            trouble.swaps = SWAPS
        if line.strip() == "state":
            gc.collect()
            try:
                print("state", json.dumps(_state(service, trouble)), flush=True)
            except Exception:
                os._exit(3)  # whoever asked waits for an answer or the end


def _state(service: Any, trouble: Trouble) -> dict[str, Any]:
    registry, engine = service._registry, service._engine
    taken = registry.occupied().values()
    return {
        "users": sum(one.users for one in taken),
        "holds": len(registry._holds),
        "slots": len(registry._free) + len(taken),
        "loads": registry._next_load - 1,
        "open": len(engine._open),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "raised": trouble.raised,
        "swaps": trouble.swaps,
    }


if __name__ == "__main__":
    main()
