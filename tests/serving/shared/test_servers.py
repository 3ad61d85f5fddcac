"""Two whole servers behind one database: what is done at one holds at the other."""

import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

import httpx
import pytest

from tests._adapters import random_adapter
from tests.serving.annotations.postgres import postgres, programs
from tests.serving.soak.processes import served
from tests.serving.test_no_traces import png
from zoo.bases import get_base
from zoo.hub_publish import publish_folder
from zoo.localhub.server import serving
from zoo.vlm.model import load_base

LIMIT_S = 300
COMMITS = 6
A_MINUTE = 10


@contextmanager
def shared_in(kind, folder):
    """Where an empty database is."""
    if kind == "sqlite":
        yield str(folder / "shared.db")
    elif programs() is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    else:
        with postgres() as url:
            yield url


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def two(request, tmp_path_factory):
    """Two servers, a Hub with several commits of one adapter, and what makes keys."""
    folder = tmp_path_factory.mktemp("two")
    cache = folder / "adapters"
    cache.mkdir()
    vlm, digests = load_base(get_base("phantom")), {}
    with ExitStack() as stack:
        hub = stack.enter_context(serving(folder / "hub"))
        shas = []
        for seed in range(COMMITS):
            manifest = random_adapter(folder / f"made-{seed}", vlm, seed=seed, spread=0.3)
            shas.append(publish_folder(folder / f"made-{seed}", "me/mdpo", message="new", endpoint=hub))
            digests[shas[-1]] = manifest.weights_sha256
        where = stack.enter_context(shared_in(request.param, folder))

        def keys(*words):
            command = [sys.executable, "-m", "zoo", "keys", *words, "--shared", where]
            return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

        def start(number, **environment):
            places = {"HF_HOME": str(folder / f"hf-{number}"), "HF_TOKEN": "local", "MEDZOO_SHARED": where}
            places |= {"MEDZOO_SHARED_CACHE": str(cache)}
            places |= {"MEDZOO_ALLOW": "me/*", "MEDZOO_BURST": "100000"}
            places |= {"MEDZOO_REQUESTS_PER_MINUTE": "1000000"} | environment
            words = ["serve", "--port", "0", "--device", "cpu", "--hub", hub, "--no-page"]
            words += ["--adapter", f"me/mdpo@{shas[0]}"]
            return served(words, folder / f"log-{number}", module="zoo", environment=places)

        admin = keys("new", "root", "--role", "admin")
        a, b = (stack.enter_context(start(number)) for number in range(2))

        def client(server, key):
            opened = httpx.Client(
                base_url=server.url,
                trust_env=False,
                timeout=LIMIT_S,
                headers={"Authorization": f"Bearer {key}"},
            )
            return stack.enter_context(opened)

        yield SimpleNamespace(
            a=client(a, admin), b=client(b, admin), client=client, keys=keys, start=start, servers=(a, b),
            shas=shas, digests=digests, cache=cache,
        )  # fmt: skip


def ask(client, adapter="base", tokens=2):
    return client.post(
        "/v1/compare",
        data={
            "question": "Describe the findings of this scan.",
            "adapters": adapter,
            "max_tokens": str(tokens),
        },
        files={"image": ("scan.png", png())},
    )


def the_answer(client, adapter):
    """What one adapter says, and who it is."""
    (said,) = ask(client, adapter, tokens=8).json()["answers"]
    return said


def load(client, name, path, *, replace=False):
    body = {"lora_name": name, "lora_path": path, "load_inplace": replace}
    return client.post("/v1/load_lora_adapter", json=body)


def test_a_name_that_is_moved_at_one_server_is_moved_at_the_other_whatever_is_asked_meanwhile(two):
    """Every answer is of one commit in its words and digest, and of none that the name left before."""
    words = {sha: the_answer(two.a, f"me/mdpo@{sha}")["text"] for sha in two.shas}
    assert len(set(words.values())) == len(two.shas)
    assert load(two.a, "now", f"me/mdpo@{two.shas[0]}").status_code == 200
    stands, wrong, asked, ended = [0], [], [], threading.Event()

    def go_on_asking():
        while not ended.is_set():
            before = stands[0]
            said = the_answer(two.b, "now")
            allowed = two.shas[before : stands[0] + 2]  # the next move may be done and not answered yet
            whole = said["digest"] == two.digests[said["sha"]] and said["text"] == words[said["sha"]]
            asked.append(said["sha"])
            if said["sha"] not in allowed or not whole:
                wrong.append((before, stands[0], said))

    asking = threading.Thread(target=go_on_asking)
    asking.start()
    try:
        for move, sha in list(enumerate(two.shas))[1:]:
            assert load(two.a, "now", f"me/mdpo@{sha}", replace=True).status_code == 200
            stands[0] = move
            assert the_answer(two.b, "now")["sha"] == sha
    finally:
        ended.set()
        asking.join(LIMIT_S)
    assert asked
    assert wrong == []
    assert {path.name for path in two.cache.glob("*/published/me--mdpo/*")} == set(two.shas)


def test_a_name_that_is_taken_away_at_one_server_is_unknown_at_the_other(two):
    assert load(two.b, "brief", f"me/mdpo@{two.shas[0]}").status_code == 200
    assert ask(two.a, "brief").status_code == 200
    assert two.a.post("/v1/unload_lora_adapter", json={"lora_name": "brief"}).status_code == 200
    gone = ask(two.b, "brief")
    assert (gone.status_code, gone.json()["error"]["type"]) == (404, "UnknownName")


def test_a_key_that_is_taken_back_is_refused_by_both(two):
    ana = two.keys("new", "ana")
    clients = [two.client(server, ana) for server in two.servers]
    assert [one.get("/v1/models").status_code for one in clients] == [200, 200]
    two.keys("rm", "ana")
    assert [one.get("/v1/models").status_code for one in clients] == [401, 401]
    assert two.keys("ls") == "root\tadmin"


@pytest.mark.slow  # two servers more
def test_ten_a_minute_are_ten_at_both_together(two):
    ben = two.keys("new", "ben")
    quota = {"MEDZOO_BURST": str(A_MINUTE), "MEDZOO_REQUESTS_PER_MINUTE": "1"}
    with two.start("c", **quota) as c, two.start("d", **quota) as d:
        clients = [two.client(server, ben) for server in (c, d)]
        statuses = [clients[n % 2].get("/v1/models").status_code for n in range(2 * A_MINUTE)]
    two.keys("rm", "ben")
    assert statuses == [200] * A_MINUTE + [429] * A_MINUTE


@pytest.mark.slow  # as long as a killed server counts as alive
def test_what_a_server_was_asked_when_it_was_killed_stops_counting(two):
    eve = two.keys("new", "eve")
    quota = {"MEDZOO_MAX_CONCURRENT": "1"}
    with two.start("e", **quota) as e, two.start("f", **quota) as f:
        key, other = f"Authorization: Bearer {eve}", two.client(f, eve)
        address = httpx.URL(e.url)
        with socket.create_connection((address.host, address.port), timeout=LIMIT_S) as asking:
            head = f"POST /v1/compare HTTP/1.1\r\nHost: {address.host}\r\n{key}\r\nContent-Length: 9\r\n"
            asking.sendall(f"{head}Content-Type: application/json\r\nExpect: 100-continue\r\n\r\n".encode())
            assert asking.recv(64).startswith(b"HTTP/1.1 100")  # it is let in: somebody waits for the body
            assert other.get("/v1/models").status_code == 429
            e.child.kill()
            ends = time.monotonic() + LIMIT_S
            while (status := other.get("/v1/models").status_code) == 429:
                assert time.monotonic() < ends, "it counts for ever"
                time.sleep(0.2)
    two.keys("rm", "eve")
    assert status == 200
