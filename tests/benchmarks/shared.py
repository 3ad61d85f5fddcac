"""What sharing costs a request: the read before it, and being counted in and out, in milliseconds.

In SQLite, and in PostgreSQL where it is installed; one server, one client, nothing else asked.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from serving.defence.pace import Quota
from serving.shared import Mirror, NamesTable, Store
from serving.shared.limits import SharedLimits
from tests.serving.annotations.postgres import postgres, programs

REQUESTS = 400
QUOTA = Quota(per_minute=10**6, burst=10**6, at_once=1000)


def measure() -> dict[str, float]:
    """Medians by database."""
    with tempfile.TemporaryDirectory() as folder:
        found = _of(str(Path(folder) / "shared.db"), "sqlite")
    if programs() is not None:
        with postgres() as url:
            found |= _of(url, "postgresql")
    return found


def _of(where: str, kind: str) -> dict[str, float]:
    store = Store(where)
    mirror, limits = Mirror(store, NamesTable(store, "phantom")), SharedLimits(store, QUOTA)

    def count() -> None:
        limits.leave(limits.enter("ana")[1])

    found = {f"shared_read_ms_{kind}": _median(mirror.refresh), f"shared_count_ms_{kind}": _median(count)}
    mirror.close()
    store.close()
    return found


def _median(act: Callable[[], object]) -> float:
    times = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        act()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)
