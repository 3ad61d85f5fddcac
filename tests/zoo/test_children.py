"""Child processes: their address, their failure, and that none outlives its parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zoo.children import Children
from zoo.errors import ZooError


def gone(pid: int, *, within_s: float) -> bool:
    """Whether the process ends in time."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


def test_a_server_ends_with_its_block(tmp_path: Path) -> None:
    children = Children()
    with children.serve("hub", "serve", "--root", str(tmp_path / "hub")) as url:
        child = children._live[0]
        assert url.startswith("http://127.0.0.1:")
        assert child.poll() is None
    assert child.poll() is not None


def test_a_verb_that_fails_says_which_and_a_told_end_starts_no_more(tmp_path: Path) -> None:
    children = Children()
    with (tmp_path / "said.txt").open("w") as said:
        with pytest.raises(ZooError, match=r"`medzoo show nobody/nothing .*` ended with status 2"):
            children.run("show", "nobody/nothing", "--hub", "http://127.0.0.1:9", into=said)
        children.end()
        with pytest.raises(ZooError, match="was not started"):
            children.run("bases", into=said)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_demo_that_is_ended_leaves_no_child_behind(tmp_path: Path, number: signal.Signals) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "zoo", "demo", "--once", "--port", "0", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # whoever runs these tests in the background has SIGINT ignored, and a child inherits that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    children: list[int] = []
    deadline = time.monotonic() + 60
    while len(children) < 3:  # the Hub and two trainings
        assert demo.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
        listed = Path(f"/proc/{demo.pid}/task/{demo.pid}/children").read_text().split()
        tasks = Path(f"/proc/{demo.pid}/task").iterdir()
        children = [int(p) for task in tasks for p in (task / "children").read_text().split()] or [
            int(p) for p in listed
        ]
    os.kill(demo.pid, number)
    assert gone(demo.pid, within_s=30)
    demo.wait()
    assert all(gone(child, within_s=10) for child in children)
