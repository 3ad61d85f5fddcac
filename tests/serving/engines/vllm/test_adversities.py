"""What goes wrong at vLLM, on the way to it, or by who else uses it."""

import asyncio
import json
import logging
import threading
import time

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from serving.core.engine import Work
from serving.engines.vllm.server import Server
from zoo.asking import Sampling, question
from zoo.errors import BadAdapter, BadInput, DeadlinePassed, EngineFailed

SECRET = "geheim-4711"
CHAT, MODELS, LOAD = "/v1/chat/completions", "/v1/models", "/v1/load_lora_adapter"


def chunk(**content):
    return json.dumps({"model": "NAME", "choices": [{"token_ids": [1]}]} | content)


@pytest.fixture
def three(rig):
    return [rig.adapter(name, seed=seed) for seed, name in enumerate(("sft", "dpo", "mdpo"), 1)]


@pytest.mark.parametrize(
    ("path", "content"), [(CHAT, "[]"), (MODELS, ""), (MODELS, '{"data": [{"id": null}]}')]
)
def test_a_reply_that_is_none_of_vllms_is_told_as_that_and_never_quoted(rig, path, content):
    rig.fake.replies[path] = PlainTextResponse(content)
    with pytest.raises(EngineFailed, match=f"{path}: a reply that is none of vLLM's"):
        rig.open()


def test_a_line_of_a_stream_that_cannot_be_read_ends_the_answer_by_name(rig, caplog):
    engine = rig.open()
    for line in (
        "{",
        "[]",
        '"text"',
        json.dumps({"choices": []}),
        chunk(choices=[{"token_ids": ["x"]}]),
        chunk(choices=[{"token_ids": [-1]}]),
        chunk(choices=[{"token_ids": [10**30]}]),
        chunk(choices="none"),
    ):
        rig.fake.lines = [line]
        with pytest.raises(EngineFailed, match="a line of the stream is none of vLLM's"):
            rig.ask(engine, None)
    assert "Traceback" not in caplog.text
    rig.fake.lines = []
    assert rig.ask(engine, None) == ["the base"]


def test_more_tokens_than_were_asked_for_are_no_answer(rig):
    engine = rig.open()
    name = next(iter(rig.fake.names))
    word = rig.outline.vlm.response_ids("left")[0]
    rig.fake.lines = [chunk(model=name, choices=[{"token_ids": [word]}])] * 40
    with pytest.raises(EngineFailed, match="more came than an answer"):
        rig.ask(engine, None)


def test_what_comes_after_the_end_of_an_answer_is_no_part_of_it(rig):
    engine = rig.open()
    name = next(iter(rig.fake.names))
    rig.fake.lines = [chunk(model=name, choices=[{"token_ids": [], "finish_reason": "length"}])]
    with pytest.raises(EngineFailed, match="more came than an answer"):
        rig.ask(engine, None)


def test_a_status_that_is_no_success_is_told_without_what_vllm_quotes(rig):
    engine = rig.open()
    for status, said in (
        (400, r"vLLM refuses the question \(400\)"),
        (401, r"vLLM refuses the question \(401\)"),
        (429, r"vLLM refuses the question \(429\)"),
        (404, "a name is not known there"),
        (503, r"the engine failed \(503\)"),
    ):
        rig.fake.replies[CHAT] = JSONResponse({"error": {"message": f"no: {SECRET}"}}, status_code=status)
        with pytest.raises(EngineFailed, match=said) as error:
            rig.ask(engine, None, prompt=SECRET)
        assert SECRET not in f"{error.value} {error.value.hint}"


def test_a_redirect_is_never_followed_so_the_key_goes_nowhere_else(rig, make_fake):
    other = make_fake()
    engine = rig.open()
    rig.fake.replies[CHAT] = RedirectResponse(f"{other.url}{CHAT}")
    with pytest.raises(EngineFailed, match=r"refuses the question \(307\)"):
        rig.ask(engine, None)
    assert other.bodies == []


def test_the_variables_of_a_proxy_are_not_for_vllm(rig, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert rig.ask(rig.open(), None) == ["the base"]


@pytest.mark.parametrize(
    "url", [f"http://me:{SECRET}@127.0.0.1:8000", f"http://127.0.0.1/?key={SECRET}", "ftp://127.0.0.1", "x"]
)
def test_an_address_with_more_than_an_address_is_refused_without_repeating_it(url):
    with pytest.raises(BadInput, match="engine_url is no address of a vLLM") as error:
        Server(url)
    assert SECRET not in f"{error.value} {error.value.hint}"


def test_neither_key_nor_question_is_in_a_log_whatever_fails(rig, three, caplog):
    caplog.set_level(logging.DEBUG)
    engine = rig.open(key=SECRET)
    for lines in (["{"], [chunk()], []):
        rig.fake.lines = lines
        with pytest.raises(EngineFailed):
            rig.ask(engine, *three, prompt=f"cut {SECRET}")
    assert caplog.records
    assert SECRET not in caplog.text


def test_another_key_is_told_with_its_setting(rig):
    rig.fake.replies[MODELS] = JSONResponse({"error": "Unauthorized"}, status_code=401)
    with pytest.raises(EngineFailed, match="wants another key: MEDZOO_ENGINE_KEY"):
        rig.open()


def test_several_servers_of_one_vllm_are_refused_since_each_counts_adapters_from_one(rig):
    rig.fake.replies["/metrics"] = PlainTextResponse('vllm:num_requests_running{engine="0"} 0.0\n')
    with pytest.raises(EngineFailed, match="start it without --api-server-count"):
        rig.open()


def test_several_engines_behind_one_vllm_are_refused_since_a_probe_is_put_to_one(rig):
    rig.fake.more_metrics = 'vllm:num_requests_running{engine="1",model_name="base"} 0.0\n'
    with pytest.raises(EngineFailed, match="runs several engines"):
        rig.open()


def test_a_rank_that_vllm_was_not_started_for_is_refused_before_the_first_adapter(rig):
    rig.fake.max_rank = 8
    with pytest.raises(BadAdapter, match="greater than max_lora_rank 8"):
        rig.open(max_rank=16)
    rig.open(max_rank=8)


def test_a_question_longer_than_vllm_was_started_for_is_the_askers_error(rig):
    engine = rig.open()
    rig.fake.restart()
    rig.fake.longest = len(rig.outline.ids("Q")) + 40
    assert rig.ask(engine, None) == ["the base"]
    assert rig.ask(engine, None) == ["the base"]
    with pytest.raises(BadInput, match=f"vLLM was started for {rig.fake.longest} together"):
        rig.ask(engine, None, prompt="Q and more")


def test_two_servers_on_one_vllm_each_get_their_own_and_are_told(rig, three):
    one = rig.open()
    assert rig.ask(one, *three) == ["sft 1", "dpo 2", "mdpo 3"]
    other = rig.open()
    assert rig.log[-1].startswith("vLLM has 4 adapters that this server did not load, such as base#")
    again = rig.adapter("sft", seed=7)
    assert rig.ask(other, None, again, three[1]) == ["the base", "sft 7", "dpo 2"]
    other.close()
    assert rig.ask(one, None, *three) == ["the base", "sft 1", "dpo 2", "mdpo 3"]
    assert len(rig.fake.names) == 1 + 3


def test_an_unload_that_fails_leaves_a_name_that_nobody_is_asked_under(rig, three):
    engine = rig.open(slots=1)
    assert rig.ask(engine, three[0]) == ["sft 1"]
    rig.fake.replies["/v1/unload_lora_adapter"] = Response(status_code=500)
    assert rig.ask(engine, three[1]) == ["dpo 2"]
    assert rig.ask(engine, three[0]) == ["sft 1"]
    asked = [body["model"] for body in rig.fake.bodies if body.get("stream")]
    assert len(set(asked)) == 3


def test_what_failed_is_loaded_anew_without_leaving_its_name_behind(rig, three):
    engine = rig.open()
    for adapter in (three[0], None):
        with pytest.raises(EngineFailed):
            rig.ask(engine, adapter, prompt="fails")
    assert rig.ask(engine, None, three[0]) == ["the base", "sft 1"]
    assert len(rig.fake.names) == 1 + 1


def test_a_load_that_hangs_does_not_hold_up_its_end_and_its_name_is_taken_away(rig, three, monkeypatch):
    engine = rig.open()
    rig.fake.held = threading.Event()
    before = len(rig.fake.loads)
    loading = engine.warm(three[0])
    while len(rig.fake.loads) == before:
        rig.fake.left.wait(0.01)
    engine.close()
    assert loading.done()
    rig.fake.held.set()
    assert rig.fake.names == {}


def test_a_base_that_no_probe_has_shown_yet_is_told_once(rig, three):
    engine = rig.open()
    for _ in range(2):
        assert rig.ask(engine, None) == ["the base"]
    assert [one for one in rig.log if "no adapter was loaded yet by whose probe" in one] == rig.log
    other = rig.open()
    rig.log.clear()
    assert rig.ask(other, three[0], None) == ["sft 1", "the base"]
    assert rig.log == []


def test_a_stream_left_in_the_moment_in_which_it_began_is_ended_at_vllm_too(monkeypatch):
    began, closed = asyncio.Event(), []

    class Reply:
        async def aclose(self):
            closed.append(self)

    async def send(asked, *, stream):
        await began.wait()
        return Reply()

    async def leave():
        server = Server("http://127.0.0.1:9")
        monkeypatch.setattr(server._http, "send", send)
        first = asyncio.ensure_future(anext(server.stream({})))
        for _ in range(5):
            await asyncio.sleep(0)
        began.set()
        first.cancel()
        await asyncio.wait({first})
        await server.close()
        return first.cancelled()

    assert asyncio.run(leave())
    assert len(closed) == 1


def test_a_deadline_that_passes_in_the_middle_of_an_answer_ends_it_at_vllm_too(rig, monkeypatch):
    engine = rig.open()
    begun = threading.Event()
    work = Work(
        images=(rig.outline.image,),
        turns=question("silent but well"),
        adapters=(None,),
        sampling=Sampling(),
        deadline=time.monotonic() + 3600,
    )
    ticket = engine.submit(work, lambda piece: begun.set())
    assert begun.wait(60)
    monkeypatch.setattr(engine, "_clock", lambda: work.deadline)
    with pytest.raises(DeadlinePassed):
        ticket.done.result(60)
    assert rig.fake.left.wait(60)
    assert len(rig.fake.names) == 1
