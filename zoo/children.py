"""Verbs of `medzoo` as child processes that never outlive the process that started them.

They end when this process is told to end, when it fails, and, seen by the child itself, when it is killed.
Knows nothing of what the verbs do.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from zoo.errors import ZooError

PARENT = "MEDZOO_PARENT"
"""Environment variable that tells a child whose child it is."""
START_TIMEOUT_S = 120


class Children:
    """The children of one process; `environment` is added to its own."""

    def __init__(self) -> None:
        self.environment: dict[str, str] = {}
        self._live: list[subprocess.Popen[str]] = []
        self._lock = threading.Lock()
        self._ended = False

    def run(
        self,
        *words: str,
        into: TextIO | None = None,
        environment: Mapping[str, str] | None = None,
        said: str = "",
    ) -> None:
        """Run a verb to its end, `said` on its standard input, its output on this terminal or `into` a file.

        Raises:
            ZooError: it failed, or all children were told to end.
        """
        child = self._start(words, output=into, environment=environment or {}, listens=bool(said))
        child.communicate(said or None)
        status = child.returncode
        if status:
            where = f"{into.name} says" if into else "it says above"
            raise ZooError(
                f"`medzoo {' '.join(words)}` ended with status {status}",
                hint=f"mend what {where} and run the demo again; it goes on from there",
            )

    @contextmanager
    def serve(self, *words: str) -> Iterator[str]:
        """Run a verb that serves; yield the address that it prints when it is ready.

        Raises:
            ZooError: it ended, or told no address in time.
        """
        child = self._start(words, output=subprocess.PIPE, environment={})
        assert child.stdout is not None
        timer = threading.Timer(START_TIMEOUT_S, child.kill)
        timer.daemon = True
        try:
            timer.start()
            url = next((w for line in child.stdout for w in line.split() if w.startswith("http://")), "")
            timer.cancel()
            if not url:
                raise ZooError(f"`medzoo {' '.join(words)}` did not start (status {child.wait()})")
            threading.Thread(target=_drain, args=(child.stdout,), daemon=True).start()
            yield url
        finally:
            timer.cancel()
            _end(child)

    def end(self) -> None:
        """End every child that lives, and start none any more."""
        with self._lock:
            self._ended = True
            live = [child for child in self._live if child.poll() is None]
        for child in live:
            child.terminate()
        for child in live:
            _end(child)

    def _start(
        self,
        words: tuple[str, ...],
        *,
        output: TextIO | int | None,
        environment: Mapping[str, str],
        listens: bool = False,
    ) -> subprocess.Popen[str]:
        with self._lock:
            if self._ended:
                raise ZooError(f"`medzoo {words[0]}` was not started: the others were told to end")
            child = subprocess.Popen(
                [sys.executable, "-m", "zoo", *words],
                env={**os.environ, **self.environment, **environment, PARENT: str(os.getpid())},
                stdin=subprocess.PIPE if listens else subprocess.DEVNULL,
                stdout=output,
                stderr=None if output == subprocess.PIPE else output,
                text=True,
            )
            self._live.append(child)
            return child


def end_with_parent() -> None:
    """In a child: end this process soon after the one that started it is gone, however it went."""
    parent = os.environ.get(PARENT)
    if parent is None:
        return

    def watch() -> None:
        while os.getppid() == int(parent):
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _end(child: subprocess.Popen[str]) -> None:
    child.terminate()
    try:
        child.wait(timeout=10)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _drain(lines: Iterator[str]) -> None:
    """Read on, so that a child never waits for its pipe."""
    for _ in lines:
        pass
