"""What is left of a question in Gradio's memory, on a real server without a browser."""

import json
import re
import time
from types import SimpleNamespace

import httpx2
import pytest

from serving.app import build_app
from serving.ui import sessions, site
from serving.ui.tray import Tray
from tests.serving._served import served

PLANTED = "Wherever is the nodule"


class Page:
    """One session of a browser, and Gradio's pages behind it."""

    def __init__(self, address, blocks):
        self.http = httpx2.Client(base_url=address, trust_env=False, timeout=60)
        self.blocks = blocks
        self.asks = self.http.get("/config").json()["dependencies"]

    def join(self, *values):
        """Ask what takes so many values; the events until the stream ends."""
        [number, *_] = [one["id"] for one in self.asks if len(one["inputs"]) == len(values)]
        body = {"data": values, "fn_index": number, "session_hash": "me"}
        self.http.post("/gradio_api/queue/join", json=body).raise_for_status()
        with self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": "me"}) as reply:
            for line in reply.iter_lines():
                if line.startswith("data:"):
                    yield json.loads(line[5:])

    def ask(self, question, names):
        return self.join('[{"key": "key"}]', question, "", names, "")

    def kept(self):
        """All that Gradio holds of this session."""
        holder, queue = self.blocks.state_holder, self.blocks._queue
        state = holder.session_data.get("me")
        messages = queue.pending_messages_per_session.get("me")
        return [
            *([repr(state.config_values)] if state else []),
            *([repr(list(messages._queue))] if messages else []),
            *queue.pending_event_ids_session.get("me", ()),
            *[repr(event.data) for event in queue.event_ids_to_events.values()],
        ]


@pytest.fixture
def page(rig, image, monkeypatch):
    scan = SimpleNamespace(show=lambda view: image, words=lambda view: "")
    monkeypatch.setattr(Tray, "get", lambda tray, key: scan)
    built = []
    build = site.build_site
    monkeypatch.setattr(site, "build_site", lambda *a, **k: built.append(build(*a, **k)) or built[-1])
    with served(build_app(rig.service), at_end=rig.model.gate.set) as address:
        yield Page(address, built[0])


def at_last(holds):
    ended = time.monotonic() + 60
    while not holds() and time.monotonic() < ended:
        time.sleep(0.02)
    return holds()


def said(events):
    """What each asked one said at the end."""
    *_, last = [one for one in events if one["msg"] == "process_completed"]
    assert last["success"], last
    return re.findall(r'class="mz-text">([^<]*)<', re.sub("</?mark[^>]*>", "", last["output"]["data"][0]))


def close_midway(page, model):
    """Ask, and close the page while the model is at it."""
    model.gate.clear()
    events = page.ask(PLANTED, ["base"])
    while not model.busy.is_set():
        next(events)
    assert PLANTED in str(page.kept())
    events.close()


def test_nothing_of_a_question_is_kept_once_the_browser_has_the_answers(page):
    assert said(page.ask(PLANTED, ["base"])) == [f"base: {PLANTED} 64x48"]
    assert at_last(lambda: page.kept() == []), page.kept()


def test_a_forgotten_session_that_comes_back_can_ask_the_adapters_that_it_was_offered(page):
    list(page.join())
    for question in (PLANTED, "And now"):
        assert at_last(lambda: page.kept() == [])
        both = said(page.ask(question, ["base", "sft"]))
        assert both == [f"base: {question} 64x48", f"sft: {question} 64x48"]


@pytest.fixture
def soon(monkeypatch):
    """Idle sessions go at once."""
    monkeypatch.setattr(sessions, "IDLE_S", 0.4)


def test_a_page_that_is_closed_before_its_answers_is_forgotten_after_some_time(soon, page, rig):
    close_midway(page, rig.model)
    rig.model.gate.set()
    assert at_last(lambda: page.kept() == []), page.kept()


def test_a_session_whose_comparison_is_under_way_is_not_forgotten_however_long_it_takes(soon, page, rig):
    rig.model.gate.clear()
    events = page.ask(PLANTED, ["base"])
    while not rig.model.busy.is_set():
        next(events)
    time.sleep(3 * sessions.IDLE_S)
    assert "me" in page.blocks.state_holder.session_data
    rig.model.gate.set()
    assert said(events) == [f"base: {PLANTED} 64x48"]
    assert at_last(lambda: page.kept() == [])
