"""The folders of clusters: whose process lives keeps its own, and what a killed one left goes."""

import subprocess
import sys
from pathlib import Path

from zoo.on_ray.folders import make

HOLDS = """
import sys, time
from zoo.on_ray.folders import make
folder, remove = make(inside=sys.argv[1])
print(folder, flush=True)
time.sleep(600)
"""


def test_what_a_killed_process_left_goes_at_the_next_start_and_what_others_have_stays(tmp_path):
    (tmp_path / "mz-of-another-program").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "owner").touch()
    (tmp_path / "mz-link").symlink_to(tmp_path / "elsewhere")
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    theirs = Path(child.stdout.readline().strip())
    mine, remove = make(inside=str(tmp_path))
    assert theirs.is_dir()
    child.kill()
    child.wait()
    others, at_end = make(inside=str(tmp_path))
    assert not theirs.exists()
    assert {one.name for one in tmp_path.iterdir()} == {
        "mz-of-another-program",
        "elsewhere",
        "mz-link",
        Path(mine).name,
        Path(others).name,
    }
    assert (tmp_path / "elsewhere" / "owner").exists()
    for end in (remove, at_end):
        end()
    assert [one for one in (mine, others) if Path(one).exists()] == []
