"""An endpoint as writer and judge: asked once, tried again, checked, and never talked about."""

import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from zoo.errors import BadInput, BadRecord, EndpointFailed
from zoo.llm import ChatEndpoint, Failed, Prompt, Usage, check_may_send, is_loopback


class Word(BaseModel):
    word: str


Make = Callable[..., ChatEndpoint]


@pytest.fixture
def make(llm_server: Any, tmp_path: Path) -> Make:
    """A fresh endpoint object on the server, with the test's one cache."""

    def new(model: str = "writer", **more: Any) -> ChatEndpoint:
        arguments = {"url": llm_server.url, "cache": tmp_path / "cache", "retries": 2, **more}
        return ChatEndpoint(model=model, **arguments)

    return new


def prompts(*texts: str) -> list[Prompt]:
    return [Prompt("say@1", text) for text in texts]


def echo(model: str, messages: list[dict[str, str]]) -> str:
    return json.dumps({"word": messages[0]["content"]})


def echo_but_b(status: int) -> Callable[..., str | int]:
    """A script that answers the prompt `b` with that status."""
    return lambda model, messages: status if messages[0]["content"] == "b" else echo(model, messages)


def test_replies_come_in_the_prompts_order_and_the_same_text_is_asked_once(
    make: Make, llm_server: Any
) -> None:
    def script(model: str, messages: list[dict[str, str]]) -> str:
        time.sleep(0.1 if messages[0]["content"] == "a" else 0)
        return echo(model, messages)

    llm_server.script = script
    found = make().replies(prompts("a", "b", "a", "c"), Word)
    assert found == [Word(word="a"), Word(word="b"), Word(word="a"), Word(word="c")]
    assert llm_server.paid == {("writer", "a"): 1, ("writer", "b"): 1, ("writer", "c"): 1}
    assert make().replies([], Word) == []


def test_two_processes_that_make_one_call_at_once_go_on_with_one_answer(make: Make, llm_server: Any) -> None:
    """Whichever was kept first: what each says next is the same."""
    other = make()
    said = iter(("mine", "theirs"))

    def script(model: str, messages: list[dict[str, str]]) -> str:
        word = next(said)
        if word == "mine":  # while the first waits for its reply the other asks, is answered and keeps it
            assert other.replies(prompts("a"), Word) == [Word(word="theirs")]
        return json.dumps({"word": word})

    llm_server.script = script
    assert make().replies(prompts("a"), Word) == [Word(word="theirs")]


def test_what_was_answered_is_never_asked_again_and_its_tokens_are_counted_again(
    make: Make, llm_server: Any, tmp_path: Path
) -> None:
    llm_server.script = echo
    first = make()
    first.replies(prompts("one two three", "four"), Word)
    assert first.usage == Usage(calls=2, cached=0, prompt_tokens=4, completion_tokens=6)
    llm_server.script = lambda *_: 500
    again = make(url="http://127.0.0.1:9/v1")
    assert again.replies(prompts("four", "one two three"), Word) == [
        Word(word="four"),
        Word(word="one two three"),
    ]
    assert again.usage == Usage(calls=0, cached=2, prompt_tokens=4, completion_tokens=6)
    assert str(again.usage) == "0 calls, 2 from the cache; 4 prompt and 6 completion tokens"
    assert sorted(path.suffix for path in (tmp_path / "cache").iterdir()) == [".json", ".json"]


def test_another_model_temperature_or_seed_is_another_call(make: Make, llm_server: Any) -> None:
    llm_server.script = echo
    for endpoint in (make(), make("judge"), make(temperature=0.7), make(seed=1), make()):
        endpoint.replies(prompts("a"), Word)
    assert llm_server.paid == {("writer", "a"): 3, ("judge", "a"): 1}


@pytest.mark.parametrize(
    "text",
    [
        '{"word": "x"}',
        'Here it is:\n```json\n{"word": "x"}\n```\nAnything else?',
        '```\n{"word": "x"}\n```',
        '<think>\nnot {"word": "y"}\n</think>\n\n{"word": "x"}',
    ],
)
def test_a_fence_or_thoughts_around_the_json_are_no_fault(make: Make, llm_server: Any, text: str) -> None:
    llm_server.script = lambda *_: text
    assert make().replies(prompts("a"), Word) == [Word(word="x")]
    assert llm_server.statuses == {200: 1}


def test_a_malformed_reply_is_sent_back_once_with_what_is_wrong(make: Make, llm_server: Any) -> None:
    asked: list[list[dict[str, str]]] = []

    def script(model: str, messages: list[dict[str, str]]) -> str:
        asked.append(messages)
        return '{"word": "x"}' if len(messages) == 3 else '{"wort": "x"}'

    llm_server.script = script
    assert make().replies(prompts("a"), Word) == [Word(word="x")]
    assert asked[1] == [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": '{"wort": "x"}'},
        {
            "role": "user",
            "content": "That is not the JSON that was asked for:\n- word: Field required\n"
            "Answer with the corrected JSON only.",
        },
    ]


def test_a_reply_that_stays_malformed_has_failed_and_a_second_run_pays_nothing_for_it(
    make: Make, llm_server: Any
) -> None:
    llm_server.script = lambda *_: "I would rather not."
    for _ in range(2):
        assert make().replies(prompts("a"), Word) == [Failed("malformed reply")]
    assert llm_server.statuses == {200: 2}  # the reply and its repair


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_or_broken_endpoint_is_asked_again(make: Make, llm_server: Any, status: int) -> None:
    failures = [status]
    llm_server.script = lambda model, messages: failures.pop() if failures else echo(model, messages)
    assert make().replies(prompts("a"), Word) == [Word(word="a")]
    assert llm_server.statuses == {status: 1, 200: 1}


def test_the_wait_that_a_busy_endpoint_asks_for_is_kept(make: Make, llm_server: Any) -> None:
    failures = [429]
    llm_server.retry_after = "1.2"  # longer than the first wait would be
    llm_server.script = lambda model, messages: failures.pop() if failures else echo(model, messages)
    began = time.monotonic()
    make().replies(prompts("a"), Word)
    assert time.monotonic() - began >= 1.2


def test_an_endpoint_that_stays_down_stops_the_run_and_keeps_what_it_gave(
    make: Make, llm_server: Any
) -> None:
    llm_server.script = echo_but_b(500)
    with pytest.raises(EndpointFailed, match=r"gave no answer in 2 tries \(500\)\n  next: run the same"):
        make(retries=1).replies(prompts("a", "b"), Word)
    assert llm_server.statuses == {200: 1, 500: 2}
    llm_server.script = echo
    assert make().replies(prompts("a", "b"), Word) == [Word(word="a"), Word(word="b")]
    assert llm_server.paid == {("writer", "a"): 1, ("writer", "b"): 1}


def test_an_endpoint_that_is_not_there_stops_the_run(make: Make) -> None:
    with pytest.raises(EndpointFailed, match=r"http://127.0.0.1:9/v1 .* in 1 tries \(no connection\)"):
        make(url="http://127.0.0.1:9/v1", retries=0).replies(prompts("a"), Word)


@pytest.mark.parametrize(
    ("status", "hint"),
    [(401, "set MEDZOO_LLM_KEY"), (404, "does the endpoint know the model 'writer'"), (400, "own log")],
)
def test_a_wrong_key_model_or_request_is_an_error_at_once(
    make: Make, llm_server: Any, status: int, hint: str
) -> None:
    llm_server.script, llm_server.code = lambda *_: status, "bad"
    with pytest.raises(BadInput, match=rf"status {status} \(error, bad\)\n  next: .*{hint}"):
        make().replies(prompts("a"), Word)
    assert llm_server.statuses == {status: 1}


def test_a_prompt_that_is_refused_for_what_it_holds_fails_alone_and_is_not_asked_again(
    make: Make, llm_server: Any
) -> None:
    llm_server.code = "content_filter"
    llm_server.script = echo_but_b(400)
    for _ in range(2):
        found = make().replies(prompts("a", "b"), Word)
        assert found == [Word(word="a"), Failed("refused by the endpoint")]
    assert llm_server.statuses == {200: 1, 400: 1}


def test_an_address_of_something_else_is_an_error_with_a_hint(hub: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does its address end in /v1"):
        ChatEndpoint(hub, "writer", cache=tmp_path).replies(prompts("a"), Word)
    with pytest.raises(BadInput, match="'localhost:8000/v1' is no address of an endpoint"):
        ChatEndpoint("localhost:8000/v1", "writer", cache=tmp_path)


def test_an_answer_that_is_no_completion_is_an_error_and_not_an_empty_reply(
    make: Make, llm_server: Any, tmp_path: Path
) -> None:
    llm_server.script = lambda *_: {"error": {"message": "the provider is away"}}
    with pytest.raises(EndpointFailed, match="something other than a chat completion"):
        make().replies(prompts("a"), Word)
    assert not (tmp_path / "cache").exists()


def test_the_key_is_of_the_environment_and_a_loopback_endpoint_is_reached_past_any_proxy(
    make: Make, llm_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDZOO_LLM_KEY", "mine")
    monkeypatch.setenv("OPENAI_API_KEY", "another")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    llm_server.script = echo
    assert make(retries=0).replies(prompts("a"), Word) == [Word(word="a")]
    assert llm_server.keys == {"Bearer mine"}


def test_prompts_and_replies_are_neither_logged_nor_in_an_error(
    make: Make, llm_server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    failures = [429]
    llm_server.script = lambda model, messages: failures.pop() if failures else "SECRET-REPLY"
    make().replies(prompts("SECRET-PROMPT"), Word)
    llm_server.script = lambda *_: 400  # its message repeats the prompt
    with pytest.raises(BadInput) as caught:
        make().replies(prompts("SECRET-OTHER"), Word)
    assert caught.value.__suppress_context__
    assert caplog.records  # the log was on
    assert "SECRET" not in caplog.text + str(caught.value)


def test_a_cached_answer_that_is_broken_is_named(make: Make, llm_server: Any, tmp_path: Path) -> None:
    llm_server.script = echo
    make().replies(prompts("a"), Word)
    (path,) = (tmp_path / "cache").iterdir()
    path.write_text("{")
    with pytest.raises(BadRecord, match=rf"{path.name} is no cached answer of a model\n  next: remove it"):
        make().replies(prompts("a"), Word)


LOOPBACK = [
    "http://localhost:8000/v1",
    "http://127.0.0.1/v1",
    "https://127.9.9.9:1/v1",
    "http://[::1]:8000/v1",
]
FOREIGN = [
    "https://llm.example/v1",
    "http://192.168.0.2:8000/v1",
    "http://localhost.example/v1",
    "http://127.0.0.1@llm.example/v1",
    "http://0.0.0.0:8000/v1",
    "nonsense",
]


@pytest.mark.parametrize("url", LOOPBACK)
def test_restricted_questions_may_go_to_this_machine(url: str) -> None:
    assert is_loopback(url)
    check_may_send(url, questions_restricted=True, allowed=False)


@pytest.mark.parametrize("url", FOREIGN)
def test_restricted_questions_go_to_another_machine_by_the_operators_word_alone(url: str) -> None:
    with pytest.raises(BadInput, match="--send-restricted-data"):
        check_may_send(url, questions_restricted=True, allowed=False)
    check_may_send(url, questions_restricted=True, allowed=True)
    check_may_send(url, questions_restricted=False, allowed=False)


def test_importing_it_loads_no_client() -> None:
    code = "import sys, zoo.llm; print([m for m in ('openai', 'httpx2', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
