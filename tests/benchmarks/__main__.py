"""The benchmarks of this folder in one run: `python -m tests.benchmarks bench.json`, or those named after it.

A benchmark is a module here with `measure() -> dict[str, float]`: flat names, ratios against the peer
that a user would pick instead, medians of interleaved repetitions. A module whose name begins with `_` is a
helper. Nothing here is asserted.
"""

import importlib
import json
import os
import pkgutil
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main(out: Path, *names: str) -> None:
    """Run every benchmark, or those named, print their figures and write them to `out`, where the figures of
    those that did not run stay."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `medzoo` does, before torch is loaded
    known = sorted(m.name for m in pkgutil.iter_modules([str(HERE)]) if not m.name.startswith("_"))
    if unknown := sorted(set(names) - set(known)):
        sys.exit(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
    figures: dict[str, float] = json.loads(out.read_text()) if names and out.exists() else {}
    for name in names or known:
        found = importlib.import_module(f"tests.benchmarks.{name}").measure()
        figures |= found
        for key, value in found.items():
            print(f"{key:<48} {value:.4g}", flush=True)
    out.write_text(json.dumps(figures, indent=2) + "\n")
    print(f"written to {out}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
