"""How often passwords are tried, and how many are looked at at once."""

import asyncio
import threading

import httpx

from serving.annotations.passwords import LOOKERS, WAITING
from tests.serving.defence._people import AWAY, URL, sign_in


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
        gate.wait(60)
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
