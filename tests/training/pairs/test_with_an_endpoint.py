"""A build that asks an endpoint: killed and resumed it pays nothing twice and makes the same set.

The endpoint is writer, judge and three debaters. It is busy, broken and malformed now and then, each by the
prompt alone, so that two builds meet the same. Run as a program, this file is the build that gets killed.
"""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from training.pairs.build import build_pairs
from training.pairs.hallucinate import Hallucinate
from training.pairs.kept_sentences import KeptSentences
from training.pairs.relevance import Relevance
from training.pairs.report import PairReport, read_report
from training.pairs.step import Tools
from zoo.datasets import load_questions
from zoo.llm import ChatEndpoint
from zoo.records import PreferencePair, read_jsonl

QUESTIONS = 80  # two batches
Messages = list[dict[str, str]]


def build(url: str, out: Path, cache: Path) -> PairReport:
    """The build that all tests run."""
    tools = Tools(
        questions=load_questions("phantom", "train", limit=QUESTIONS),
        seed=0,
        writer=ChatEndpoint(url, "writer", cache=cache),
        debaters=tuple(ChatEndpoint(url, name, cache=cache) for name in ("a", "b", "c")),
    )
    return build_pairs("probe", (Hallucinate(), KeptSentences(), Relevance()), tools, out, base="phantom@0")


class Endpoint:
    """The script of the server: replies and troubles that depend on what is asked alone."""

    def __init__(self) -> None:
        self._met: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, model: str, messages: Messages) -> str | int:
        asked = messages[0]["content"]
        draw = hashlib.sha256(f"{model} {asked}".encode()).digest()
        trouble, repaired, score = draw[0] % 48, draw[1] % 2, draw[2] % 2
        with self._lock:
            first = f"{model} {asked}" not in self._met
            self._met.add(f"{model} {asked}")
        if first and trouble in (0, 1):
            return (429, 500)[trouble]
        if 2 <= trouble < 5 and not (len(messages) == 3 and repaired):
            return "Let me think about it."
        if model != "writer":
            return json.dumps({"score": (0.25, 0.75)[score], "agree": draw[3] % 2 == 0})
        if '"hallucinated"' in asked:
            return json.dumps({"hallucinated": [1, 2]})
        (truth,) = re.findall(r"^True answer: (.*)$", asked, re.MULTILINE)
        others = [
            o
            for line in re.findall(r"^Possible answers: (.*)$", asked, re.MULTILINE)
            for o in line.split(", ")
        ]
        wrong = next((other for other in others if other != truth), f"Unlike {truth}. Large heart.")
        return json.dumps({"answer": wrong})


class Held:
    """A script that pays `most` calls and keeps all others waiting until they are let go."""

    def __init__(self, script: Callable[[str, Messages], str | int], most: int) -> None:
        self._script, self._left = script, most
        self._lock = threading.Lock()
        self.let_go = threading.Event()

    def __call__(self, model: str, messages: Messages) -> str | int:
        came = self._script(model, messages)
        if isinstance(came, int):
            return came
        with self._lock:
            self._left -= 1
            pays = self._left >= 0
        if pays:
            return came
        self.let_go.wait(120)
        return 503


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def answers_in(cache: Path) -> int:
    return len(list(cache.glob("*.json")))


def build_and_kill(llm_server: Any, out: Path, cache: Path, *, after: int) -> None:
    """Build in a process of its own, and kill it once `after` more calls are paid and kept."""
    held = llm_server.script = Held(Endpoint(), after)
    before = answers_in(cache)
    child = subprocess.Popen([sys.executable, __file__, llm_server.url, out, cache])
    try:
        until = time.monotonic() + 120
        while answers_in(cache) < before + after:
            assert child.poll() is None, "the build ended before it could be killed"
            assert time.monotonic() < until, f"{answers_in(cache) - before} of {after} calls in 120 s"
            time.sleep(0.02)
        child.send_signal(signal.SIGKILL)
        assert child.wait(30) == -signal.SIGKILL
    finally:
        child.kill()
        child.wait()
        held.let_go.set()


@pytest.mark.slow
def test_a_build_killed_twice_ends_as_the_one_that_was_not_and_pays_no_call_twice(
    llm_server: Any, tmp_path: Path
) -> None:
    llm_server.script = Endpoint()
    whole = build(llm_server.url, tmp_path / "whole", tmp_path / "whole-calls")
    once = dict(llm_server.paid)
    assert llm_server.statuses[429] > 0
    assert llm_server.statuses[500] > 0
    assert whole.dropped["writer: malformed reply"] > 0
    assert whole.dropped["no usable relevance score"] > 0
    assert any("Let me think about it." in contents for _, contents in once), "nothing was repaired"

    llm_server.paid.clear()
    out, cache = tmp_path / "killed", tmp_path / "calls"
    build_and_kill(llm_server, out, cache, after=50)  # in the first batch
    assert answers_in(out.with_name("killed.part") / ".shards") == 0
    build_and_kill(llm_server, out, cache, after=len(once) - 60)  # in the second
    assert answers_in(out.with_name("killed.part") / ".shards") == 1
    assert not out.exists()
    llm_server.script = Endpoint()
    resumed = build(llm_server.url, out, cache)

    assert files_of(out) == files_of(tmp_path / "whole")
    assert resumed.fingerprint == whole.fingerprint
    assert set(llm_server.paid.values()) == {1}
    assert dict(llm_server.paid) == once


def test_every_pair_names_its_writer_its_judge_and_its_debate(llm_server: Any, tmp_path: Path) -> None:
    llm_server.script = Endpoint()
    report = build(llm_server.url, tmp_path / "p", tmp_path / "calls")
    assert report.kept + sum(report.dropped.values()) == QUESTIONS
    pairs = read_jsonl(tmp_path / "p" / "pairs.jsonl", PreferencePair)
    assert {p.made_by["writer"] for p in pairs} == {"writer hallucinate@1"}
    assert {p.made_by["judge"] for p in pairs} == {"rule-based judge 1", "writer judge_sentences@1"}
    assert {p.made_by["weighed_by"] for p in pairs} == {"a, b, c relevance@1"}
    lengths = {len(p.made_by["debate"]) for p in pairs}
    assert min(lengths) == 3  # agreed at once
    assert max(lengths) == 15  # never agreed
    assert read_report(tmp_path / "p") == report


def test_questions_of_a_restricted_data_set_do_not_leave_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from training.cli.pairs import pairs

    restricted = replace(load_questions("phantom", "train", limit=2), restricted=True)
    monkeypatch.setattr("zoo.datasets.load_questions", lambda *_, **__: restricted)
    for model in (
        ["--llm", "http://llm.example/v1", "--llm-model", "m"],
        ["--debater", "http://llm.example/v1", "m"],
    ):
        came = CliRunner().invoke(pairs, ["mmedpo", *model, "--out", str(tmp_path / "p")])
        assert "--send-restricted-data" in str(came.exception)
    assert list(tmp_path.iterdir()) == []


if __name__ == "__main__":
    os.environ["TQDM_DISABLE"] = "1"
    build(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
