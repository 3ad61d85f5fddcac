"""OpenAI's own client against a real server."""

import base64

import openai
import pytest

from serving.service import Asked
from tests.serving._brought import brought
from tests.serving._steps import Steps
from tests.test_documents import blocks
from zoo.asking import question
from zoo.notice import NOTICE


def digest_of(rig, name="mdpo"):
    return brought(rig.library, name).adapter.manifest.weights_sha256


def test_a_completion_is_openais_and_tells_exactly_what_gave_it(ask, about, rig):
    raw = ask.chat.completions.with_raw_response.create(model="mdpo", messages=about("What is shown?"))
    done, digest = raw.parse(), digest_of(rig)
    assert (done.object, done.model, done.system_fingerprint) == (
        "chat.completion",
        "mdpo",
        f"aaaaaaaa-{digest[:8]}",
    )
    (choice,) = done.choices
    assert (choice.message.role, choice.message.content) == ("assistant", "mdpo: What is shown? 64x48")
    assert choice.finish_reason == "stop"
    assert done.usage.model_dump(exclude_none=True) == {
        "prompt_tokens": 3,
        "completion_tokens": 5,
        "total_tokens": 8,
    }
    ours = done.medzoo
    assert 0 <= ours.pop("first_token_ms") <= ours.pop("milliseconds")
    assert ours.pop("load") > 0
    assert ours == {
        "asked": "mdpo",
        "id": "local/mdpo@" + "2" * 40,
        "repo": "local/mdpo",
        "sha": "2" * 40,
        "digest": digest,
        "variant": "mdpo",
        "base": "phantom@" + "a" * 40,
        "seed": 0,
        "hub_unreachable": False,
        "finish": "stop",
        "left_off": 0,
        "tokens": 5,
        "prompt_tokens": 3,
        "notice": NOTICE,
    }
    assert {name: raw.headers[name] for name in raw.headers if name.startswith("x-medzoo")} == {
        "x-medzoo-adapter": "local/mdpo@" + "2" * 40,
        "x-medzoo-digest": digest,
        "x-medzoo-base": "phantom@" + "a" * 40,
        "x-medzoo-notice": NOTICE,
    }


def test_a_stream_is_openais_word_by_word_as_the_words_come(ask, about, rig):
    rig.model.gate = Steps(1)
    stream = ask.chat.completions.create(
        model="base", messages=about("Q"), stream=True, stream_options={"include_usage": True}
    )
    said = []
    for chunk in stream:  # no word comes before the one ahead of it is read
        rig.model.gate.release()
        said.append(chunk)
    first, *words, last, usage = said
    assert first.choices[0].delta.role == "assistant"
    assert [one.choices[0].delta.content for one in words] == ["base:", " Q", " 64x48"]
    assert (last.choices[0].finish_reason, last.choices[0].delta.content) == ("stop", None)
    assert (usage.choices, usage.usage.completion_tokens, usage.usage.prompt_tokens) == ([], 3, 1)
    assert len({(one.id, one.model, one.system_fingerprint) for one in said}) == 1
    assert (first.medzoo["id"], first.medzoo["digest"]) == ("medvlm-zoo/phantom@" + "a" * 40, "")
    assert (last.medzoo["tokens"], last.medzoo["notice"]) == (3, NOTICE)


def test_a_stream_that_is_cut_has_said_an_unfinished_sentence_and_its_end_tells_how_long_it_is(ask, about):
    asked = {"model": "base", "messages": about("Clear lungs. The heart is"), "max_completion_tokens": 5}
    chunks = list(ask.chat.completions.create(stream=True, **asked))
    assert "".join(one.choices[0].delta.content or "" for one in chunks) == "base: Clear lungs. The heart"
    assert (chunks[-1].choices[0].finish_reason, chunks[-1].medzoo["left_off"]) == ("length", 10)
    whole = ask.chat.completions.create(**asked)
    assert (whole.choices[0].message.content, whole.medzoo["left_off"]) == ("base: Clear lungs.", 10)


def test_a_stream_without_a_wish_for_usage_ends_with_its_reason(ask, about):
    *_, last = ask.chat.completions.create(model="sft", messages=about("Q"), stream=True)
    assert last.choices[0].finish_reason == "stop"
    assert last.usage is None


def test_several_turns_reach_the_model_with_their_roles_and_images(ask, about, rig):
    begun = []
    begin = rig.model.begin
    rig.model.begin = lambda rows: begun.extend(rows) or begin(rows)
    before = [{"role": "developer", "content": "Be short."}, *about("Is it a scan?")]
    answer = ask.chat.completions.create(model="base", messages=before).choices[0].message
    ask.chat.completions.create(
        model="base", messages=[*before, answer, {"role": "user", "content": "Of what?"}]
    )
    assert [(turn.role, turn.text, turn.images) for turn in begun[-1].turns] == [
        ("system", "Be short.", 0),
        ("user", "Is it a scan?", 1),
        ("assistant", "base: Is it a scan? 64x48", 0),
        ("user", "Of what?", 0),
    ]


def test_sampling_is_what_the_request_says_and_greedy_without_a_word(ask, about, rig):
    begun = []
    begin = rig.model.begin
    rig.model.begin = lambda rows: begun.extend(row.sampling for row in rows) or begin(rows)
    ask.chat.completions.create(model="base", messages=about("Q"))
    wishes = {"temperature": 0.5, "top_p": 0.9, "seed": 7, "max_completion_tokens": 2, "stop": "x"}
    done = ask.chat.completions.create(model="base", messages=about("Q"), **wishes)
    assert (done.choices[0].finish_reason, done.medzoo["seed"]) == ("length", 7)
    free = [ask.chat.completions.create(model="base", messages=about("Q"), temperature=1) for _ in range(2)]
    greedy, wished, *drawn = begun
    assert (greedy.temperature, greedy.top_p, greedy.max_tokens, greedy.stop) == (0, 1, 64, ())
    assert (wished.temperature, wished.top_p, wished.max_tokens) == (0.5, 0.9, 2)
    assert (wished.seed, wished.stop) == (7, ("x",))
    assert [one.seed for one in drawn] == [one.medzoo["seed"] for one in free]
    assert drawn[0].seed != drawn[1].seed, "a sample without a seed gets one of its own"


@pytest.mark.parametrize(
    ("wish", "param"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"response_format": {"type": "json_object"}}, "response_format.type"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"temperature": 2.5}, "temperature"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_completion_tokens"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"extra_body": {"best_of": 3}}, "best_of"),
        ({"extra_body": {"seed": "3"}}, "seed"),
    ],
)
def test_what_cannot_be_done_is_refused_by_its_name(ask, about, wish, param):
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        ask.chat.completions.create(model="base", messages=about("Q"), **wish)
    assert refused.value.param.split(".")[0] == param.split(".")[0]
    assert refused.value.type == "BadInput"


def test_what_clients_send_by_themselves_is_taken_where_it_asks_for_nothing(ask, about):
    done = ask.chat.completions.create(
        model="base",
        messages=about("Q"),
        n=1,
        user="me",
        store=False,
        logprobs=False,
        presence_penalty=0,
        frequency_penalty=0.0,
        response_format={"type": "text"},
        service_tier="auto",
        metadata={"a": "b"},
        modalities=["text"],
        tools=[],
        logit_bias=None,
        reasoning_effort=None,
        extra_body={"whatever": None, "stream_options": {"include_usage": None}},
    )
    assert done.choices[0].message.content == "base: Q 64x48"


def test_an_answer_goes_back_as_the_client_keeps_it(ask, about):
    first = about("Q")
    first[0]["name"] = "ana"
    first[0]["content"][1]["image_url"]["detail"] = "high"
    answer = ask.chat.completions.create(model="base", messages=first).choices[0].message
    again = [*first, {**answer.model_dump(), "annotations": []}, {"role": "user", "content": "Why?"}]
    done = ask.chat.completions.create(model="base", messages=again)
    assert done.choices[0].message.content == "base: Why? 64x48"


def test_more_tokens_than_there_may_be_are_as_many_as_there_may_be(ask, about, rig):
    rig.service.max_new_tokens = 2
    done = ask.chat.completions.create(model="base", messages=about("Q"), max_tokens=4096)
    assert (done.choices[0].message.content, done.choices[0].finish_reason) == ("base: Q", "length")
    assert done.usage.completion_tokens == 2


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "image_url", "image_url": {}}, "messages.0.content.1.image_url.url"),
        ({"type": "image_url"}, "messages.0.content.1.image_url"),
        ({"type": "image_url", "image_url": {"url": "x", "size": 1}}, "messages.0.content.1.image_url.size"),
        ({"type": "text", "text": 5}, "messages.0.content.1.text"),
        ({"type": "text", "text": None}, "messages.0.content.1.text"),
        ({"type": "video"}, "messages.0.content.1"),
    ],
)
def test_what_is_wrong_in_the_depth_is_named_by_its_place(ask, part, param):
    content = [{"type": "text", "text": "Q"}, part]
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        ask.chat.completions.create(model="base", messages=[{"role": "user", "content": content}])
    assert refused.value.param == param


def test_errors_are_those_that_openais_client_knows(make_rig, serve, ask, about, rig, png):
    def refused(kind, model="base", text="Q"):
        with pytest.raises(kind) as error:
            ask.chat.completions.create(model=model, messages=about(text))
        return error.value

    unknown = refused(openai.NotFoundError, model="gpt-4o")
    assert (unknown.code, unknown.type) == ("model_not_found", "UnknownName")
    assert "'gpt-4o'" in unknown.message
    assert len(refused(openai.NotFoundError, model="x" * 5000).message) < 130
    assert refused(openai.NotFoundError, model="local/absent").type == "NotOnHub"
    assert refused(openai.ConflictError, model="local/other").type == "WrongBase"
    assert refused(openai.InternalServerError, text="explode").type == "EngineFailed"
    rig.library.names._allow = ()
    assert "MEDZOO_ALLOW" in refused(openai.PermissionDeniedError, model="local/absent").body["hint"]
    rig.service._timeout_s = 0.05
    rig.model.gate.clear()
    late = refused(openai.InternalServerError)
    assert (late.status_code, late.type) == (504, "DeadlinePassed")
    rig.model.gate.set()
    rig.service.close()
    gone = refused(openai.InternalServerError)
    assert (gone.status_code, gone.type) == (503, "Stopped")


def test_a_full_queue_is_a_rate_limit_that_says_when_to_come_back(ask, about, rig, image):
    rig.engine._max_waiting_rows = 1
    rig.model.gate.clear()
    for _ in range(2):  # the first runs, the second waits
        rig.service.ask(Asked(images=(image,), turns=question("Q"), adapters=("base",)))
        assert rig.model.busy.wait(60)
    with pytest.raises(openai.RateLimitError) as refused:
        ask.chat.completions.create(model="base", messages=about("Q"))
    assert refused.value.code == "rate_limit_exceeded"
    assert int(refused.value.response.headers["retry-after"]) >= 1
    rig.model.gate.set()


def test_an_error_before_the_first_word_of_a_stream_has_its_status(ask, about):
    with pytest.raises(openai.ConflictError):
        ask.chat.completions.create(model="local/other", messages=about("Q"), stream=True)
    with pytest.raises(openai.InternalServerError):
        ask.chat.completions.create(model="base", messages=about("explode"), stream=True)


def test_an_error_after_the_start_of_a_stream_is_its_last_event(ask, about, rig):
    rig.model.gate = Steps(1)
    said = []
    stream = ask.chat.completions.create(model="base", messages=about("burst"), stream=True)
    with pytest.raises(openai.APIError, match="RuntimeError") as broke:
        said.extend((chunk.choices[0].delta.content, rig.model.gate.release())[0] for chunk in stream)
    assert (said, broke.value.type) == (["", "base:"], "EngineFailed")


SAY = {"type": "text", "text": "Q"}


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("Q", openai.UnprocessableEntityError),
        ([SAY, {"type": "image_url", "image_url": {"url": "hello"}}], openai.BadRequestError),
        (
            [SAY, {"type": "image_url", "image_url": {"url": "http://10.0.0.1/x"}}],
            openai.PermissionDeniedError,
        ),
        ([{"type": "input_audio", "input_audio": {}}], openai.UnprocessableEntityError),
    ],
)
def test_a_message_that_is_none_is_refused(ask, content, kind):
    with pytest.raises(kind):
        ask.chat.completions.create(model="base", messages=[{"role": "user", "content": content}])


def test_an_image_by_its_address_is_fetched_by_whatever_the_operator_allows(rig, png):
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from serving.pictures import Pictures
    from serving.rest.errors import add_error_replies
    from serving.rest.routes import add_routes
    from zoo.images import Limits

    class Remote:
        async def fetch(self, url):
            assert url == "https://example.org/scan.png"
            return png

    app = FastAPI()
    add_error_replies(app)
    add_routes(app, rig.service, Pictures(Limits()), remote=Remote())
    image = {"type": "image_url", "image_url": {"url": "https://example.org/scan.png"}}
    text = {"type": "text", "text": "Q"}
    with TestClient(app) as client:
        body = {"model": "base", "messages": [{"role": "user", "content": [image, text]}]}
        reply = client.post("/v1/chat/completions", json=body)
    assert reply.json()["choices"][0]["message"]["content"] == "base: Q 64x48"


def test_the_models_are_openais_list_with_what_stands_behind_each(ask, rig):
    rig.service.prepare("mdpo")
    listed = {one.id: one for one in ask.models.list()}
    assert list(listed) == ["base", "sft", "text_hallu", "mdpo"]
    assert listed["base"].medzoo["id"] == "medvlm-zoo/phantom@" + "a" * 40
    one = ask.models.retrieve("mdpo")
    assert one == listed["mdpo"]
    assert (one.object, one.owned_by) == ("model", "local")
    assert one.medzoo == {
        "id": "local/mdpo@" + "2" * 40,
        "digest": digest_of(rig),
        "base": "phantom@" + "a" * 40,
        "variant": "mdpo",
        "state": "resident",
        "reason": "",
        "terms": [],
    }
    assert ask.models.retrieve("local/sft@main").medzoo["id"] == "local/sft@" + "0" * 40
    assert ask.models.retrieve("base").id == "base"
    with pytest.raises(openai.NotFoundError):
        ask.models.retrieve("mdop")


def test_the_example_of_the_readme_runs(address, png, monkeypatch):
    (example,) = [block for block in blocks("README.md", "python") if "openai" in block]
    for written, here in {
        "http://127.0.0.1:7860": address,
        "base64,...": f"base64,{base64.b64encode(png).decode()}",
    }.items():
        assert written in example
        example = example.replace(written, here)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    found = {}
    exec(example, found)
    found["client"].close()
    said = found["answer"].choices[0].message.content
    assert said == "mdpo: On which side is the nodule? 64x48"
