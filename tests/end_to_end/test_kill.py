"""A server that is killed under load comes back from what is on its disk, though the Hub is gone."""

import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.serving.soak.clients import scan_uri
from tests.serving.soak.fingerprints import Forge
from tests.serving.soak.processes import served
from tests.serving.soak.shelf import Shelf, alias
from zoo.bases import get_base
from zoo.localhub.server import serving
from zoo.vlm.model import load_base

REPOS = 3
LIMIT_S = 120
"""How long an answer may take before a test that hangs ends."""
pytestmark = pytest.mark.slow


def test_a_server_killed_under_load_is_ready_again_from_its_cache_with_the_hub_off(tmp_path: Path) -> None:
    words = [word for number in range(REPOS) for word in ("--adapter", f"soak/a{number:02}")]
    words = ["serve", *words, "--port", "0", "--no-page", "--device", "cpu", "--slots", "2"]
    environment = {"HF_HOME": str(tmp_path / "cache"), "HF_TOKEN": "local"}
    body = {"images": [scan_uri(0)], "question": "What is shown?"}
    log = tmp_path / "server.log"
    with serving(tmp_path / "hub") as hub:
        shelf = Shelf(hub, Forge(load_base(get_base("phantom"))), tmp_path / "made", repos=REPOS, versions=1)
        names = [alias(repo) for repo in shelf.names]
        words += ["--hub", hub]

        def load(url: str, number: int) -> None:
            try:
                while True:
                    pair = [names[number], names[number - 1]]
                    told = httpx.post(
                        f"{url}/v1/compare", json={**body, "adapters": pair}, trust_env=False, timeout=LIMIT_S
                    )
                    answered.append((number, told.status_code, told.json().get("error")))
            except httpx.TransportError:
                return  # the server is dead

        answered: list[tuple[int, int, object]] = []
        with served(words, log, module="zoo", environment=environment) as server:
            shelf.publish()
            threads = [threading.Thread(target=load, args=(server.url, number)) for number in range(REPOS)]
            for thread in threads:
                thread.start()
            while len(answered) < 10 or {number for number, *_ in answered} != set(range(REPOS)):
                assert any(thread.is_alive() for thread in threads), log.read_text()
                time.sleep(0.05)  # the Hub is a thread of this very process
            server.child.kill()
            for thread in threads:
                thread.join()
        assert [one for one in answered if one[1:] != (200, None)] == []
    with served(words, log, module="zoo", environment=environment) as server:
        assert httpx.get(f"{server.url}/readyz", trust_env=False, timeout=LIMIT_S).status_code == 200
        for repo in shelf.names:
            newest = shelf.commits[repo][-1]
            told = httpx.post(
                f"{server.url}/v1/compare",
                json={**body, "adapters": [alias(repo)]},
                trust_env=False,
                timeout=LIMIT_S,
            )
            (answer,) = told.json()["answers"]
            assert (answer["sha"], answer["digest"]) == (newest.sha, newest.fingerprint.digest)
            assert answer["text"] == newest.fingerprint.says(answer["tokens"])
            assert answer["hub_unreachable"] is True
