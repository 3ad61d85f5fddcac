"""Two whole servers behind Caddy, by the lines of docs/several-servers.md: any server answers REST, a page
stays at one, words come as they are made, and who has signed in is so at both."""

import json
import re
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import httpx
import pytest

from tests._caddy import LIMIT_S, caddy, needs_caddy
from tests._ports import free_port
from tests.container._dockerfile import ROOT
from tests.serving.soak.processes import served

pytestmark = [pytest.mark.slow, needs_caddy]
PASSWORD = "the chief has five words"


def written(addresses, *, port):
    """The document's lines for Caddy, with this test's servers."""
    text = (ROOT / "docs" / "several-servers.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```caddy\n(.*?)```", text, re.DOTALL)
    assert "one:7860 two:7860" in block
    block = block.replace("one:7860 two:7860", " ".join(addresses))
    return f"{{\n\tadmin off\n\tauto_https off\n}}\nhttp://127.0.0.1:{port} {{\n{block}}}\n"


@contextmanager
def balancer(addresses, folder):
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with caddy(
        folder,
        written(addresses, port=port),
        answers=lambda: httpx.get(f"{address}/readyz", trust_env=False),
    ):
        yield address


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """The balancer's address, both servers, and a key."""
    folder = tmp_path_factory.mktemp("balanced")
    database = str(folder / "all.db")

    def medzoo(*words, said=""):
        command = [sys.executable, "-m", "zoo", *words]
        return subprocess.run(command, input=said, check=True, capture_output=True, text=True).stdout.strip()

    key = medzoo("keys", "new", "ward", "--shared", database)
    medzoo(
        "accounts", "new", "chief", "--role", "administrator", "--annotations", database, said=f"{PASSWORD}\n"
    )
    environment = {"MEDZOO_SHARED": database, "MEDZOO_ANNOTATIONS": database, "HF_HUB_OFFLINE": "1"}
    environment |= {"MEDZOO_PROXY_ADDRESSES": "127.0.0.1"}
    words = ["serve", "--port", "0", "--device", "cpu", "--hub", "http://127.0.0.1:9"]
    with ExitStack() as stack:
        servers = [
            stack.enter_context(served(words, folder / f"log-{n}", module="zoo", environment=environment))
            for n in range(2)
        ]
        addresses = [one.url.removeprefix("http://") for one in servers]
        address = stack.enter_context(balancer(addresses, folder))

        def client(**options):
            return stack.enter_context(
                httpx.Client(base_url=address, trust_env=False, timeout=LIMIT_S, **options)
            )

        yield SimpleNamespace(client=client, servers=servers, key={"Authorization": f"Bearer {key}"})


def answered(server):
    """Requests that a server has told of in its log."""
    return server.log.read_text().count("medzoo.requests")


def test_any_server_answers_a_program(service):
    before = [answered(one) for one in service.servers]
    for _ in range(20):
        assert service.client(headers=service.key).get("/v1/models").status_code == 200
    assert [answered(one) > was for one, was in zip(service.servers, before, strict=True)] == [True, True]


def test_who_signs_in_is_so_at_both_servers_and_a_page_stays_at_one(service):
    browser = service.client()
    form = {"name": "chief", "password": PASSWORD, "to": "/"}
    assert browser.post("/sign-in", data=form).status_code == 303
    as_the_balancer = {"X-Forwarded-For": "192.0.2.9", "X-Forwarded-Proto": "http"}
    as_the_balancer |= {"Cookie": f"medzoo_session={browser.cookies['medzoo_session']}"}
    for one in service.servers:
        me = httpx.get(f"{one.url}/v1/annotations/me", headers=as_the_balancer, trust_env=False)
        assert me.json()["name"] == "chief"
    compare = next(
        one["id"] for one in browser.get("/config").json()["dependencies"] if len(one["inputs"]) == 5
    )
    for number in range(8):
        asked = {"data": ["[]", "What is shown?", "", ["base"], ""], "fn_index": compare}
        asked |= {"session_hash": f"page-{number}"}
        browser.post("/gradio_api/queue/join", json=asked).raise_for_status()
        heard = []
        with browser.stream(
            "GET", "/gradio_api/queue/data", params={"session_hash": f"page-{number}"}
        ) as events:
            heard += [json.loads(line[5:])["msg"] for line in events.iter_lines() if line.startswith("data:")]
        assert "process_completed" in heard


@contextmanager
def one_word_at_a_time(heard):
    """A server that says its second word once the first was heard, and gives up if it is not."""

    class Words(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream" if self.path == "/words" else "text/plain")
            self.end_headers()
            if self.path == "/words":
                self.wfile.write(b"data: first\n\n")
                if heard.wait(LIMIT_S):
                    self.wfile.write(b"data: second\n\n")

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Words) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        heard.set()
        server.shutdown()


def test_words_come_as_they_are_made(tmp_path):
    heard = threading.Event()
    with (
        one_word_at_a_time(heard) as server,
        balancer([server], tmp_path) as address,
        httpx.stream("GET", f"{address}/words", trust_env=False, timeout=LIMIT_S / 2) as reply,
    ):
        words = reply.iter_lines()
        assert next(words) == "data: first"
        heard.set()
        assert "data: second" in words
