"""`medzoo serve` on a fake model, for tests that need a process: an answer takes a step a word of the
question, and a step takes a line of standard input; once that has ended, steps take no time."""

import sys
from typing import Any

from serving.core.registry import Registry
from serving.engines.embedded import EmbeddedEngine
from serving.library import Library
from serving.run import listen, run
from serving.service import Service
from serving.settings import read_settings
from tests.serving.conftest import FakeBatch, FakeHub, FakeModel
from zoo.bases import get_base


class SteppedModel(FakeModel):
    def begin(self, rows: Any) -> FakeBatch:
        batch = super().begin(rows)
        step = batch.step
        batch.step = lambda: (sys.stdin.readline(), step())[1]  # type: ignore[method-assign]
        return batch


def main() -> None:
    settings = read_settings(port=0, base="phantom")
    registry = Registry(slots=4)
    service = Service(
        base=get_base("phantom"),
        engine=EmbeddedEngine(SteppedModel(), registry, slots=4),
        library=Library(FakeHub(), registry),
        registry=registry,
    )
    sys.exit(0 if run(service, settings, listen(settings.host, 0), page=False) else 1)


if __name__ == "__main__":
    main()
