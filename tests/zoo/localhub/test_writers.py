"""Several writers at once, and a server that is killed under them: nothing that was told is lost."""

import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from zoo.localhub.check import check
from zoo.localhub.store import Store

APPENDER = """
import sys
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError
api = HfApi(token="t")
won = lost = 0
while won < 8:
    head = api.model_info("local/lines").sha
    path = api.hf_hub_download("local/lines", "lines.txt", revision=head)
    add = CommitOperationAdd("lines.txt", f"{open(path).read()}{sys.argv[1]} {won}\\n".encode())
    try:
        api.create_commit("local/lines", [add], commit_message=sys.argv[1], parent_commit=head)
        won += 1
    except HfHubHTTPError as error:
        assert error.response.status_code == 412, error
        lost += 1
print(won, lost)
"""

WRITER = """
import os, sys, time
from huggingface_hub import CommitOperationAdd, HfApi
api, name = HfApi(token="t"), sys.argv[1]
n = 0
while True:
    n += 1
    adds = [CommitOperationAdd(f"{name}/{n}.bin", os.urandom(300_000 if n % 3 else 3_000_000)),
            CommitOperationAdd(f"{name}/{n}.txt", os.urandom(20_000).hex().encode())]
    try:
        commit = api.create_commit("local/a", adds, commit_message=f"{name} {n}")
    except Exception as error:
        time.sleep(0.05)
        continue
    print(commit.oid, f"{name}/{n}", flush=True)
"""


def client(program: str, url: str, home: Path, argument: str, **environment: str) -> "subprocess.Popen[str]":
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    return subprocess.Popen(
        [sys.executable, "-c", program, argument],
        env={**kept, "HF_ENDPOINT": url, "HF_HOME": str(home / argument), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def test_of_two_processes_that_write_to_one_file_neither_loses_a_line(
    api: HfApi, url: str, tmp_path: Path
) -> None:
    api.create_repo("local/lines")
    api.upload_file(path_or_fileobj=b"\n", path_in_repo="lines.txt", repo_id="local/lines")
    both = [client(APPENDER, url, tmp_path, name) for name in ("one", "two")]
    won = [process.communicate(timeout=300)[0].split()[:1] for process in both]
    assert won == [["8"], ["8"]]
    path = api.hf_hub_download("local/lines", "lines.txt", cache_dir=tmp_path / "cache")
    lines = Path(path).read_text().split("\n")[1:-1]
    assert sorted(lines) == [f"{name} {n}" for name in ("one", "two") for n in range(8)]
    titles = Counter(commit.title for commit in api.list_repo_commits("local/lines"))
    assert (titles["one"], titles["two"], titles.total()) == (8, 8, 18)


@pytest.mark.slow
@pytest.mark.parametrize("by_lfs", [False, True])
def test_a_server_killed_again_and_again_keeps_every_commit_that_it_told_of(
    tmp_path: Path, by_lfs: bool
) -> None:
    """Two writers go on, with large files within commits or by LFS, while the server is killed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root, url, told = tmp_path / "hub", f"http://127.0.0.1:{port}", []
    command = [sys.executable, "-m", "zoo", "hub", "serve", "--root", str(root), "--port", str(port)]
    command += ["--lfs"] if by_lfs else []
    environment = {"HF_HUB_DISABLE_XET": "1"} if by_lfs else {}

    def start() -> "subprocess.Popen[str]":
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert server.stdout
        assert server.stdout.readline()
        assert server.stdout.readline()
        server.stdout.close()
        return server

    def listen(process: "subprocess.Popen[str]") -> None:
        assert process.stdout
        told.extend(line.split() for line in process.stdout)

    server = start()
    HfApi(endpoint=url, token="t").create_repo("local/a")
    # Moments differ from run to run on purpose: there is no wrong one.
    writers = [client(WRITER, url, tmp_path, name, **environment) for name in ("one", "two")]
    ears = [threading.Thread(target=listen, args=(process,)) for process in writers]
    for ear in ears:
        ear.start()
    try:
        for _ in range(10):
            before, until = len(told), time.monotonic() + 120
            while len(told) == before:
                assert time.monotonic() < until, "the writers do not go on"
                time.sleep(0.02)
            time.sleep(random.uniform(0, 0.5))
            server.kill()
            server.wait()
            known = list(told)
            store = Store(root)
            try:
                assert [str(fault) for fault in check(store, deep=True)] == []
                git = store.find("model", "local/a").git()
                head = git.resolve("main")
                history = {step.sha for step in git.log(head)}
                assert {commit for commit, _ in known} <= history
                files = {entry.path for entry in git.entries(head, recursive=True)}
                assert {f"{name}{end}" for _, name in known for end in (".bin", ".txt")} <= files
            finally:
                store.close()
            server = start()
    finally:
        for process in (*writers, server):
            process.kill()
            process.wait()
        for ear in ears:
            ear.join()
        for process in writers:
            assert process.stdout
            process.stdout.close()
    assert {name.partition("/")[0] for _, name in told} == {"one", "two"}
