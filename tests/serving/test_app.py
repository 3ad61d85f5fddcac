import base64
from types import SimpleNamespace

import openai
import pytest
from fastapi.testclient import TestClient

from serving.app import build_app
from serving.defence.callers import ASKING, LOADING, Callers
from serving.defence.keys import KeyFile, add_key, new_key
from serving.defence.pace import Pace, Quota
from serving.defence.wall import Defence
from zoo.images import Limits


@pytest.fixture
def tokens(tmp_path):
    found = {}
    for role in ("read", "admin"):
        found[role], key = new_key(f"{role}er", role)
        add_key(tmp_path / "keys", key)
    return SimpleNamespace(**found)


@pytest.fixture
def client(rig, tokens, tmp_path):
    """The whole application, page and all, behind keys."""
    defence = Defence(
        callers=Callers(keys=KeyFile(tmp_path / "keys")),
        pace=Pace(Quota(per_minute=1, burst=30, at_once=9)),
    )
    app = build_app(rig.service, limits=Limits(max_bytes=30_000), defence=defence)
    with TestClient(app, base_url="http://zoo.example", client=("10.1.2.3", 5)) as client:
        yield client


def basic(token):
    return {"Authorization": "Basic " + base64.b64encode(f"me:{token}".encode()).decode()}


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_openai_s_client_knows_a_missing_key_a_small_role_and_too_much_by_their_errors(client, tokens):
    def asking(key):
        return openai.OpenAI(base_url="http://zoo.example/v1", api_key=key, http_client=client, max_retries=0)

    with pytest.raises(openai.AuthenticationError) as no_key:
        asking("wrong").models.list()
    assert no_key.value.body["code"] == "invalid_api_key"
    assert no_key.value.body["hint"].startswith("send the header Authorization: Bearer KEY")
    with pytest.raises(openai.PermissionDeniedError, match="has the role read, and this needs admin"):
        asking(tokens.read).post("/load_lora_adapter", cast_to=object, body={})
    for _ in range(30):
        assert next(iter(asking(tokens.read).models.list())).id == "base"
    with pytest.raises(openai.RateLimitError) as busy:
        asking(tokens.read).models.list()
    assert busy.value.response.headers["retry-after"] in ("59", "60")
    assert busy.value.response.headers["x-ratelimit-limit-requests"] == "1"


def test_the_page_opens_with_a_key_as_its_password_and_works_with_it(client, tokens):
    asked = client.get("/")
    assert (asked.status_code, asked.headers["www-authenticate"][:5]) == (401, "Basic")
    page = client.get("/", headers=basic(tokens.read))
    assert "<html" in page.text
    assert client.get("/config", headers=basic(tokens.read)).status_code == 200
    own = {"Origin": "http://zoo.example", **basic(tokens.read)}
    join = {"data": [], "fn_index": 0, "session_hash": "s"}
    assert client.post("/gradio_api/queue/join", json=join, headers=own).status_code == 200
    assert client.post("/gradio_api/queue/join", json=join).status_code == 401


@pytest.mark.parametrize(
    "path", ["/", "/config", "/gradio_api/info", "/v1/models", "/v1/nowhere", "/healthz", "/metrics"]
)
def test_every_reply_is_for_no_other_site_and_says_so(client, tokens, path):
    headers = bearer(tokens.read)
    replies = [
        client.get(path),
        client.get(path, headers=headers),
        client.get(path, headers={"Origin": "http://zoo.example", **headers}),
        client.get(path, headers={"Origin": "http://evil.test", **headers}),
        client.options(path, headers={"Origin": "http://evil.test", "Access-Control-Request-Method": "POST"}),
    ]
    for reply in replies:
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert reply.headers["cross-origin-resource-policy"] == "same-origin"
        policy = reply.headers["content-security-policy"]
        if path in ("/", "/config", "/gradio_api/info"):
            assert policy.startswith("default-src 'self'") or reply.status_code in (401, 403)
        else:
            assert policy == "default-src 'none'; frame-ancestors 'none'"
        assert not [name for name in reply.headers if name.startswith("access-control")]
        assert "server" not in reply.headers
        assert len(reply.headers["x-request-id"]) == 16
        if path.startswith("/v1/"):
            assert reply.headers["cache-control"] == "no-store"


def test_every_route_that_changes_something_is_listed_with_its_role(client, tokens):
    paths = client.get("/openapi.json", headers=basic(tokens.read)).json()["paths"]
    changing = {path for path, methods in paths.items() if set(methods) - {"get"}}
    assert changing == {*ASKING, *LOADING}


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("POST", "/v1/embeddings", 404, None),
        ("GET", "/v1/nowhere/at/all", 404, None),
        ("PUT", "/v1/models", 405, "GET"),
        ("GET", "/v1/compare", 405, "POST"),
        ("PROPFIND", "/v1/chat/completions", 405, "POST"),
        ("POST", "/v1/chat/completions/", 404, None),
        ("POST", "/metrics", 405, "GET"),
    ],
)
def test_what_the_api_has_not_is_told_in_its_own_form_beside_the_page(
    client, tokens, method, path, status, allow
):
    reply = client.request(method, path, headers=bearer(tokens.admin))
    assert (reply.status_code, reply.headers.get("allow")) == (status, allow)
    assert reply.json()["error"]["type"] == "HttpError"
    if path.startswith("/v1/"):
        assert client.request(method, path, headers=bearer(tokens.read)).status_code == status


def test_a_body_is_bounded_on_every_route_and_not_looked_at_without_a_key(client, tokens):
    body = b"x" * 2_000_000
    headers = {"Content-Type": "application/json", **bearer(tokens.admin)}
    for path in ("/v1/load_lora_adapter", "/v1/compare", "/v1/chat/completions"):
        assert client.post(path, content=body).status_code == 401
        stated = client.post(path, content=body, headers=headers)
        assert (stated.status_code, stated.json()["error"]["type"]) == (413, "ImageTooLarge")
        chunked = client.post(path, content=iter([body]), headers=headers)
        assert (chunked.status_code, chunked.json()["error"]["type"]) == (413, "ImageTooLarge")


def test_images_by_address_are_fetched_only_by_what_the_operator_put_there(rig, tokens, tmp_path, png):
    class Remote:
        async def fetch(self, url):
            asked.append(url)
            return png

    asked = []
    content = [
        {"type": "image_url", "image_url": {"url": "https://images.test/scan.png"}},
        {"type": "text", "text": "Q"},
    ]
    body = {"model": "base", "messages": [{"role": "user", "content": content}]}
    for remote, status in ((None, 403), (Remote(), 200)):
        pace = Pace(Quota(per_minute=60, burst=30, at_once=9))
        defence = Defence(callers=Callers(keys=KeyFile(tmp_path / "keys")), pace=pace, remote=remote)
        with TestClient(build_app(rig.service, page=False, defence=defence)) as client:
            reply = client.post("/v1/chat/completions", json=body, headers=bearer(tokens.read))
            assert reply.status_code == status
    assert asked == ["https://images.test/scan.png"]


def test_who_asks_reaches_the_engine_by_the_name_of_the_key(client, rig, tokens, png, monkeypatch):
    seen, submit = [], rig.engine.submit

    def noting(work, *more):
        seen.append(work.client)
        return submit(work, *more)

    monkeypatch.setattr(rig.engine, "submit", noting)
    for token in (tokens.read, tokens.admin):
        fields = {"question": "Q", "adapters": "base"}
        reply = client.post("/v1/compare", data=fields, files={"image": png}, headers=bearer(token))
        assert reply.status_code == 200
    assert seen == ["reader", "adminer"]
