"""A PostgreSQL server of its own in a temporary folder, from Debian's package, ended with the block.

It listens on a socket in that folder alone. PostgreSQL will not run as root, so root runs it as the package's
user.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

START_S = 60
_BINARIES = sorted(
    Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]), reverse=True
)


def programs() -> Path | None:
    """The folder of `initdb` and `postgres`, of the newest version here; None: not installed."""
    return _BINARIES[0].parent if _BINARIES else None


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of a new, empty database."""
    found = programs()
    assert found is not None, "apt-get install postgresql"
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # its name is short, as a socket's must be
    person: dict[str, Any] = {}
    if os.geteuid() == 0:
        person = {"user": "postgres", "group": "postgres", "extra_groups": []}
        shutil.chown(folder, "postgres", "postgres")
    data, socket, said = folder / "data", folder / "socket", folder / "said"
    server = None
    try:
        made = [found / "initdb", "--pgdata", data, "--username=medzoo", "--auth=trust", "--encoding=UTF8"]
        subprocess.run([*made, "--locale=C"], check=True, capture_output=True, cwd=folder, **person)
        socket.mkdir()
        if person:
            shutil.chown(socket, "postgres", "postgres")
        with said.open("wb") as out:
            server = subprocess.Popen(
                [found / "postgres", "-D", data, "-k", socket, "-c", "listen_addresses="],
                stdout=out,
                stderr=out,
                cwd=folder,
                **person,
            )
        _wait(said, server)
        yield f"postgresql://medzoo@/postgres?host={socket}"
    finally:
        if server is not None:
            server.send_signal(signal.SIGINT)  # ends open connections too
            with suppress(subprocess.TimeoutExpired):
                server.wait(30)
            server.kill()
            server.wait()
        shutil.rmtree(folder)


def _wait(said: Path, server: "subprocess.Popen[bytes]") -> None:
    began = time.monotonic()
    while not re.search(rb"ready to accept connections", said.read_bytes()):
        if server.poll() is not None or time.monotonic() - began > START_S:
            raise AssertionError(said.read_text(errors="replace"))
        time.sleep(0.05)
