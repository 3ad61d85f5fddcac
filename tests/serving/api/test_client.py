import json
from concurrent.futures import CancelledError

import httpx2
import pytest

from serving.api import Zoo
from zoo.errors import BadInput, Busy, DeadlinePassed, EngineFailed, NoKey, Stopped, UnknownName, ZooError

ROW = {
    "asked": "mdpo",
    "id": "local/mdpo@" + "1" * 40,
    "repo": "local/mdpo",
    "sha": "1" * 40,
    "digest": "d" * 64,
    "variant": "mdpo",
    "base": "phantom@" + "a" * 40,
    "seed": 0,
    "hub_unreachable": False,
}
ANSWER = ROW | {
    "load": 7,
    "finish": "stop",
    "tokens": 3,
    "prompt_tokens": 9,
    "first_token_ms": 100.0,
    "milliseconds": 250.0,
    "text": "a nodule",
}
ALL = {"question": "Q", "answers": [ANSWER], "milliseconds": 260.0, "notice": ""}
SAID = [
    ("rows", {"rows": [ROW], "notice": ""}),
    ("piece", {"row": 0, "text": "a"}),
    ("piece", {"row": 0, "text": " nodule"}),
    ("end", {"row": 0, "finish": "stop", "tokens": 3}),
]


@pytest.fixture
def connect():
    """Call it with what the server does, for a zoo on that server; `asked` gets the requests."""

    def make(serve, asked=None, **options):
        def handle(request):
            if asked is not None:
                asked.append(request)
            return serve(request) if callable(serve) else serve

        zoo = Zoo.connect("http://127.0.0.1:7860", **options)
        real = zoo._way._http
        zoo._way._http = httpx2.Client(
            transport=httpx2.MockTransport(handle), base_url=real.base_url, headers=real.headers
        )
        real.close()
        return zoo

    return make


def events(*said, then=None):
    def content():
        for name, data in said:
            yield f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
        if then:
            raise then

    return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=content())


def refusal(status, kind, message, **headers):
    fault = {"type": kind, "message": message, "param": None, "code": None, "hint": "do this"}
    return httpx2.Response(status, headers=headers, json={"error": fault})


def test_what_is_asked_is_what_is_sent(connect, png):
    asked = []
    zoo = connect(events(*SAID, ("comparison", ALL)), asked, key="secret")
    zoo.compare(png, "Q", ["mdpo"], max_tokens=9, stop=(".",))
    (sent,) = asked
    assert (sent.method, str(sent.url)) == ("POST", "http://127.0.0.1:7860/v1/compare")
    assert sent.headers["authorization"] == "Bearer secret"
    body = json.loads(sent.content)
    (uri,) = body.pop("images")
    assert uri.startswith("data:application/dicom;base64,iVBOR")
    assert body == {"question": "Q", "adapters": ["mdpo"], "stream": True, "max_tokens": 9, "stop": ["."]}


def test_a_stream_tells_who_then_the_words_then_all_of_it(connect, png):
    stream = connect(events(*SAID, ("comparison", ALL))).stream(png, "Q", ["mdpo"])
    assert [str(who.adapter) for who in stream.answering] == ["local/mdpo@" + "1" * 40]
    assert [(said.row, said.text) for said in stream] == [(0, "a"), (0, " nodule")]
    answer = stream.result().answers[0]
    assert (answer.text, answer.adapter.digest, answer.load) == ("a nodule", "d" * 64, 7)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (refusal(404, "UnknownName", "no adapter is named 'mdop'"), UnknownName),
        (refusal(401, "NoKey", "a key is needed"), NoKey),
        (refusal(503, "Stopped", "the server is ending"), Stopped),
        (refusal(500, "InternalError", "the server failed"), ZooError),
    ],
)
def test_the_server_s_error_is_the_same_error_here(connect, png, reply, kind):
    with pytest.raises(ZooError) as refused:
        connect(reply).ask(png, "Q")
    assert type(refused.value) is kind
    fault = reply.json()["error"]
    assert (refused.value.message, refused.value.hint) == (fault["message"], "do this")


def test_a_busy_server_says_when_to_come_again(connect, png):
    with pytest.raises(Busy) as refused:
        connect(refusal(429, "Busy", "the queue is full", **{"Retry-After": "9"})).ask(png, "Q")
    assert refused.value.after_s == 9


def test_an_error_in_mid_stream_comes_after_what_was_said_and_again_with_the_result(connect, png):
    fault = {"type": "EngineFailed", "message": "the engine failed", "param": None, "code": None, "hint": ""}
    stream = connect(events(*SAID, ("error", {"error": fault}))).stream(png, "Q", ["mdpo"])
    said = []
    with pytest.raises(EngineFailed, match="the engine failed"):
        said.extend(one.text for one in stream)
    assert said == ["a", " nodule"]
    with pytest.raises(EngineFailed, match="the engine failed"):
        stream.result()


@pytest.mark.parametrize(
    ("reply", "kind", "reason"),
    [
        (events(*SAID), ZooError, "cannot be asked, or broke off: ReadError"),
        (events(*SAID, then=httpx2.RemoteProtocolError("gone")), ZooError, "broke off: RemoteProtocolError"),
        (events(*SAID, then=httpx2.ReadTimeout("slow")), DeadlinePassed, "said nothing for 300 s"),
        (httpx2.Response(200, text="<html>"), ZooError, "broke off: SSEError"),
        (httpx2.Response(307, headers={"location": "http://elsewhere/"}), ZooError, "answered 307, and not"),
        (httpx2.Response(502, json={"detail": "a proxy"}), ZooError, "answered 502, and not as `medzoo"),
    ],
)
def test_a_server_that_breaks_off_or_is_another_is_told_as_such(connect, png, reply, kind, reason):
    with pytest.raises(kind, match=reason):
        connect(reply).ask(png, "Q")


def test_a_server_that_is_not_there_is_told_with_its_address(png):
    with pytest.raises(ZooError, match=r"http://127\.0\.0\.1:9.* cannot be asked.*ConnectError"):
        Zoo.connect("http://127.0.0.1:9").ask(png, "Q")


def test_leaving_the_loop_closes_the_connection_and_ends_the_result(connect, png):
    reply = events(*SAID, ("comparison", ALL))
    stream = connect(reply).stream(png, "Q", ["mdpo"])
    for _ in stream:
        break
    assert reply.is_closed
    with pytest.raises(CancelledError):
        stream.result()


def test_a_closed_connection_answers_no_more(connect, png):
    with connect(events(*SAID, ("comparison", ALL))) as zoo:
        pass
    with pytest.raises(Stopped):
        zoo.ask(png, "Q")


@pytest.mark.parametrize(
    "url", ["127.0.0.1:7860", "ftp://there", "http://", "http://me:secret@there", "http://a\x01b"]
)
def test_what_is_no_address_of_a_server_is_refused(url):
    with pytest.raises(BadInput, match="is no address of a server") as refused:
        Zoo.connect(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "direct"),
    [
        ("http://127.0.0.1:1", True),
        ("http://localhost:1", True),
        ("http://[::1]:1", True),
        ("http://there", False),
    ],
)
def test_a_server_on_this_machine_is_asked_without_a_proxy(url, direct, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:1")
    with Zoo.connect(url) as zoo:
        assert zoo._way._http.trust_env is not direct
