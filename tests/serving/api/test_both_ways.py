"""The same question to a service in this process and, over REST, to a server: the same answers."""

import time
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import replace

import pytest

from serving.api import Zoo
from serving.app import build_app
from tests.serving._served import served
from tests.serving._steps import Steps
from zoo.errors import BadInput, UnknownName


@contextmanager
def by_rest(service):
    """A zoo that asks this service over REST."""
    with served(build_app(service, page=False)) as address, Zoo.connect(address) as zoo:
        yield zoo


def timeless(comparison):
    """A comparison without what two runs of it never share."""
    answers = [replace(one, milliseconds=0, first_token_ms=0) for one in comparison.answers]
    return replace(comparison, answers=tuple(answers), milliseconds=0)


def test_a_real_adapter_answers_the_same_over_rest_and_in_this_process(tune):
    from zoo.phantom.scans import make_scan

    folder = str(tune("sft"))
    with Zoo("phantom", [folder]) as here, by_rest(here._way._service) as there:
        said = set()
        for seed in range(2):
            for wishes in ({}, {"temperature": 1.5, "top_p": 0.9, "seed": seed}, {"max_tokens": 3}):
                asked = (make_scan(seed).pixels, "Describe the findings of this scan.", ["base", folder])
                whole = here.compare(*asked, **wishes)
                assert timeless(there.compare(*asked, **wishes)) == timeless(whole)
                said |= {one.text for one in whole.answers}
                for zoo in (here, there):
                    texts = ["", ""]
                    for words in zoo.stream(*asked, **wishes):
                        texts[words.row] += words.text
                    assert texts == [one.text for one in whole.answers]
        assert len(said) > 4


def test_what_is_listed_is_the_same(rig, png):
    with by_rest(rig.service) as zoo:
        zoo.ask(png, "Q", "mdpo")
        assert zoo.adapters() == rig.service.adapters()


def test_an_error_is_the_same(rig, png):
    with by_rest(rig.service) as zoo:
        with pytest.raises(UnknownName, match="no adapter is named 'mdop'") as refused:
            zoo.ask(png, "Q", "mdop")
        assert refused.value.hint == "did you mean 'mdpo'?"
        with pytest.raises(BadInput, match="the question is empty"):
            zoo.ask(png, " ")


def test_leaving_a_server_s_stream_frees_its_rows_there(rig, png, monkeypatch):
    tickets = []
    submit = rig.engine.submit
    monkeypatch.setattr(rig.engine, "submit", lambda *words: tickets.append(submit(*words)) or tickets[-1])
    rig.model.gate = Steps(1)
    with by_rest(rig.service) as zoo:
        stream = zoo.stream(png, " ".join(["word"] * 40), ["base"])
        for words in stream:
            assert words.text == "base:"
            break
        with pytest.raises(CancelledError):
            stream.result()
        ended = time.monotonic() + 60
        while not tickets[0].done.cancelled() and time.monotonic() < ended:
            time.sleep(0.02)
        assert tickets[0].done.cancelled()
        rig.model.gate.set()
        assert zoo.ask(png, "Q").text == "base: Q 64x48"
