"""People whom a proxy names, whom nobody else can name, and what it says of the way that they came by."""

import logging

import pytest

from tests.serving.defence._people import AWAY, PROXY, proxied, sign_in, status


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
