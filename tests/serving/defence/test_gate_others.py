"""The gate of a server that counts its clients' requests together with others."""

import pytest
from starlette.testclient import TestClient

from serving.defence.callers import Callers
from serving.defence.gate import Gate
from serving.defence.keys import KeyFile, add_key, new_key
from serving.defence.pace import Pace, Quota, Verdict
from tests.serving.defence.test_gate import bearer, behind, refuse


class Others:
    """Allow so many requests of all servers; `None` in place of a number: the database is away."""

    def __init__(self, allowed):
        self.allowed, self.asked, self.left, self.read = allowed, 0, [], 0

    async def fresh(self):
        self.read += 1

    async def enter(self, client):
        self.asked += 1
        if self.allowed is None:
            return None
        allowed = self.asked <= self.allowed
        verdict = Verdict(allowed=allowed, remaining=7, after_s=0 if allowed else 30, full_s=60)
        return verdict, f"{client} {self.asked}"

    def leave(self, request):
        self.left.append(request)


@pytest.fixture
def client_of(tmp_path):
    """Call it for a client behind a gate with others, which has tokens for three requests of its own."""
    token, key = new_key("ana", "read")
    add_key(tmp_path / "keys", key)

    def make(others):
        app = behind()
        pace = Pace(Quota(per_minute=1, burst=3, at_once=9))
        callers = Callers(keys=KeyFile(tmp_path / "keys"))
        app.add_middleware(
            Gate, callers=callers, pace=pace, refuse=refuse, others=others, clock=lambda: 100.0
        )
        return TestClient(app, headers=bearer(token), base_url="http://127.0.0.1:7860")

    return make


def test_a_request_that_all_servers_together_allow_is_counted_in_and_out(client_of):
    others = Others(9)
    reply = client_of(others).get("/v1/models")
    assert (reply.status_code, reply.headers["x-ratelimit-remaining-requests"]) == (200, "7")
    assert (others.read, others.left) == (1, ["the key 'ana' 1"])


def test_what_all_servers_together_refuse_is_refused_and_costs_nothing_here(client_of):
    others = Others(1)
    client = client_of(others)
    statuses = [client.get("/v1/models").status_code for _ in range(9)]
    assert statuses == [200] + [429] * 8
    assert others.asked == 9
    assert others.left == ["the key 'ana' 1"]
    others.allowed = 99
    assert client.get("/v1/models").status_code == 200


def test_what_this_server_refuses_reaches_no_other(client_of):
    others = Others(99)
    client = client_of(others)
    assert [client.get("/v1/models").status_code for _ in range(9)] == [200] * 3 + [429] * 6
    assert others.asked == 3


def test_with_the_others_away_this_servers_own_limits_hold(client_of):
    others = Others(None)
    client = client_of(others)
    assert [client.get("/v1/models").status_code for _ in range(5)] == [200] * 3 + [429] * 2
    assert others.left == []


def test_keys_and_names_are_read_before_anybody_is_let_in_or_sent_away(client_of):
    others = Others(9)
    assert client_of(others).get("/v1/models", headers=bearer("mz_unknown")).status_code == 401
    assert others.read == 1
