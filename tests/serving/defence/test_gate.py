import base64
import hashlib

import pytest
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from serving.defence.callers import Callers
from serving.defence.gate import Gate
from serving.defence.keys import KeyFile, add_key, new_key
from serving.defence.pace import Pace, Quota
from tests.serving.defence.conftest import behind, refuse

HERE = ("127.0.0.1", 50000)
"""A client on this machine."""
AWAY = ("10.1.2.3", 50000)


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def tokens(tmp_path):
    """Keys of each role by its name, in a file."""
    found = {}
    for role in ("read", "annotate", "admin"):
        found[role], key = new_key(f"{role}er", role)
        add_key(tmp_path / "keys", key)
    return found


@pytest.fixture
def client_of(tmp_path):
    """Call it for a client of an application behind a gate; with `keys`, those of `tokens`."""

    def make(*, keys=False, hosts=(), address=HERE, base="http://127.0.0.1:7860", quota=None, clock=None):
        app = behind()
        file = KeyFile(tmp_path / "keys") if keys else None
        pace = Pace(quota or Quota(per_minute=60, burst=50, at_once=50))
        clock = {"clock": clock} if clock else {}
        app.add_middleware(Gate, callers=Callers(keys=file, hosts=hosts), pace=pace, refuse=refuse, **clock)
        return TestClient(app, client=address, base_url=base)

    return make


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def basic(token):
    return {"Authorization": "Basic " + base64.b64encode(f"anyone:{token}".encode()).decode()}


def test_without_keys_a_client_of_this_machine_may_do_everything(client_of):
    reply = client_of().post("/v1/load_lora_adapter", content=b"abc")
    assert reply.json() == {"client": "local", "role": "admin", "bytes": 3}


@pytest.mark.parametrize("name", ["localhost", "localhost.", "127.0.0.1", "127.0.0.2", "[::1]"])
def test_without_keys_this_machine_goes_by_its_own_names(client_of, name):
    assert client_of(base=f"http://{name}:7860").get("/v1/models").status_code == 200


@pytest.mark.parametrize(
    ("address", "host", "headers", "reason"),
    [
        (AWAY, "127.0.0.1", {}, "this server has no keys, so it serves its own machine alone"),
        (
            ("::ffff:10.1.2.3", 1),
            "127.0.0.1",
            {},
            "this server has no keys, so it serves its own machine alone",
        ),
        (HERE, "rebound.evil.test", {}, "this server has no such name as the Host header's"),
        (HERE, "127.0.0.1.evil.test", {}, "this server has no such name as the Host header's"),
        (HERE, "10.1.2.3", {}, "this server has no such name as the Host header's"),
        *(
            (HERE, "127.0.0.1", {name: value}, "this server has no keys, and a proxy stands before it")
            for name, value in {
                "X-Forwarded-For": "10.1.2.3",
                "X-Forwarded-Proto": "https",
                "X-Original-Forwarded-For": "10.1.2.3",
                "Forwarded": "for=10.1.2.3",
                "Via": "1.1 proxy",
                "X-Real-IP": "127.0.0.1",
                "CF-Connecting-IP": "10.1.2.3",
                "True-Client-IP": "10.1.2.3",
            }.items()
        ),
    ],
)
def test_without_keys_another_machine_is_refused_by_whatever_way_it_comes(
    client_of, address, host, headers, reason
):
    reply = client_of(address=address, base=f"http://{host}:7860").get("/v1/models", headers=headers)
    assert (reply.status_code, reply.json()["error"]) == (403, reason)


def test_a_name_that_the_operator_gave_is_this_server_s(client_of):
    client = client_of(hosts=("zoo.example:443",), base="https://ZOO.example")
    assert client.get("/v1/models").status_code == 200


@pytest.mark.parametrize("keys", [False, True])
@pytest.mark.parametrize(
    "origin",
    ["http://evil.test", "null", "http://localhost:7860", "http://127.0.0.1:3000", "http://127.0.0.1", "x"],
)
def test_another_site_s_page_is_refused_and_no_word_of_sharing_is_said(client_of, tokens, keys, origin):
    client = client_of(keys=keys)
    headers = {"Origin": origin, **bearer(tokens["admin"])}
    for method in ("POST", "GET", "OPTIONS"):
        reply = client.request(method, "/v1/compare", headers=headers)
        assert (reply.status_code, reply.json()["error"]) == (
            403,
            "the request comes from another site's page",
        )
        assert not [name for name in reply.headers if name.startswith("access-control")]


def test_the_server_s_own_page_is_let_in_also_behind_a_proxy_that_is_known(client_of, tokens):
    own = client_of().post("/gradio_api/queue/join", headers={"Origin": "http://127.0.0.1:7860"})
    assert own.status_code == 200
    proxied = client_of(keys=True, hosts=("zoo.example",))
    headers = {"Origin": "https://zoo.example", **basic(tokens["read"])}
    assert proxied.post("/gradio_api/queue/join", headers=headers).status_code == 200


def test_a_key_says_who_asks_from_any_machine(client_of, tokens):
    client = client_of(keys=True, address=AWAY, base="http://zoo.example")
    for role, token in tokens.items():
        reply = client.post("/v1/compare", headers=bearer(token))
        assert reply.json() == {"client": f"{role}er", "role": role, "bytes": 0}
    assert client.get("/healthz").json()["client"] is None


def test_no_key_or_a_wrong_one_is_told_how_to_send_one(client_of, tokens):
    client = client_of(keys=True)
    wrong = [{}, bearer("mz_x"), bearer(""), {"Authorization": tokens["read"]}]
    wrong += [{"Authorization": f"Basic {tokens['read']}"}, {"Authorization": "Basic ünicode".encode()}]
    for headers in wrong:
        reply = client.get("/v1/models", headers=headers)
        assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer")
        assert reply.json()["error"] == "a key is needed, and there was none or an unknown one"
    twice = [("Authorization", f"Bearer {tokens['read']}"), ("Authorization", f"Bearer {tokens['admin']}")]
    assert client.get("/v1/models", headers=twice).status_code == 401


def test_a_browser_sends_a_key_as_its_password_to_the_page_and_never_to_the_api(client_of, tokens):
    client = client_of(keys=True)
    asked = client.get("/")
    assert (asked.status_code, asked.headers["www-authenticate"]) == (
        401,
        'Basic realm="a key is the password"',
    )
    assert client.get("/", headers=basic(tokens["read"])).json()["client"] == "reader"
    assert client.get("/v1/models", headers=basic(tokens["read"])).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "may"),
    [
        ("GET", "/v1/models", "read annotate admin"),
        ("POST", "/v1/compare", "read annotate admin"),
        ("POST", "/v1/chat/completions", "read annotate admin"),
        ("POST", "/gradio_api/queue/join", "read annotate admin"),
        ("POST", "/v1/annotations", "annotate admin"),
        ("DELETE", "/v1/annotations/7", "annotate admin"),
        ("POST", "/v1/load_lora_adapter", "admin"),
        ("POST", "/v1/unload_lora_adapter", "admin"),
        ("POST", "/v1//compare", "read annotate admin"),
        ("POST", "/v1/embeddings", "read annotate admin"),
        ("POST", "/whatever/comes", "admin"),
        ("POST", "/v1", "admin"),
    ],
)
def test_a_role_does_what_it_may_and_what_the_api_has_not_is_told_to_all(
    client_of, tokens, method, path, may
):
    client = client_of(keys=True)
    allowed = []
    for role, token in tokens.items():
        reply = client.request(method, path, headers=bearer(token))
        if reply.status_code == 200:
            allowed.append(role)
        else:
            needed = may.split()[0]
            reason = f"the key '{role}er' has the role {role}, and this needs {needed}"
            assert (reply.status_code, reply.json()["error"]) == (403, reason)
    assert allowed == may.split()


def test_a_key_that_asks_too_much_is_told_when_to_come_again_and_others_are_not_held_up(client_of, tokens):
    clock = Clock()
    client = client_of(keys=True, quota=Quota(per_minute=60, burst=2, at_once=9), clock=clock)
    headers = bearer(tokens["read"])
    told = []
    for _ in range(3):
        reply = client.get("/v1/models", headers=headers)
        names = ("limit", "remaining", "reset")
        told.append((reply.status_code, *(reply.headers[f"x-ratelimit-{one}-requests"] for one in names)))
    assert told == [(200, "60", "1", "1s"), (200, "60", "0", "2s"), (429, "60", "0", "2s")]
    assert reply.json()["error"] == "the key 'reader' asks too much at once"
    assert client.get("/assets/page.js", headers=basic(tokens["read"])).status_code == 200
    assert client.get("/v1/models", headers=bearer(tokens["admin"])).status_code == 200
    clock.now += 1
    assert client.get("/v1/models", headers=headers).status_code == 200


def test_what_an_application_raises_gives_its_place_back(client_of, tokens, monkeypatch):
    client = client_of(keys=True, quota=Quota(per_minute=6000, burst=99, at_once=1))
    monkeypatch.setattr("fastapi.Request.body", lambda self: {}["broken"])
    for _ in range(3):
        with pytest.raises(KeyError):
            client.post("/v1/compare", headers=bearer(tokens["read"]))


def test_the_page_s_parts_and_streams_of_one_key_are_bounded_and_give_their_places_back(
    client_of, tokens, monkeypatch
):
    client = client_of(keys=True, quota=Quota(per_minute=60, burst=9, at_once=1))
    monkeypatch.setattr("serving.defence.pace.LOOKS_AT_ONCE", 0)
    assert client.get("/gradio_api/queue/data", headers=basic(tokens["read"])).status_code == 429
    monkeypatch.setattr("serving.defence.pace.LOOKS_AT_ONCE", 1)
    for _ in range(3):
        assert client.get("/gradio_api/queue/data", headers=basic(tokens["read"])).status_code == 200


def test_a_file_of_keys_that_breaks_lets_nobody_in(client_of, tokens, tmp_path):
    client = client_of(keys=True)
    (tmp_path / "keys").chmod(0o644)
    reply = client.get("/v1/models", headers=bearer(tokens["admin"]))
    assert reply.json()["error"] == "the server cannot read its keys"


def test_a_websocket_is_not_spoken(client_of):
    with pytest.raises(WebSocketDisconnect), client_of().websocket_connect("/ws"):
        pass


def test_a_key_is_compared_by_its_salted_hash(tokens, tmp_path):
    line = (tmp_path / "keys").read_text().splitlines()[1]
    name, role, salt, digest = line.split()
    assert (name, role) == ("reader", "read")
    assert hashlib.sha256(bytes.fromhex(salt) + tokens["read"].encode()).hexdigest() == digest
