"""What those may who signed in, beside keys, other sites' pages and this machine's own programs."""

import base64

import pytest
from fastapi.testclient import TestClient

from serving.annotations.people import People
from serving.app import build_app
from serving.defence.callers import Callers
from serving.defence.keys import KeyFile, add_key, new_key
from serving.defence.pace import Pace, Quota
from serving.defence.wall import Defence, put_around
from tests.serving.defence._people import AWAY, OTHERS, PAGE, PASSWORDS, URL, sign_in, status
from tests.serving.defence.conftest import behind, refuse


def test_this_machine_is_nobody_either_where_people_sign_in(client_of):
    here = client_of(address=("127.0.0.1", 5), url="http://127.0.0.1:7860")
    assert (status(here), status(here, "POST", "/v1/load_lora_adapter")) == (401, 401)


@pytest.mark.parametrize("headers", OTHERS)
def test_another_site_s_page_signs_nobody_in_or_out_and_does_nothing_in_their_name(client, headers):
    assert sign_in(client, headers=headers).status_code == 403
    assert sign_in(client, headers={"Origin": URL, "Sec-Fetch-Site": "same-origin"}).status_code == 303
    for path in ("/sign-out", "/v1/compare", "/v1/annotations/cases/1/clicks", "/gradio_api/queue/join"):
        assert status(client, "POST", path, headers=headers) == 403
    assert status(client) == 200


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
