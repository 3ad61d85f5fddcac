"""The long soak: `python -m tests.serving.soak [requests] [seconds]`, at most so many of each; exit 1 if
anything was wrong."""

import sys
import tempfile
from pathlib import Path

from tests.serving.soak.soak import soaking


def main() -> None:
    """Run it and print what it saw."""
    given = [int(word) for word in sys.argv[1:]]
    requests, seconds = (*given, *(10_000, 480)[len(given) :])
    with tempfile.TemporaryDirectory() as folder, soaking(Path(folder), versions=70) as soak:
        report = soak.run(requests=requests, seconds=seconds, clients=12)
    print(report)
    sys.exit(1 if report.wrong else 0)


if __name__ == "__main__":
    main()
