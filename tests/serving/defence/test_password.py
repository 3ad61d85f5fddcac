"""A person changes their own password, on the page and by the route: what ends by it, and who may not."""

import re

import pytest

from serving.defence.keys import add_key, new_key
from tests.serving.defence._people import OTHERS, PAGE, PASSWORDS, PROXY, URL, proxied, sign_in, status

ANA, NEW = PASSWORDS["ana"], "seven words from now on"
ROUTE = "/v1/annotations/me/password"
SESSION = r"medzoo_session=[A-Za-z0-9_-]{43}; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200"


def by_page(client, old=ANA, new=NEW, again=None, *, to="/", headers=None):
    form = {"old": old, "new": new, "again": new if again is None else again, "to": to}
    return client.post("/password", data=form, headers=headers)


def by_route(client, old=ANA, new=NEW, *, headers=None):
    return client.post(ROUTE, json={"old": old, "new": new}, headers=headers)


WAYS = pytest.mark.parametrize(("change", "done"), [(by_page, 200), (by_route, 204)])


def cookie(token):
    return {"Cookie": f"medzoo_session={token}"}


def acts(desk):
    return [(act.who, act.act, act.what) for act in desk.acts.all()]


@WAYS
def test_the_old_one_opens_nothing_any_more_and_every_other_session_of_theirs_ends(
    client, desk, change, done
):
    elsewhere, of_chief = (desk.accounts.sign_in(name, PASSWORDS[name]) for name in ("ana", "chief"))
    sign_in(client)
    before = client.cookies["medzoo_session"]
    assert [status(client, headers=cookie(one)) for one in (elsewhere, of_chief)] == [200, 200]
    reply = change(client)
    assert reply.status_code == done
    assert re.fullmatch(SESSION, reply.headers["set-cookie"])
    assert status(client) == 200
    client.cookies.clear()
    assert [status(client, headers=cookie(one)) for one in (elsewhere, before, of_chief)] == [401, 401, 200]
    assert (sign_in(client).status_code, sign_in(client, "ana", NEW).status_code) == (401, 303)
    signed_in = ("ana", "signed in", "")
    assert acts(desk) == [
        signed_in,
        ("ana", "password changed", "ana"),
        ("nobody", "sign-in failed", "ana"),
        signed_in,
    ]


def test_an_administrator_changes_their_own_too(client):
    sign_in(client, "chief")
    assert by_page(client, PASSWORDS["chief"]).status_code == 200
    assert sign_in(client, "chief", NEW).status_code == 303


def test_the_page_says_whose_it_is_what_came_of_it_and_leads_back(client):
    sign_in(client)
    page = client.get("/password?to=/rate%3Flist%3D7").text
    assert '<input id="name" value="ana" autocomplete="username" readonly>' in page
    assert '<input type="hidden" name="to" value="/rate?list=7">' in page
    done = by_page(client, to="/rate?list=7").text
    assert "Your password is changed. Wherever else you were signed in, you are signed out." in done
    assert '<a href="/rate?list=7" autofocus>' in done
    sign_in(client, "ana", NEW)
    for to in ("//evil.test/", "https://evil.test/", "javascript:x"):
        assert 'name="to" value="/"' in client.get("/password", params={"to": to}).text
    assert '<a href="/" autofocus>' in by_page(client, NEW, ANA, to="//evil.test/").text


def test_the_page_needs_no_script_loads_nothing_and_keeps_nothing(client_of):
    for client in (client_of(), client_of(page=True)):
        sign_in(client)
        reply = client.get("/password")
        assert (
            reply.headers["content-security-policy"]
            == client.get("/sign-in").headers["content-security-policy"]
        )
        assert reply.headers["cache-control"] == "no-store"
        assert "script" not in reply.text
        assert not re.search(r"(src|href)=\"(?!data:,|/\")", reply.text)
        assert by_page(client, "wrong").status_code == 403, "the page's routes are not Gradio's"


REFUSED = [
    (403, "wrong words", NEW, NEW, "old", "The old password is wrong. Type the one that you signed in with."),
    (422, ANA, NEW, "seven words", "again", "The new password is not the same twice."),
    (
        422,
        ANA,
        "too short",
        "too short",
        "new",
        "A password of 9 characters. At least 10; four words are eas",
    ),
    (422, ANA, "x" * 501, "x" * 501, "new", "A password of 501 characters. At most 500."),
]


@pytest.mark.parametrize(
    ("code", "old", "new", "again", "field", "words"), REFUSED, ids=["wrong", "unlike", "short", "long"]
)
def test_what_is_refused_changes_nothing_and_says_at_which_field(
    client, desk, code, old, new, again, field, words
):
    sign_in(client)
    elsewhere = desk.accounts.sign_in("ana", ANA)
    reply = by_page(client, old, new, again)
    assert (reply.status_code, "set-cookie" in reply.headers) == (code, False)
    assert f'role="alert">{words}' in reply.text
    (wrong,) = re.findall(r"<input [^>]*aria-invalid[^>]*>", reply.text)
    assert f'id="{field}"' in wrong
    assert " autofocus" in wrong
    assert not any(typed in reply.text for typed in (old, new, again))
    assert [desk.accounts.find(one).name for one in (elsewhere, client.cookies["medzoo_session"])] == [
        "ana",
        "ana",
    ]
    assert acts(desk)[1:] == ([("ana", "password change failed", "ana")] if field == "old" else [])
    assert sign_in(client).status_code == 303


def test_what_is_no_form_and_no_body_changes_nothing(client):
    sign_in(client)
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    forms = [
        {"json": {"old": ANA, "new": NEW, "again": NEW}},
        {"data": {"old": ANA, "new": NEW}},
        {"content": f"old={ANA}&new={NEW}&new={NEW}&again={NEW}", "headers": kind},
        {"content": iter([b"x" * 100_000] * 10), "headers": kind},
    ]
    assert {client.post("/password", **form).status_code for form in forms} == {422}
    bodies = [{"old": ANA}, {"old": ANA, "new": "too short"}, {"old": ANA, "new": NEW, "name": "chief"}, []]
    replies = [client.post(ROUTE, json=body) for body in bodies]
    assert [reply.json()["error"]["param"] for reply in replies] == ["new", "new", "name", None]
    assert {reply.status_code for reply in replies} == {422}
    assert sign_in(client).status_code == 303


def test_a_wrong_old_password_counts_as_a_try_to_sign_in(client_of, desk, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("serving.annotations.passwords.monotonic", lambda: now[0])
    client = client_of()
    sign_in(client)
    replies = [by_page(client, "guess"), by_route(client, "guess"), by_page(client, "guess")]
    replies += [sign_in(client, "ana", "guess"), by_page(client), by_route(client), sign_in(client)]
    assert [reply.status_code for reply in replies] == [403, 403, 403, 401, 429, 429, 429]
    assert {reply.headers["retry-after"] for reply in replies[4:]} == {"5"}
    assert ">Too many tries. Try again in 5 seconds.<" in replies[4].text
    assert replies[5].json()["error"]["message"] == "too many tries"
    assert acts(desk).count(("ana", "password change failed", "ana")) == 3
    now[0] += 5
    assert by_page(client).status_code == 200
    assert [by_page(client, "guess").status_code for _ in range(5)] == [403] * 4 + [429]


@WAYS
def test_whom_a_proxy_names_is_told_that_there_is_nothing_to_change(client_of, desk, change, done):
    client = client_of(proxies=proxied(), hosts=("ward-pc",), address=PROXY)
    named = {"X-Remote-User": "ana"}
    reply = change(client, headers=named)
    assert (reply.status_code, "set-cookie" in reply.headers) == (403, False)
    assert "here is no password to change: a proxy says who you are" in reply.text
    page = client.get("/password", headers=named)
    assert (page.status_code, "<form" in page.text) == (403, False)
    assert "There is no password to change: a proxy says who you are." in page.text
    assert client.get("/v1/annotations/me", headers=named).json()["password"] is False
    assert desk.accounts.sign_in("ana", ANA)


@WAYS
@pytest.mark.parametrize("role", ["read", "annotate", "admin"])
def test_a_key_of_somebody_s_name_changes_no_password(client_of, desk, tmp_path, role, change, done):
    secret, key = new_key("ana", role)
    add_key(tmp_path / "keys", key)
    bearer = {"Authorization": f"Bearer {secret}"}
    client = client_of(keys=True)
    reply = change(client, headers=bearer)
    assert (reply.status_code, "set-cookie" in reply.headers) == (403, False)
    assert "here is no password to change: nobody signed in by one" in reply.text
    assert client.get("/password", headers=bearer).status_code == 403
    assert client.get("/v1/annotations/me", headers=bearer).json()["password"] is False
    assert desk.accounts.sign_in("ana", ANA)


def test_nobody_is_led_to_sign_in_first(client):
    assert client.get("/password?to=/rate", headers=PAGE).headers["location"] == (
        "/sign-in?to=/password%3Fto%3D/rate"
    )
    assert (by_page(client).status_code, by_route(client).status_code) == (401, 401)
    sign_in(client)
    assert client.get("/v1/annotations/me").json()["password"] is True


@WAYS
@pytest.mark.parametrize("headers", OTHERS)
def test_another_site_s_page_changes_nobody_s(client, change, done, headers):
    sign_in(client)
    assert change(client, headers=headers).status_code == 403
    assert change(client, headers={"Origin": URL, "Sec-Fetch-Site": "same-origin"}).status_code == done


@WAYS
def test_by_https_the_cookie_is_for_https(client_of, desk, change, done):
    client = client_of(proxies=proxied(), hosts=("ward-pc",), address=PROXY)
    secure = {"X-Forwarded-Proto": "https"}
    sent = {"Cookie": f"__Host-medzoo_session={desk.accounts.sign_in('ana', ANA)}"}
    reply = change(client, headers={**secure, **sent})
    assert reply.status_code == done
    assert re.fullmatch(f"__Host-{SESSION}; Secure", reply.headers["set-cookie"])


def test_no_password_is_in_the_log_an_address_or_a_file(client, tmp_path, caplog, capfd):
    caplog.set_level(0)
    sign_in(client)
    by_page(client, "planted wrong words")
    by_route(client, "planted wrong words")
    by_page(client)
    by_route(client, NEW, "planted new words")
    said = caplog.text + "".join(capfd.readouterr())
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert f'"route": "{ROUTE}"' in said
    for secret in (ANA, NEW, "planted wrong words", "planted new words", client.cookies["medzoo_session"]):
        assert secret not in said
        assert secret.encode() not in files
