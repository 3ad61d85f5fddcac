"""Adapters that come and go while the server runs."""

from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from tests.serving._steps import Steps


@pytest.fixture
def http(address):
    with httpx2.Client(base_url=f"{address}/v1", trust_env=False, timeout=60) as client:
        yield client


def load(http, name, path, **more):
    return http.post("/load_lora_adapter", json={"lora_name": name, "lora_path": path, **more})


def unload(http, name):
    return http.post("/unload_lora_adapter", json={"lora_name": name})


def ask(http, png, *adapters, question="Q"):
    return http.post(
        "/compare", files={"image": png}, data={"question": question, "adapters": list(adapters)}
    )


def names(http):
    return [one["id"] for one in http.get("/models").json()["data"]]


def told(reply):
    return reply.status_code, reply.json()["error"]["type"]


def test_an_adapter_comes_under_a_name_and_goes_again(http, rig, png):
    reply = load(http, "second", "local/mdpo@" + "2" * 40)
    assert (reply.status_code, reply.text) == (
        200,
        "Success: LoRA adapter 'second' added successfully.",
    )
    assert rig.registry.status("local/mdpo", "2" * 40).state == "resident", (
        "it is loaded before it has a name"
    )
    assert names(http) == ["base", "sft", "text_hallu", "mdpo", "second"]
    assert ask(http, png, "second").json()["answers"][0]["text"] == "mdpo: Q 64x48"
    reply = unload(http, "second")
    assert (reply.status_code, reply.text) == (
        200,
        "Success: LoRA adapter 'second' removed successfully.",
    )
    assert told(ask(http, png, "second")) == (404, "UnknownName")
    assert told(unload(http, "second")) == (404, "UnknownName")
    assert ask(http, png, "mdpo").status_code == 200, "the other name of its repo stays"


def test_a_name_that_is_there_is_replaced_only_where_the_request_says_so(http, png):
    refused = load(http, "mdpo", "local/sft")
    assert told(refused) == (422, "BadInput")
    assert refused.json()["error"]["param"] == "lora_name"
    assert "load_inplace" in refused.json()["error"]["hint"]
    assert ask(http, png, "mdpo").json()["answers"][0]["text"] == "mdpo: Q 64x48"
    assert load(http, "mdpo", "local/sft", load_inplace=True).status_code == 200
    answer = ask(http, png, "mdpo").json()["answers"][0]
    assert (answer["text"], answer["id"]) == ("sft: Q 64x48", "local/sft@" + "0" * 40)


def test_an_adapter_that_cannot_be_served_gets_no_name_and_takes_none_away(http, rig, png):
    for path, wrong in {
        "local/other": (409, "WrongBase"),
        "local/absent": (404, "NotOnHub"),
        "nonsense": (422, "BadInput"),
    }.items():
        assert told(load(http, "new", path)) == wrong
        assert told(load(http, "mdpo", path, load_inplace=True)) == wrong
    assert names(http) == ["base", "sft", "text_hallu", "mdpo"]
    assert ask(http, png, "mdpo").json()["answers"][0]["text"] == "mdpo: Q 64x48"
    for name in ("base", "a/b", "a b", "", "x" * 97, "ä"):
        assert told(load(http, name, "local/sft")) == (422, "BadInput")
    assert told(http.post("/load_lora_adapter", json={"lora_name": "new"})) == (422, "BadInput")


def test_a_name_exists_only_once_its_adapter_is_loaded(http, rig, png):
    rig.model.load_gate.clear()
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load, http, "new", "local/sft")
        while not rig.model.loads:
            pass
        assert told(ask(http, png, "new")) == (404, "UnknownName")
        assert "new" not in names(http)
        rig.model.load_gate.set()
        assert loading.result(60).status_code == 200
    assert ask(http, png, "new").status_code == 200


def test_of_two_that_load_under_one_name_one_is_refused(http, rig):
    rig.model.load_gate.clear()
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(load, http, "new", path) for path in ("local/sft", "local/mdpo")]
        while not rig.model.loads:
            pass
        rig.model.load_gate.set()
        assert sorted(one.result(60).status_code for one in both) == [200, 422]


def test_unloading_waits_for_the_answers_under_way_and_lets_nobody_new_in(http, rig, png):
    rig.model.gate = Steps(1)
    with ThreadPoolExecutor(2) as pool:
        answer = pool.submit(ask, http, png, "mdpo")
        while not rig.model.steps:
            pass
        leaving = pool.submit(unload, http, "mdpo")
        while "mdpo" in names(http):
            pass
        assert told(ask(http, png, "mdpo")) == (404, "UnknownName")
        assert not leaving.done()
        assert "mdpo" in rig.model.slots.values()
        rig.model.gate.set()
        assert answer.result(60).json()["answers"][0]["text"] == "mdpo: Q 64x48"
        assert leaving.result(60).status_code == 200
    assert "mdpo" not in rig.model.slots.values()
