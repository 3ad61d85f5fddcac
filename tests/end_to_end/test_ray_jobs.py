"""`--ray` with a real Ray: the bytes of one process, also after a kill of a worker and of the command itself.

What a worker is told and refuses is in tests/zoo/evaluation/test_on_workers.py, without a cluster.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests._adapters import random_adapter
from tests.serving.cluster._processes import below, living
from zoo.__main__ import medzoo as verbs
from zoo.bases import get_base
from zoo.evaluation.part import PART_NAME
from zoo.records import PREDICTIONS_NAME
from zoo.vlm.model import load_base

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: the extra `ray`"),
]

LIMIT_S = 300.0
"""Longest wait for anything: a busy machine takes many times as long as an idle one."""
ANSWERS = (210 + 2 * 15) * 3
SHARD = 24
HOST = """
import json, os, sys
from zoo.on_ray.clusters import start
from zoo.on_ray.environment import set_up
set_up("--ray", extra="ray", local=True, processes=2)
end = start(cpus=3)
import ray
found = {name: value for name, value in os.environ.items() if name.startswith("RAY_")}
print(json.dumps([ray.get_runtime_context().gcs_address, found]), flush=True)
sys.stdin.read()
end()
"""
DIES = """
import os, sys
from functools import partial
from zoo.errors import ClusterFailed
from zoo.on_ray.shards import workers_of
def dies(shard):
    return shard if shard < 1 else os.kill(os.getpid(), 9)
with workers_of(sys.argv[1], count=2, device="auto") as workers:
    try:
        for shard in workers.answers(lambda: dies, range(3)):
            print("answered", shard)
    except ClusterFailed as error:
        print(error)
"""


@pytest.fixture(scope="module")
def adapters(tmp_path_factory):
    bare, made = load_base(get_base("phantom")), tmp_path_factory.mktemp("adapters")
    for seed, name in enumerate(("one", "two")):
        random_adapter(made / name, bare, seed=seed, rank=4, spread=0.2)
    return [str(made / "one"), str(made / "two")]


@pytest.fixture(scope="module")
def cluster():
    """A cluster that others run: its address, and what the environment of who joins it needs."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HOST], **pipes) as host:
        address, needed = json.loads(host.stdout.readline())
        yield address, needed, host.pid
        host.stdin.close()


def medzoo(*words, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "zoo", *words],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(child):
    out, err = child.communicate(timeout=LIMIT_S)
    assert child.returncode == 0, out + err
    assert "raylet" not in out + err  # Ray's own words
    assert "Traceback" not in out + err
    return out, err


def by_one(*words):
    """The same by one process, which is this one."""
    done = CliRunner().invoke(verbs, list(words))
    assert done.exit_code == 0, done.output
    return done.stderr


def evaluation(adapters, out, *more):
    sizes = ("--limit", "210", "--ablation", "15", "--batch-size", str(SHARD))
    return ["evaluate", *adapters, *sizes, "--device", "cpu", "--out", str(out), *more]


def lines(out):
    part = out / PART_NAME
    return part.read_bytes().count(b"\n") if part.exists() else 0


def until(met, child=None):
    """Wait until something is so, while the child runs."""
    ends = time.monotonic() + LIMIT_S
    while not met():
        assert child is None or child.poll() is None, child.communicate()
        assert time.monotonic() < ends, "it took too long"
        time.sleep(0.005)


def workers_below(pid):
    return [one for one, command in below(pid).items() if command.startswith("ray::MapWorker")]


def folders_of(processes):
    """The private folders that a cluster's processes name."""
    return {Path(found) for command in processes.values() for found in re.findall(r"/tmp/mz-[^/ ]+", command)}


@pytest.fixture(scope="module")
def plain(adapters, tmp_path_factory):
    """The bytes that one process gives."""
    out = tmp_path_factory.mktemp("plain") / "out"
    by_one(*evaluation(adapters, out))
    found = (out / PREDICTIONS_NAME).read_bytes()
    assert found.count(b"\n") == ANSWERS
    return found


def test_ctrl_c_leaves_the_answers_alone_and_a_killed_worker_costs_none(adapters, plain, tmp_path):
    """In clusters of this machine, started and ended with the command."""
    out, command = tmp_path / "out", evaluation(adapters, tmp_path / "out", "--ray", "--workers", "2")
    stopped = medzoo(*command)
    until(lambda: lines(out) >= 2 * SHARD, stopped)
    processes = below(stopped.pid)
    folders = folders_of(processes)
    stopped.send_signal(signal.SIGINT)
    stopped.communicate(timeout=LIMIT_S)
    assert stopped.returncode != 0
    until(lambda: not living(set(processes)))
    kept = lines(out)
    assert 2 * SHARD <= kept < ANSWERS

    again = medzoo(*command)
    until(lambda: lines(out) >= kept + SHARD, again)
    processes = below(again.pid)
    folders |= folders_of(processes)
    os.kill(workers_below(again.pid)[0], signal.SIGKILL)
    assert lines(out) < ANSWERS
    _, said = finished(again)
    assert f"{kept} answers are there" in said
    assert (out / PREDICTIONS_NAME).read_bytes() == plain
    assert not living(set(processes))
    assert len(folders) == 2
    assert not any(folder.exists() for folder in folders)


def test_a_killed_command_is_gone_on_with_by_workers_and_by_one_process(adapters, plain, cluster, tmp_path):
    """In a cluster that stays when the command is killed."""
    address, needed, host = cluster
    out = tmp_path / "out"
    killed = medzoo(*evaluation(adapters, out, "--ray", address), **needed)
    until(lambda: lines(out) >= 2 * SHARD, killed)
    killed.kill()
    killed.communicate()
    assert not (out / PREDICTIONS_NAME).exists()
    until(lambda: not workers_below(host))
    shutil.copytree(out, tmp_path / "by one")
    _, by_workers = finished(medzoo(*evaluation(adapters, out, "--ray", address), **needed))
    for folder, said in (
        (out, by_workers),
        (tmp_path / "by one", by_one(*evaluation(adapters, tmp_path / "by one"))),
    ):
        assert (folder / PREDICTIONS_NAME).read_bytes() == plain
        resumed = json.loads((folder / "evaluation.json").read_text())["resumed"]
        assert 2 * SHARD <= resumed < ANSWERS
        assert f"{resumed} answers are there" in said


def test_pairs_that_ask_the_model_are_the_same_by_workers_and_after_a_kill(cluster, tmp_path):
    address, needed, host = cluster

    def command(out, *more):
        return ["pairs", "mdpo", "--limit", "160", "--device", "cpu", "--out", str(out), *more]

    def content(out):
        return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}

    by_one(*command(tmp_path / "plain"))
    whole = content(tmp_path / "plain")
    shards = tmp_path / "out.part" / ".shards"
    killed = medzoo(*command(tmp_path / "out", "--ray", address), **needed)
    until(lambda: any(shards.glob("*.json")), killed)
    killed.kill()
    killed.communicate()
    until(lambda: not workers_below(host))
    assert 1 <= len(list(shards.glob("*.json"))) < 3
    shutil.copytree(tmp_path / "out.part", tmp_path / "one.part")
    finished(medzoo(*command(tmp_path / "out", "--ray", address), **needed))
    by_one(*command(tmp_path / "one"))
    assert content(tmp_path / "out") == content(tmp_path / "one") == whole
    assert any(name.startswith("rejected/") for name in whole)


def test_a_shard_that_ends_every_process_ends_the_job_with_a_name(cluster):
    address, needed, _ = cluster
    done = subprocess.run(
        [sys.executable, "-c", DIES, address], env=os.environ | needed, capture_output=True, text=True
    )
    *_, failed, following = done.stdout.splitlines()
    assert failed.startswith("the cluster's workers end before they answer")
    assert "the same command goes on" in following
