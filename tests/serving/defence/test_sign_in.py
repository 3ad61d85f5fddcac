"""Signing in and out: the page, the session that it begins, and what is kept of it."""

import base64
import hashlib
import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from serving.annotations.schema import sessions
from serving.ui.form_page import MOST_BYTES
from tests.serving.defence._people import PAGE, PASSWORDS, sign_in, status


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
