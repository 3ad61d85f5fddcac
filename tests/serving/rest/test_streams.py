"""Comparisons that come piece by piece, and clients that go away, over real sockets."""

import asyncio
import json
import socket
import time

import httpx2
import pytest
from PIL import Image

from serving.asking import Asked
from serving.rest.compare_stream import compared
from serving.rest.streams import Pieces, begin
from tests.serving._brought import brought
from tests.serving._steps import Steps
from zoo.asking import question
from zoo.notice import NOTICE

LONG = " ".join(["word"] * 50)


def events(lines):
    """(name, data) of each event."""
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


@pytest.fixture
def http(address):
    with httpx2.Client(base_url=address, trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture
def streamed(http, png):
    """Call it with a question and adapters for the events of their comparison."""

    def ask(question, adapters, **fields):
        data = {"question": question, "adapters": adapters, "stream": "true", **fields}
        with http.stream("POST", "/v1/compare", files={"image": png}, data=data) as reply:
            assert reply.headers["content-type"].startswith("text/event-stream")
            yield reply.headers
            yield from events(reply.iter_lines())

    return ask


def test_a_comparison_streams_who_answers_then_their_words_then_all_of_it(streamed, rig, http, png):
    rig.model.gate = Steps(1)
    headers, *told = (rig.model.gate.release() or one for one in streamed("Q", "mdpo,base"))
    digest = brought(rig.library, "mdpo").adapter.manifest.weights_sha256
    (first, rows), *middle, (last, whole) = told
    assert (first, rows["notice"]) == ("rows", NOTICE)
    assert [(one["id"], one["digest"], one["base"]) for one in rows["rows"]] == [
        ("local/mdpo@" + "2" * 40, digest, "phantom@" + "a" * 40),
        ("medvlm-zoo/phantom@" + "a" * 40, "", "phantom@" + "a" * 40),
    ]
    assert headers["x-medzoo-adapter"] == ", ".join(one["id"] for one in rows["rows"])
    assert headers["x-medzoo-digest"] == f"{digest}, none"
    assert sorted((name, one["row"], one.get("text", one.get("finish"))) for name, one in middle) == sorted(
        [("piece", row, word) for row, who in enumerate(("mdpo:", "base:")) for word in (who, " Q", " 64x48")]
        + [("end", 0, "stop"), ("end", 1, "stop")]
    )
    assert last == "comparison"
    assert [one["text"] for one in whole["answers"]] == ["mdpo: Q 64x48", "base: Q 64x48"]
    plain = http.post("/v1/compare", files={"image": png}, data={"question": "Q", "adapters": "mdpo,base"})
    changing = {"first_token_ms", "milliseconds"}
    for streamed_one, plain_one in zip(whole["answers"], plain.json()["answers"], strict=True):
        assert {k: v for k, v in streamed_one.items() if k not in changing} == {
            k: v for k, v in plain_one.items() if k not in changing
        }


def test_a_comparison_takes_the_same_wishes_as_a_chat(streamed):
    *_, (_, whole) = streamed("Q", "mdpo", max_tokens="2", temperature="0.5", seed="4", stop=["a", "b"])
    (answer,) = whole["answers"]
    assert (answer["text"], answer["finish"], answer["seed"]) == ("mdpo: Q", "length", 4)


def test_an_error_after_the_start_of_a_comparison_is_its_last_event(streamed, rig):
    rig.model.gate = Steps(1)
    *_, (name, body) = (rig.model.gate.release() or one for one in streamed("burst", "base"))
    assert (name, body["error"]["type"]) == ("error", "EngineFailed")


def test_an_error_before_the_first_word_of_a_comparison_has_its_status(http, png):
    data = {"question": "Q", "adapters": "local/other", "stream": "true"}
    reply = http.post("/v1/compare", files={"image": png}, data=data)
    assert (reply.status_code, reply.json()["error"]["type"]) == (409, "WrongBase")


def test_a_comparison_whose_first_word_comes_too_late_is_504(http, png, rig):
    rig.service._timeout_s = 0.3
    rig.model.gate.clear()
    reply = http.post(
        "/v1/compare",
        files={"image": png},
        data={"question": "Q", "adapters": "base", "stream": "true"},
        timeout=60,
    )
    rig.model.gate.set()
    assert (reply.status_code, reply.json()["error"]["type"]) == (504, "DeadlinePassed")


def test_who_reads_slowly_is_given_an_answer_that_was_there_in_time(rig, image):
    async def opening():
        return (image,)

    async def read_late():
        pieces = Pieces()
        asked = Asked(turns=question("Q"), adapters=("sft",))
        asking = await begin(rig.service, asked, opening, pieces)
        asking.ticket.done.result(60)
        asking._deadline = 0.0  # it is past by now
        return [told async for told in compared(asking, pieces)]

    assert asyncio.run(read_late())[-1].startswith(b"event: comparison\n")


def send(address, png, **fields):
    """A request to compare on a socket of its own, its reply unread."""
    body = b""
    for name, value in {"question": LONG, "adapters": "mdpo,base", **fields}.items():
        body += f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    body += b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + png
    body += b"\r\n--x--\r\n"
    head = (
        "POST /v1/compare HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    host, _, port = address.removeprefix("http://").partition(":")
    client = socket.create_connection((host, int(port)), timeout=60)
    client.sendall(head.encode() + body)
    return client


def eventually(holds):
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until, "it never came to hold"
        time.sleep(0.01)


def ended(rig) -> bool:
    """True once the server has done with a request to compare."""
    return b'medzoo_request_seconds_count{method="POST",route="/v1/compare"' in rig.service.metrics.text()


@pytest.mark.parametrize("stream", ["true", "false"])
def test_a_client_that_goes_away_while_it_is_answered_frees_its_rows(address, rig, png, stream):
    rig.model.gate = Steps(3)
    client = send(address, png, stream=stream)
    eventually(lambda: len(rig.model.steps) == 3)  # the next is held
    if stream == "true":
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    client.close()
    eventually(lambda: ended(rig))
    rig.model.gate.set()
    done = rig.service.compare([Image.new("RGB", (8, 8))], "Q", ["base"])
    assert done.answers[0].text == "base: Q 8x8"
    assert sum(len(step) for step in rig.model.steps) == 4 * 2 + 3, "the rows went on for nobody"


def test_a_client_that_goes_away_while_it_waits_is_never_begun(address, rig, png):
    submitted, submit = [], rig.engine.submit
    rig.engine.submit = lambda *work: submitted.append(work) or submit(*work)
    rig.model.gate.clear()
    first = send(address, png)
    rig.model.busy.wait(120)
    second = send(address, png, question="never asked")
    eventually(lambda: len(submitted) == 2)
    second.close()
    eventually(lambda: ended(rig))
    rig.model.gate.set()
    assert b"200 OK" in first.recv(100)
    first.close()
    assert len(rig.model.batches) == 1


def test_a_client_that_goes_away_while_the_hub_is_asked_frees_nothing_but_itself(address, rig, png):
    rig.hub.gate.clear()
    gone, stays = send(address, png, adapters="mdpo"), send(address, png, adapters="mdpo", question="Q")
    eventually(lambda: rig.hub.fetched)
    gone.close()
    eventually(lambda: ended(rig))
    rig.hub.gate.set()
    assert b"200 OK" in stays.recv(100)
    stays.close()
    assert len(rig.model.batches) == 1


def test_a_slow_hub_holds_up_no_one_who_needs_no_hub(address, rig, png):
    rig.hub.gate.clear()
    waiting = [send(address, png, adapters="mdpo") for _ in range(60)]  # more than there are worker threads
    eventually(lambda: rig.hub.fetched)
    quick = send(address, png, adapters="base", question="Q")
    assert b"200 OK" in quick.recv(100)
    rig.hub.gate.set()
    for one in (*waiting, quick):
        one.close()
