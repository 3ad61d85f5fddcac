"""Caddy, for as long as a test takes, by the Caddyfile that the test gives it."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

needs_caddy = pytest.mark.skipif(
    shutil.which("caddy") is None, reason="caddy is not here: apt-get install caddy"
)
LIMIT_S = 120
"""How long anything may take before a test that hangs ends."""


@contextmanager
def caddy(
    folder: Path, caddyfile: str, *, answers: Callable[[], httpx.Response], **environment: str
) -> Iterator[None]:
    """Run it, from when `answers` gives a 200 on; all that it writes lies in `folder`."""
    (folder / "Caddyfile").write_text(caddyfile)
    command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
    own = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    log = folder / "caddy.log"
    with log.open("w") as told:
        child = subprocess.Popen(command, env=own | environment, stderr=told, stdout=told)
    try:
        ends = time.monotonic() + LIMIT_S
        while not _ready(answers):
            assert child.poll() is None, log.read_text()
            assert time.monotonic() < ends, log.read_text()
            time.sleep(0.1)
        yield
    finally:
        child.terminate()
        child.wait(LIMIT_S)


def _ready(answers: Callable[[], httpx.Response]) -> bool:
    try:
        return answers().status_code == 200
    except httpx.HTTPError:
        return False
