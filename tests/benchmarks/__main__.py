"""Every benchmark of this folder in one run: `python -m tests.benchmarks bench.json`.

A benchmark is a module here with `measure() -> dict[str, float]`: flat names, ratios against the peer
that a user would pick instead, medians of interleaved repetitions. Nothing here is asserted.
"""

import importlib
import json
import pkgutil
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main(out: Path) -> None:
    """Run every benchmark, print its figures, write all of them to `out`."""
    figures: dict[str, float] = {}
    for name in sorted(m.name for m in pkgutil.iter_modules([str(HERE)]) if m.name != "__main__"):
        found = importlib.import_module(f"tests.benchmarks.{name}").measure()
        figures |= found
        for key, value in found.items():
            print(f"{key:<44} {value:.3f}", flush=True)
    out.write_text(json.dumps(figures, indent=2) + "\n")
    print(f"written to {out}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
