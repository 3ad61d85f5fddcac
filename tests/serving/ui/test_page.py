"""The page's own endpoint, without a browser: what it streams, and what a closed page leaves behind."""

import json
import re
import time
from itertools import pairwise
from types import SimpleNamespace

import httpx2
import pytest

from serving.app import build_app
from serving.core import origin
from serving.defence import origins
from serving.pictures import Pictures
from serving.ui.site import build_site
from serving.ui.tray import Tray
from tests.serving._served import served
from tests.serving._steps import Steps
from zoo.images import Limits

LONG = " ".join(["word"] * 40)


@pytest.fixture
def page(rig, image, monkeypatch):
    """Call it with a question for the events of the page's stream; the image is chosen already."""
    monkeypatch.setattr(
        Tray, "get", lambda tray, key: SimpleNamespace(show=lambda view: image, words=lambda view: "")
    )

    def events(question, adapters, others="", reference="", seed=None):
        values = ['[{"key": "key"}]', question, reference, adapters, others]
        values += [] if seed is None else [seed]
        with httpx2.Client(base_url=address, trust_env=False, timeout=60) as http:
            asked = [
                one for one in http.get("/config").json()["dependencies"] if len(one["inputs"]) == len(values)
            ]
            body = {"data": values, "fn_index": asked[0]["id"]}
            http.post("/gradio_api/queue/join", json=body | {"session_hash": "me"}).raise_for_status()
            with http.stream("GET", "/gradio_api/queue/data", params={"session_hash": "me"}) as reply:
                for line in reply.iter_lines():
                    if line.startswith("data:"):
                        yield json.loads(line[5:])

    with served(build_app(rig.service), at_end=rig.model.gate.set) as address:
        yield events


def until_completed(events):
    for event in events:
        yield event
        if event["msg"] == "process_completed":
            return


def test_an_answer_in_the_page_is_made_on_behalf_of_the_request_that_asked(page, rig, monkeypatch):
    arrived, submitted = [], []
    submit = rig.engine.submit

    def arriving(**given):
        arrived.append(origin.arriving(**given))
        return arrived[-1]

    def noting(work, on_piece=None):
        submitted.append(origin.origin())
        return submit(work, on_piece)

    monkeypatch.setattr(origins, "arriving", arriving)
    monkeypatch.setattr(rig.engine, "submit", noting)
    assert list(until_completed(page("What is shown?", ["base"])))
    _config, joining, _data = arrived
    assert submitted == [joining]


def test_answers_grow_in_the_page_word_by_word_and_end_as_the_whole(page, rig):
    rig.model.gate = Steps(0)
    seen = []
    for event in until_completed(page("What is shown?", [], "local/sft, local/mdpo")):
        rig.model.gate.release()
        html = re.sub("</?mark[^>]*>", "", str(event.get("output", {}).get("data", "")))
        words = re.findall(r'class="mz-(?:live|text)">([^<]*)<', html)
        seen += [words] if words and words not in seen[-1:] else []
    assert len(seen) > 2
    for before, after in pairwise(seen):
        assert all(map(str.startswith, after, before))
    assert seen[-1] == ["sft: What is shown? 64x48", "mdpo: What is shown? 64x48"]


def test_who_asks_by_the_page_is_told_to_the_engine(page, rig, monkeypatch):
    clients = []
    submit = rig.engine.submit

    def noting(work, on_piece=None):
        clients.append(work.client)
        return submit(work, on_piece)

    monkeypatch.setattr(rig.engine, "submit", noting)
    list(until_completed(page("Q", ["base"])))
    assert clients == ["page me"]


def test_a_repo_that_cannot_be_had_is_told_in_the_page(page):
    *_, last = until_completed(page("Q", [], "local/none"))
    assert "No repo local/none." in last["output"]["data"][0]


def test_a_repo_that_the_operator_does_not_allow_is_refused_in_the_page_too(page, rig):
    rig.library.names._allow = ("local/*",)
    *_, last = until_completed(page("Q", [], "elsewhere/mdpo"))
    assert "elsewhere/mdpo is not among the adapters of this server" in last["output"]["data"][0]


def test_a_page_that_is_closed_cancels_its_comparison(page, rig, monkeypatch):
    tickets = []
    submit = rig.engine.submit
    monkeypatch.setattr(rig.engine, "submit", lambda *words: tickets.append(submit(*words)) or tickets[-1])
    rig.model.gate.clear()
    events = page(LONG, ["base"], "local/mdpo")
    while not rig.model.busy.is_set():
        next(events)
    events.close()
    ended = time.monotonic() + 60
    while not tickets[0].done.cancelled() and time.monotonic() < ended:
        time.sleep(0.02)
    rig.model.gate.set()
    assert tickets[0].done.cancelled()
    rig.service.close()
    assert len(rig.model.steps) <= 2


@pytest.mark.parametrize("allow", [(), ("me/*",)])
def test_other_repos_can_be_named_where_the_operator_allows_some(rig, allow):
    rig.library.names._allow = allow
    blocks = build_site(rig.service, Pictures(Limits())).blocks.values()
    (others,) = [one for one in blocks if one.elem_id == "mz-others"]
    assert others.visible == bool(allow)


def test_another_sample_is_drawn_with_the_seed_that_the_page_chose_and_says_so(page, rig, monkeypatch):
    drawn = []
    submit = rig.engine.submit

    def noting(work, on_piece=None):
        drawn.append((work.sampling.temperature, work.sampling.seed))
        return submit(work, on_piece)

    monkeypatch.setattr(rig.engine, "submit", noting)
    list(until_completed(page("Q", ["base"])))
    *_, last = until_completed(page("Q", ["base"], seed="77"))
    assert drawn == [(0.0, 0), (0.7, 77)]
    assert "sample of seed 77 at temperature 0.7" in last["output"]["data"][0]
    *_, last = until_completed(page("Q", ["base"], seed="Planted"))
    assert "no such seed" in last["output"]["data"][0]
    assert "Planted" not in last["output"]["data"][0]


def test_the_reference_given_is_shown_with_the_answers(page):
    *_, last = until_completed(page("Q", ["base"], reference="base: Z"))
    html = last["output"]["data"][0]
    assert '<mark data-not="reference">Q 64x48</mark>' in html
    assert "<b>Reference</b> base: Z" in html
