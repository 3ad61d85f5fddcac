"""A server as a process of its own: started, looked into, ended or killed."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Served:
    """A running server."""

    def __init__(self, child: "subprocess.Popen[str]", url: str, log: Path) -> None:
        self.child, self.url, self.log = child, url, log

    def command(self, word: str) -> None:
        """See `tests.serving.soak.server`."""
        assert self.child.stdin is not None
        self.child.stdin.write(word + "\n")
        self.child.stdin.flush()

    def state(self) -> dict[str, Any]:
        """What the engine holds now."""
        self.command("state")
        return json.loads(_line(self.child, "state ", self.log).removeprefix("state "))

    def status(self, key: str) -> int:
        """A number of the process as the kernel knows it, such as VmRSS in kB or Threads."""
        text = Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(rf"^{key}:\s+(\d+)", text, re.MULTILINE)[1])

    def open_files(self) -> int:
        """File descriptors, sockets included."""
        return len(os.listdir(f"/proc/{self.child.pid}/fd"))


@contextmanager
def served(
    words: Sequence[str],
    log: Path,
    *,
    module: str = "tests.serving.soak.server",
    environment: Mapping[str, str] | None = None,
) -> Iterator[Served]:
    """Run a module that serves until the block ends; `words` are its arguments. Its standard error goes into
    `log`."""
    # fewer arenas of malloc, so that what is held can be told from what is cached by threads
    mine = {"PYTHONUNBUFFERED": "1", "MALLOC_ARENA_MAX": "2", "OMP_NUM_THREADS": "1"}
    with log.open("a") as errors:
        child = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            env={**os.environ, **mine, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        ready = _line(child, "ready at ", log)
        yield Served(child, ready.removeprefix("ready at ").strip(), log)
    finally:
        child.terminate()
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
        child.communicate()


def _line(child: "subprocess.Popen[str]", start: str, log: Path) -> str:
    """The next line of its output that begins so."""
    assert child.stdout is not None
    found = next((line for line in child.stdout if line.startswith(start)), None)
    assert found is not None, f"the server ended before it said {start!r}:\n{log.read_text()[-3000:]}"
    return found
