"""Who signs in, who is let in by that, and all that somebody else could try."""

import asyncio
import base64
import hashlib
import logging
import re
import shutil
import threading
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient
from sqlalchemy import update

from serving.annotations import accounts as module
from serving.annotations.desk import Desk
from serving.annotations.passwords import LOOKERS, WAITING
from serving.annotations.people import People
from serving.annotations.schema import sessions
from serving.app import build_app
from serving.defence.callers import Callers
from serving.defence.keys import KeyFile, add_key, new_key
from serving.defence.pace import Pace, Quota
from serving.defence.proxies import Proxies, read_addresses
from serving.defence.wall import Defence, put_around
from serving.ui.form_page import MOST_BYTES
from tests.serving.defence.conftest import behind, refuse

PASSWORDS = {"ana": "ana has four words", "chief": "the chief has five words"}
URL = "http://ward-pc:7860"
AWAY = ("10.1.2.3", 50000)
PROXY = ("10.1.0.1", 50000)
PAGE = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A database with a rater and an administrator, whose passwords are looked at in a moment."""
    path = tmp_path_factory.mktemp("prepared") / "ratings.db"
    with pytest.MonkeyPatch.context() as patch:
        hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        patch.setattr(module, "_HASHER", hasher)
        patch.setattr(module, "_NOBODY", hasher.hash("nobody"))
        desk = Desk(str(path))
        desk.accounts.add("ana", "rater", PASSWORDS["ana"])
        desk.accounts.add("chief", "administrator", PASSWORDS["chief"])
        desk.close()
        yield path


@pytest.fixture
def desk(prepared, tmp_path):
    """A desk of its own for each test."""
    desk = Desk(str(shutil.copy(prepared, tmp_path / "ratings.db")))
    yield desk
    desk.close()


@pytest.fixture
def token(tmp_path):
    """A key of the role admin, in the file of keys."""
    token, key = new_key("program", "admin")
    add_key(tmp_path / "keys", key)
    return token


@pytest.fixture
def app_of(rig, desk, tmp_path):
    """Call it for the application behind its defence."""

    def make(*, keys=False, page=False, hosts=(), proxies=None, quota=None, **defence):
        callers = Callers(
            keys=KeyFile(tmp_path / "keys") if keys else None,
            hosts=hosts,
            people=People(desk.accounts),
            proxies=proxies,
        )
        pace = Pace(quota or Quota(per_minute=6000, burst=6000, at_once=50))
        return build_app(
            rig.service, page=page, desk=desk, defence=Defence(callers=callers, pace=pace, **defence)
        )

    return make


@pytest.fixture
def client_of(app_of):
    """Call it for a browser's client, by default on another machine of the ward."""

    def make(*, address=AWAY, url=URL, **options):
        return TestClient(app_of(**options), client=address, base_url=url, follow_redirects=False)

    return make


@pytest.fixture
def client(client_of):
    return client_of()


def sign_in(client, name="ana", password=None, *, to="/", headers=None):
    form = {"name": name, "password": PASSWORDS.get(name, "") if password is None else password, "to": to}
    return client.post("/sign-in", data=form, headers=headers)


def status(client, method="GET", path="/v1/models", **options):
    return client.request(method, path, **options).status_code


def test_who_signs_in_is_let_in_and_nobody_else(client):
    assert status(client) == 401
    reply = sign_in(client, to="/rate?list=7")
    assert (reply.status_code, reply.headers["location"]) == (303, "/rate?list=7")
    assert re.fullmatch(
        r"medzoo_session=[A-Za-z0-9_-]{43}; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200",
        reply.headers["set-cookie"],
    )
    assert status(client) == 200
    client.cookies.clear()
    assert status(client) == 401


def test_a_name_is_taken_as_tablets_write_it(client):
    assert sign_in(client, " Ana ", PASSWORDS["ana"]).status_code == 303


def test_this_machine_is_nobody_either_where_people_sign_in(client_of):
    here = client_of(address=("127.0.0.1", 5), url="http://127.0.0.1:7860")
    assert (status(here), status(here, "POST", "/v1/load_lora_adapter")) == (401, 401)


def test_a_page_leads_to_the_sign_in_page_and_back_and_the_rest_is_told_who_is_needed(client):
    led = client.get("/lists?open=1&x=%2F%2Fevil", headers=PAGE)
    assert (led.status_code, led.headers["location"]) == (
        303,
        "/sign-in?to=/lists%3Fopen%3D1%26x%3D%252F%252Fevil",
    )
    page = client.get(led.headers["location"])
    assert 'name="to" value="/lists?open=1&amp;x=%2F%2Fevil"' in page.text
    for method, path in (("GET", "/theme.css"), ("GET", "/config"), ("POST", "/gradio_api/queue/join")):
        reply = client.request(method, path)
        assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer")
    reply = client.get("/v1/models", headers=PAGE)
    assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer")
    assert reply.json()["error"]["message"] == "nobody is signed in, and there was no key that is known"
    assert status(client, path="/healthz") == 200


@pytest.mark.parametrize(
    "to",
    [
        *("https://evil.test/", "//evil.test/", "/\\evil.test", "\\\\evil.test", "evil.test", "javascript:x"),
        *("/\t/evil.test", "/\n/evil.test", "/a\r\nSet-Cookie: x=y", "", "/ä", "/" + "x" * 900, "/a b"),
    ],
)
def test_signing_in_leads_to_no_other_site(client, to):
    assert 'name="to" value="/"' in client.get("/sign-in", params={"to": to}).text
    reply = sign_in(client, to=to)
    assert (reply.status_code, reply.headers["location"]) == (303, "/")


def test_a_wrong_password_an_unknown_name_and_a_closed_account_are_told_alike(client, desk):
    desk.accounts.add("zoe", "rater", "zoe has four words")
    desk.accounts.close("zoe")
    told = set()
    for name, password in (("ana", "wrong"), ("bob", "wrong"), ("zoe", "zoe has four words")):
        reply = sign_in(client, name, password)
        assert "set-cookie" not in reply.headers
        told.add((reply.status_code, reply.text.replace(f'value="{name}"', "")))
    assert len(told) == 1
    ((code, page),) = told
    assert code == 401
    assert 'role="alert">Name and password do not go together.<' in page


def test_what_is_typed_cannot_change_the_page(client):
    reply = sign_in(client, '"><script>x', "wrong", to='/"><script>y')
    assert "<script" not in reply.text
    assert 'value="&quot;&gt;&lt;script&gt;x"' in reply.text


def test_the_page_needs_no_script_loads_nothing_and_keeps_nothing(client_of):
    for client in (client_of(), client_of(page=True)):
        reply = client.get("/sign-in")
        style = re.search("<style>(.*)</style>", reply.text, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        policy = reply.headers["content-security-policy"]
        assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; ")
        assert policy.endswith("form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
        assert "script" not in reply.text
        assert not re.search(r"(src|href)=\"(?!data:,)", reply.text)
        assert (reply.headers["cache-control"], reply.headers["referrer-policy"]) == (
            "no-store",
            "same-origin",
        )
        assert reply.headers["x-content-type-options"] == "nosniff"


OTHERS = [
    {"Origin": "http://evil.test"},
    {"Origin": "null"},
    {"Origin": "http://ward-pc:3000"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", OTHERS)
def test_another_site_s_page_signs_nobody_in_or_out_and_does_nothing_in_their_name(client, headers):
    assert sign_in(client, headers=headers).status_code == 403
    assert sign_in(client, headers={"Origin": URL, "Sec-Fetch-Site": "same-origin"}).status_code == 303
    for path in ("/sign-out", "/v1/compare", "/v1/annotations/cases/1/clicks", "/gradio_api/queue/join"):
        assert status(client, "POST", path, headers=headers) == 403
    assert status(client) == 200


def test_a_session_is_a_fresh_one_whatever_the_browser_brought(client, desk):
    planted = "p" * 43
    reply = sign_in(client, headers={"Cookie": f"medzoo_session={planted}"})
    first = reply.cookies["medzoo_session"]
    assert first != planted
    assert desk.accounts.find(planted) is None
    assert sign_in(client, "chief").cookies["medzoo_session"] != first
    assert desk.accounts.find(first) is None
    eve = "e" * 43
    reply = client.get("/v1/models", headers={"Cookie": f"medzoo_session={eve}; medzoo_session={first}"})
    assert reply.status_code == 401


def test_signing_out_ends_the_session_at_once_and_takes_the_cookie_away(client):
    sign_in(client)
    stolen = client.cookies["medzoo_session"]
    assert status(client) == 200
    reply = client.post("/sign-out")
    assert (reply.status_code, reply.headers["location"]) == (303, "/sign-in")
    assert reply.headers["set-cookie"].startswith(
        "medzoo_session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"
    )
    assert status(client, headers={"Cookie": f"medzoo_session={stolen}"}) == 401
    assert client.post("/sign-out").status_code == 303
    assert status(client, "GET", "/sign-out") == 405


def test_a_closed_account_another_password_and_the_session_s_end_let_nobody_in_any_more(client_of, desk):
    client = client_of()
    sign_in(client)
    assert status(client) == 200
    desk.accounts.close("ana")
    assert status(client) == 401
    sign_in(client, "chief")
    assert status(client) == 200
    desk.accounts.set_password("chief", "another five words here")
    assert status(client) == 401
    sign_in(client, "chief", "another five words here")
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat(timespec="microseconds")
    desk.database.write(lambda connection: connection.execute(update(sessions).values(ends_at=past)))
    assert (
        status(client_of(), headers={"Cookie": f"medzoo_session={client.cookies['medzoo_session']}"}) == 401
    )


@pytest.mark.parametrize(
    ("method", "path", "may"),
    [
        ("GET", "/v1/models", "ana chief"),
        ("POST", "/v1/compare", "ana chief"),
        ("POST", "/v1/annotations/cases/1/clicks", "ana chief"),
        ("POST", "/v1/load_lora_adapter", "chief"),
        ("POST", "/v1/annotations/lists", "chief"),
        ("POST", "/anything/else", "chief"),
    ],
)
def test_a_rater_asks_and_rates_and_an_administrator_does_all(client, method, path, may):
    allowed = [name for name in PASSWORDS if sign_in(client, name) and status(client, method, path) != 403]
    assert allowed == may.split()
    if may == "chief":
        sign_in(client)
        reply = client.request(method, path)
        assert reply.json()["error"]["message"] == (
            "the account 'ana' has the role annotate, and this needs admin"
        )


def test_a_key_works_beside_accounts_and_one_that_is_wrong_is_made_good_by_no_session(client_of, token):
    client = client_of(keys=True)
    bearer, wrong = {"Authorization": f"Bearer {token}"}, {"Authorization": "Bearer mz_wrong"}
    assert status(client, headers=bearer) == 200
    sign_in(client)
    assert (status(client), status(client, headers=wrong)) == (200, 401)
    assert status(client, "POST", "/v1/load_lora_adapter", headers=bearer) == 422
    basic = base64.b64encode(f"me:{token}".encode()).decode()
    assert (
        client_of(keys=True).get("/nowhere", headers={"Authorization": f"Basic {basic}"}).status_code == 404
    )


def test_where_only_keys_are_nobody_is_sent_to_a_page_that_is_not_there(rig, tmp_path, token):
    callers = Callers(keys=KeyFile(tmp_path / "keys"))
    pace = Pace(Quota(per_minute=60, burst=60, at_once=5))
    app = build_app(rig.service, page=False, defence=Defence(callers=callers, pace=pace))
    client = TestClient(app, base_url=URL, client=AWAY, follow_redirects=False)
    assert (status(client, headers=PAGE, path="/"), status(client, path="/sign-in")) == (401, 401)


def proxied(**more):
    return Proxies(addresses=read_addresses((PROXY[0],)), user_header="x-remote-user", **more)


def test_a_trusted_proxy_says_who_asks(client_of, desk, caplog):
    client = client_of(proxies=proxied(), hosts=("ward-pc",), address=PROXY)
    caplog.set_level(logging.INFO, "medzoo.requests")
    assert status(client, headers={"X-Remote-User": "Ana"}) == 200
    assert '"client": "ana"' in caplog.records[-1].getMessage()
    assert status(client, "POST", "/v1/load_lora_adapter", headers={"X-Remote-User": "ana"}) == 403
    assert status(client) == 401
    for name in ("ben", "ana, chief", "ana\x00"):
        reply = client.get("/v1/models", headers={"X-Remote-User": name})
        assert (reply.status_code, reply.json()["error"]["type"]) == (403, "NotAllowed")
    assert [(act.who, act.act, act.what) for act in desk.acts.all()] == [("ana", "signed in", "proxy")]
    desk.accounts.close("ana")
    assert status(client, headers={"X-Remote-User": "ana"}) == 403
    assert status(client, headers={"X-Remote-User": "chief", "Origin": "http://evil.test"}) == 403


@pytest.mark.parametrize("address", [AWAY, ("127.0.0.1", 5), ("::1", 5)])
def test_who_is_no_trusted_proxy_cannot_name_anybody(client_of, token, address):
    client = client_of(keys=True, proxies=proxied(), hosts=("ward-pc",), address=address)
    sign_in(client)
    bearer = {"Authorization": f"Bearer {token}"}
    for headers in ({}, bearer, {"X-Forwarded-For": PROXY[0]}):
        reply = client.get("/v1/models", headers={"X-Remote-User": "chief", **headers})
        assert (reply.status_code, reply.json()["error"]["message"]) == (
            403,
            "the header x-remote-user comes from no proxy of this server",
        )
    assert sign_in(client, headers={"X-Remote-User": "chief"}).status_code == 403
    assert client.get("/v1/models").status_code == 200


def test_whom_a_proxy_names_asks_by_this_server_s_own_name(client_of):
    client = client_of(proxies=proxied(), address=PROXY, url="http://rebound.evil.test")
    assert status(client, headers={"X-Remote-User": "ana"}) == 403


def test_by_https_the_cookie_is_for_https_and_this_host_alone(client_of):
    client = client_of(proxies=proxied(), hosts=("ward-pc",), address=PROXY)
    reply = sign_in(client, headers={"X-Forwarded-Proto": "https", "Origin": "https://ward-pc"})
    cookie = reply.headers["set-cookie"]
    assert cookie.startswith("__Host-medzoo_session=")
    assert cookie.endswith("; Secure")
    sent = {"Cookie": cookie.partition(";")[0]}
    assert status(client, headers={"X-Forwarded-Proto": "https", **sent}) == 200
    assert status(client, headers=sent) == 401
    assert "Secure" not in sign_in(client_of(), headers={"X-Forwarded-Proto": "https"}).headers["set-cookie"]


def test_of_thousands_of_tries_a_few_are_looked_at_and_others_sign_in_beside_them(
    client_of, desk, monkeypatch
):
    now, looked, look = [100.0], [], desk.accounts.sign_in

    def noting(name, password):
        looked.append(name)
        return look(name, password)

    monkeypatch.setattr(desk.accounts, "sign_in", noting)
    monkeypatch.setattr("serving.annotations.passwords.monotonic", lambda: now[0])
    client = client_of()
    replies = [sign_in(client, "ana", f"guess {one}") for one in range(500)]
    assert [reply.status_code for reply in replies] == [401] * 4 + [429] * 496
    assert replies[-1].headers["retry-after"] == "5"
    assert ">Too many tries. Try again in 5 seconds.<" in replies[-1].text
    assert sign_in(client).status_code == 429
    assert looked == ["ana"] * 4
    assert sign_in(client, "chief").status_code == 303
    names = [sign_in(client, f"name{one}", "guess").status_code for one in range(100)]
    assert (names.count(401), names.count(429)) == (46, 54)
    now[0] += 60
    assert sign_in(client).status_code == 303


def test_passwords_are_looked_at_two_at_a_time_and_nobody_else_waits_for_them(app_of, desk, monkeypatch):
    gate, lock, now, most = threading.Event(), threading.Lock(), [0], [0]

    def slow(name, password):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        gate.wait(10)
        with lock:
            now[0] -= 1
        return "t" * 43

    monkeypatch.setattr(desk.accounts, "sign_in", slow)
    app = app_of()

    async def ask():
        transport = httpx.ASGITransport(app, client=AWAY)
        async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
            forms = [{"name": f"rater{one}", "password": "x"} for one in range(WAITING + 5)]
            asked = [asyncio.create_task(client.post("/sign-in", data=form)) for form in forms]
            while most[0] < LOOKERS or sum(one.done() for one in asked) < 5:
                await asyncio.sleep(0.01)
            beside = (await client.get("/sign-in")).status_code, (await client.get("/healthz")).status_code
            gate.set()
            return beside, sorted(reply.status_code for reply in await asyncio.gather(*asked))

    assert asyncio.run(ask()) == ((200, 200), [303] * WAITING + [429] * 5)
    assert most[0] == LOOKERS == 2


def test_a_form_is_short_and_a_form(client):
    long = "name=ana&password=" + "x" * MOST_BYTES
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    wrong = [
        client.post("/sign-in", content=long, headers=kind),
        client.post("/sign-in", content=iter([b"x" * 100_000] * 10), headers=kind),
        client.post("/sign-in", json={"name": "ana", "password": PASSWORDS["ana"]}),
        client.post("/sign-in", data={"name": "ana"}, files={"password": b"x"}),
        client.post("/sign-in", content="name=ana", headers=kind),
        client.post("/sign-in", content="name=ana&name=chief&password=x", headers=kind),
        client.post("/sign-in", content=b"name=ana&password=\xff", headers=kind),
        client.post("/sign-in", content="name=ana&password=%ff%fe", headers=kind),
        client.post("/sign-in", content="a=b&" * 1000, headers=kind),
    ]
    assert {reply.status_code for reply in wrong} == {422}
    assert {reply.headers["content-type"] for reply in wrong} == {"text/html; charset=utf-8"}


def test_who_signed_in_failed_and_signed_out_is_written_without_what_was_typed(client, desk):
    sign_in(client)
    client.post("/sign-out")
    sign_in(client, "ana", "wrong words")
    sign_in(client, "my secret words", "ana")
    acts = [(act.who, act.act, act.what) for act in desk.acts.all()]
    assert acts == [
        ("ana", "signed in", ""),
        ("ana", "signed out", ""),
        ("nobody", "sign-in failed", "ana"),
        ("nobody", "sign-in failed", ""),
    ]


def test_no_token_and_no_password_is_in_the_log_an_address_or_a_file(client, tmp_path, caplog, capfd):
    caplog.set_level(0)
    sign_in(client)
    token = client.cookies["medzoo_session"]
    replies = [client.get("/", headers=PAGE), client.get("/v1/models"), client.get("/v1/nowhere")]
    replies += [sign_in(client, "ana", "planted wrong words"), client.post("/sign-out")]
    said = "".join([*(record.getMessage() for record in caplog.records), *capfd.readouterr()])
    said += "".join(f"{reply.url} {reply.headers.get('location')} {reply.text}" for reply in replies)
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert '"route": "/sign-in"' in said
    for secret in (token, PASSWORDS["ana"], "planted wrong words"):
        assert secret not in said
        assert secret.encode() not in files


def test_accounts_have_a_pace_of_their_own_beside_keys_of_the_same_name(client_of, tmp_path):
    secret, key = new_key("ana", "read")
    add_key(tmp_path / "keys", key)
    client = client_of(keys=True, quota=Quota(per_minute=60, burst=2, at_once=5))
    sign_in(client)
    assert [status(client) for _ in range(3)] == [200, 200, 429]
    assert client.get("/v1/models").json()["error"]["message"] == "the account 'ana' asks too much at once"
    assert status(client, headers={"Authorization": f"Bearer {secret}"}) == 200


def test_a_list_of_cases_may_be_larger_than_all_else_and_is_taken_from_administrators_alone(desk):
    app = behind()
    pace = Pace(Quota(per_minute=600, burst=600, at_once=5))
    callers = Callers(keys=None, people=People(desk.accounts))
    put_around(app, Defence(callers=callers, pace=pace, max_list_bytes=900), max_body=300, refuse=refuse)
    client = TestClient(app, base_url=URL, client=AWAY)
    chief, ana = (
        {"Cookie": f"medzoo_session={desk.accounts.sign_in(name, PASSWORDS[name])}"}
        for name in ("chief", "ana")
    )

    def send(count, path="/v1/annotations/lists", who=chief):
        return status(client, "POST", path, content=bytes(count), headers=who)

    assert [send(900), send(901), send(301, "/v1/compare")] == [200, 413, 413]
    assert [send(301, "/v1/annotations/lists/"), send(900, who=ana)] == [413, 403]


def test_the_pages_are_there_for_who_signed_in_and_not_a_file_of_them_for_others(client_of):
    client = client_of(page=True)
    for path in ("/", "/rate", "/lists", "/results", "/browse"):
        assert client.get(path, headers=PAGE).headers["location"] == f"/sign-in?to={path}"
    for path in ("/config", "/theme.css", "/assets/index.js", "/gradio_api/info", "/favicon.ico", "/user"):
        assert status(client, path=path) == 401, path
    sign_in(client)
    for path in ("/", "/rate", "/lists", "/results", "/browse", "/config", "/theme.css"):
        assert status(client, path=path) == 200, path
    assert client.post("/sign-out").status_code == 303
    assert status(client, path="/config") == 401
