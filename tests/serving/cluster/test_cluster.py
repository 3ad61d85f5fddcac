"""A whole cluster on this machine, as `medzoo serve --cluster` starts it.

Two replicas and twelve adapters that can each say one word only, asked by clients of every kind while one
replica hangs, the other is killed, an alias comes to stand for another adapter, and one is published anew.
"""

import asyncio
import os
import random
import re
import signal
import time
from importlib.util import find_spec
from pathlib import Path

import httpx
import psutil
import pytest
from PIL import Image

from tests.serving.cluster._processes import below, living
from tests.serving.soak.clients import Client
from tests.serving.soak.fingerprints import Forge
from tests.serving.soak.notes import Notes
from tests.serving.soak.processes import served
from tests.serving.soak.shelf import Shelf
from tests.serving.soak.soak import _base_says
from tests.serving.soak.verdict import faults_of
from tests.serving.test_no_traces import png
from zoo.bases import get_base
from zoo.localhub.server import serving
from zoo.vlm.model import load_base

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: the extra `cluster`"),
]

REPOS, SLOTS = 12, 8
CLIENTS, ACTIONS = 8, 60
LIMIT_S = 300.0
"""Longest wait for anything: a busy machine takes many times as long as an idle one."""
TIMEOUT_S = 40
"""A question's time; a replica that hangs is silent after an eighth of it."""
MARK = b"PlantedByTheTest"
NAMED = {
    (404, "UnknownName"),  # a name that was taken away meanwhile
    (429, "Busy"),
    *((status, kind) for status in (0, 500) for kind in ("EngineFailed",)),
    *((status, kind) for status in (0, 504) for kind in ("DeadlinePassed",)),
}


def pixels() -> Image.Image:
    """A picture whose bytes in memory are the mark again and again."""
    return Image.frombytes("RGB", (64, 64), (MARK * 800)[: 64 * 64 * 3])


class Trial:
    """The load, and what happens to the cluster in the middle of it."""

    def __init__(self, server, shelf):
        self.server, self.shelf, self.notes = server, shelf, Notes()
        self.done = 0
        self.moved = (float("inf"), float("inf"))
        """When the alias began and had ended to stand for another."""
        self.best, self.after = shelf.names[0], shelf.names[5]
        self.wrong = []
        self.killed = []
        self.troubled = False
        self.folders = set()

    async def run(self):
        async with asyncio.timeout(LIMIT_S):
            await self.load(self.best, in_place=False)
            everybody = [self.client(number) for number in range(CLIENTS)]
            await asyncio.gather(*everybody, self.asks_the_alias(), self.plants(), self.troubles())

    @property
    def over(self):
        return self.troubled and self.done >= CLIENTS * ACTIONS

    async def client(self, number):
        names = self.shelf.names
        client = Client(
            self.server.url,
            named=names,
            unnamed=names[:1],
            shas=self.shelf.shas,
            notes=self.notes,
            seed=number,
        )
        try:
            while not self.over:
                await client.act()
                self.done += 1
        finally:
            await client.close()

    async def asks_the_alias(self):
        """Whoever asks by a name is answered by what it stood for at some moment of the question."""
        dice = random.Random(0)
        async with httpx.AsyncClient(base_url=self.server.url, timeout=LIMIT_S) as client:
            while not self.over:
                began = time.monotonic()
                reply = await client.post(
                    "/v1/compare",
                    data={"question": "What is shown?", "adapters": "best,base", "max_tokens": "6"},
                    files={"image": ("a.png", png(), "image/png")},
                )
                ended = time.monotonic()
                if self.notes.is_answer(reply):
                    answer = reply.json()["answers"][0]
                    allowed = [self.best] * (began < self.moved[1]) + [self.after] * (ended > self.moved[0])
                    commits = {one.sha: one for repo in set(allowed) for one in self.shelf.commits[repo]}
                    commit = commits.get(answer["sha"])
                    if commit is None or (answer["digest"], answer["text"]) != (
                        commit.fingerprint.digest,
                        commit.fingerprint.says(6),
                    ):
                        self.wrong.append(f"best should be of {allowed}: {answer}")
                await asyncio.sleep(dice.random() / 20)

    async def plants(self):
        """Put the mark into all that is asked; what comes back is an answer or a named error."""
        out = self.server.log.parent / "planted.png"
        pixels().save(out)
        async with httpx.AsyncClient(base_url=self.server.url, timeout=LIMIT_S) as client:
            while not self.over:
                reply = await client.post(
                    "/v1/compare",
                    data={"question": f"Is {MARK.decode()} shown?", "adapters": "a01,a02"},
                    files={"image": (f"{MARK.decode()}.png", out.read_bytes(), "image/png")},
                )
                self.notes.is_answer(reply)
        out.unlink()

    async def troubles(self):
        while self.done < CLIENTS * ACTIONS / 4:
            await asyncio.sleep(0.01)
        hung, other = self.replicas()
        os.kill(hung, signal.SIGSTOP)
        while not self.told("a replica was silent"):
            await asyncio.sleep(0.1)
        before = self.done
        while self.done < before + CLIENTS:  # by the other alone
            await asyncio.sleep(0.1)
        os.kill(hung, signal.SIGKILL)
        async with httpx.AsyncClient(base_url=self.server.url, timeout=LIMIT_S) as client:
            while "medzoo_replicas 2.0" not in (await client.get("/metrics")).text:
                await asyncio.sleep(0.5)
        os.kill(other, signal.SIGKILL)
        self.killed = [hung, other]
        began = time.monotonic()
        await self.load(self.after, in_place=True)
        self.moved = (began, time.monotonic())
        await asyncio.to_thread(self.shelf.publish)
        self.troubled = True

    def told(self, what):
        return what in self.server.log.read_text()

    async def load(self, repo, *, in_place):
        body = {"lora_name": "best", "lora_path": repo, "load_inplace": in_place}
        async with httpx.AsyncClient(base_url=self.server.url, timeout=LIMIT_S) as client:
            reply = await client.post("/v1/load_lora_adapter", json=body)
            assert reply.status_code == 200, reply.text

    def replicas(self):
        return sorted(
            pid for pid, command in below(self.server.child.pid).items() if "ServeReplica" in command
        )


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    """A trial that was run, its server still there."""
    folder = tmp_path_factory.mktemp("cluster")
    vlm = load_base(get_base("phantom"), device="cpu")
    with serving(folder / "hub") as hub:
        shelf = Shelf(hub, Forge(vlm), folder / "adapters", repos=REPOS, versions=1)
        words = [word for repo in shelf.names for word in ("--adapter", repo)]
        words += ["--hub", hub, "--slots", str(SLOTS), "--port", "0", "--no-page", "--device", "cpu"]
        environment = {
            "HF_HOME": str(folder / "cache"),
            "HF_TOKEN": "local",
            "MEDZOO_REQUESTS_PER_MINUTE": "1000000",
            "MEDZOO_BURST": "100000",
            "MEDZOO_ALLOW": "soak/*",
            "MEDZOO_MAX_WAITING_ROWS": "32",
            "MEDZOO_TIMEOUT_S": str(TIMEOUT_S),
        }
        with served(
            [*words, "--cluster", "--replicas", "2"],
            folder / "server.log",
            module="tests.serving.cluster.server",
            environment=environment,
        ) as server:
            found = Trial(server, shelf)
            commands = " ".join(below(server.child.pid).values())
            found.folders = {Path(one) for one in re.findall(r"/tmp/mz-\w+", commands)}
            asyncio.run(found.run())
            found.base_says = _base_says(vlm)
            yield found


def test_every_answer_is_its_own_adapters_or_an_error_by_name(trial):
    wrong = [*trial.notes.nameless, *trial.wrong]
    wrong += [f"an error that none may get: {one}" for one in trial.notes.errors if one not in NAMED]
    for heard in trial.notes.heard:
        wrong += faults_of(heard, trial.shelf.commits, trial.base_says, resolved_for_s=1.0)
    print(len(trial.notes.heard), "answers,", trial.notes.actions, trial.notes.errors)
    assert wrong == []
    for how in ("silent", "lost"):
        assert trial.told(f"a replica was {how}"), "nothing was under way at the replica"
    assert len(trial.notes.heard) > CLIENTS * ACTIONS / 2
    whole = [one for one in trial.notes.heard if one.tokens is not None]
    assert {one.repo for one in whole} >= set(trial.shelf.names)


def test_another_replica_comes_in_the_place_of_the_one_that_was_killed(trial):
    ends = time.monotonic() + LIMIT_S
    with httpx.Client(base_url=trial.server.url, timeout=LIMIT_S) as client:
        while "medzoo_replicas 2.0" not in (told := client.get("/metrics").text):
            assert time.monotonic() < ends, "there is still one replica"
            time.sleep(0.2)
        assert all(f'medzoo_tokens_total{{replica="{n}"}}' in told for n in (0, 1))
        anew = re.findall(r'^medzoo_begun_anew_total{why="(\w+)"} (\S+)', told, re.MULTILINE)
        assert {why for why, count in anew if float(count)} >= {"lost", "silent"}
        assert "medzoo_replicas_gone_total 0.0" not in told
        assert client.get("/readyz").status_code == 200
        listed = client.get("/v1/adapters").json()["adapters"]
    assert len(listed) == REPOS + 1
    assert not {*trial.killed} & {*trial.replicas()}
    assert "resident" in {one["state"] for one in listed}


def test_what_was_asked_is_in_no_file_of_the_clusters(trial):
    (folder,) = trial.folders
    files = [*folder.rglob("*"), *Path("/dev/shm").rglob("*"), trial.server.log]
    read = [path for path in files if path.is_file() and not path.is_symlink() and os.access(path, os.R_OK)]
    assert any("replica" in path.name for path in read)
    assert [path for path in read if MARK in path.read_bytes()] == []


def test_other_machines_reach_one_port_of_each_replica_and_no_other(trial):
    mine = {trial.server.child.pid, *below(trial.server.child.pid)}
    every = psutil.net_connections("tcp")
    heard = {one.laddr for one in every if one.pid in mine and one.status == psutil.CONN_LISTEN}
    beyond = [one for one in heard if not one.ip.removeprefix("::ffff:").startswith("127.")]
    assert len(heard) > len(beyond) == 2, sorted(heard)


def test_it_ends_with_nothing_left(trial):
    mine = set(below(trial.server.child.pid))
    trial.server.child.send_signal(signal.SIGTERM)
    assert trial.server.child.wait(LIMIT_S) == 0, trial.server.log.read_text()[-3000:]
    ends = time.monotonic() + LIMIT_S
    while living(mine):
        assert time.monotonic() < ends, f"left: {living(mine)}"
        time.sleep(0.1)
    assert [folder for folder in trial.folders if folder.exists()] == []
