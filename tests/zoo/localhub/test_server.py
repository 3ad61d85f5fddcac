"""The embedded Hub as a process and as a folder: restarts, kills, one server a folder, loopback alone."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from huggingface_hub import HfApi

from zoo.cli.hub import hub
from zoo.localhub.errors import BadRequest, RootInUse
from zoo.localhub.server import serving


def test_a_restart_over_the_same_folder_keeps_everything(tmp_path: Path) -> None:
    content = os.urandom(2 << 20)
    with serving(tmp_path / "hub") as url:
        api = HfApi(endpoint=url, token="t")
        repo = api.create_repo("local/kept", private=True).repo_id
        api.upload_file(path_or_fileobj=content, path_in_repo="w.bin", repo_id=repo)
        api.create_tag(repo, tag="v1")
        before = api.model_info(repo, files_metadata=True)
    with serving(tmp_path / "hub") as url:
        api = HfApi(endpoint=url, token="t")
        assert api.model_info(repo, files_metadata=True) == before
        assert api.list_repo_refs(repo).tags[0].target_commit == before.sha
        down = api.hf_hub_download(repo, "w.bin", revision="v1", cache_dir=tmp_path / "cache")
        assert Path(down).read_bytes() == content


def test_a_folder_has_one_server_at_a_time(tmp_path: Path) -> None:
    with serving(tmp_path), pytest.raises(RootInUse, match="already serves"), serving(tmp_path):
        pass
    with serving(tmp_path):
        pass


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--host", "0.0.0.0"], "serves this machine alone"),
        (["--host", "::"], "serves this machine alone"),
        (["--host", "192.168.0.1"], "serves this machine alone"),
        (["--host", "example.org"], "no address of this machine"),
        (["--host", ""], "no address of this machine"),
        (["--public-url", "https://hub.example"], "only this machine"),
        (["--hosts", "hub.example"], "only this machine"),
    ],
)
def test_without_tokens_it_serves_this_machine_alone(
    tmp_path: Path, arguments: list[str], reason: str
) -> None:
    result = CliRunner().invoke(hub, ["serve", "--root", str(tmp_path), *arguments])
    assert isinstance(result.exception, BadRequest)
    assert reason in str(result.exception)


def test_the_command_says_its_address_at_once_and_ends_on_a_signal(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "zoo", "hub", "serve", "--root", str(tmp_path / "hub")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        url = re.fullmatch(r"embedded Hub at (http://127\.0\.0\.1:\d+)\n", process.stdout.readline())
        assert url
        assert HfApi(endpoint=url[1], token="t").whoami()["name"] == "local"
        process.send_signal(signal.SIGINT)
        assert process.wait(120) in (0, 130, -signal.SIGINT, 1)
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def test_a_kill_in_the_middle_of_writing_loses_no_commit_that_was_told(tmp_path: Path) -> None:
    """A writer commits on and on; the server is killed; each commit it told of is there afterwards."""
    command = [sys.executable, "-m", "zoo", "hub", "serve", "--root", str(tmp_path / "hub")]
    writer = """
import sys, os
from huggingface_hub import HfApi
api = HfApi(endpoint=sys.argv[1], token="t")
for n in range(100000):
    commit = api.upload_file(path_or_fileobj=os.urandom(2 << 20), path_in_repo=f"{n}.bin", repo_id="local/a")
    print(commit.oid, flush=True)
"""
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout
    url = server.stdout.readline().split()[-1]
    HfApi(endpoint=url, token="t").create_repo("local/a")
    client = subprocess.Popen(
        [sys.executable, "-c", writer, url], stdout=subprocess.PIPE, text=True, stderr=-3
    )
    assert client.stdout
    told = [client.stdout.readline().strip() for _ in range(3)]
    time.sleep(0.05)
    server.kill()
    server.wait()
    client.kill()
    told += client.stdout.read().split()
    client.wait()
    for process in (server, client):
        assert process.stdout
        process.stdout.close()
    refs = tmp_path / "hub" / "repos" / "models" / "local" / "a.git" / "refs" / "heads"
    (refs / "main.lock").write_text("left by the one that was killed")
    with serving(tmp_path / "hub") as url:
        api = HfApi(endpoint=url, token="t")
        history = [commit.commit_id for commit in api.list_repo_commits("local/a")]
        assert set(told) <= set(history)
        down = Path(api.snapshot_download("local/a", cache_dir=tmp_path / "cache"))
        assert len(list(down.glob("*.bin"))) == len(history) - 1
        api.upload_file(path_or_fileobj=b"goes on", path_in_repo="after.txt", repo_id="local/a")
    assert not list((tmp_path / "hub" / "incoming").iterdir())
