"""How long `medzoo --help` takes, and how that compares with a bare interpreter."""

import statistics
import subprocess
import sys
import time

REPETITIONS = 9


def measure() -> dict[str, float]:
    """`help_seconds` (goal: half a second) and `help_over_bare_python`, from interleaved runs."""
    times: dict[str, list[float]] = {"help": [], "bare": []}
    for _ in range(REPETITIONS):
        times["help"].append(_seconds("-m", "zoo", "--help"))
        times["bare"].append(_seconds("-c", "pass"))
    median = {name: statistics.median(found) for name, found in times.items()}
    return {"help_seconds": median["help"], "help_over_bare_python": median["help"] / median["bare"]}


def _seconds(*words: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began
