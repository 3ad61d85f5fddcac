"""A language model as judge: what it is asked, what is kept, and `medzoo judge` around it."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jinja2 import Environment

from tests.zoo.evaluation.judging._answers import answer
from zoo.cli.judge import judge
from zoo.errors import BadInput
from zoo.evaluation.judging.endpoint import GREEN_WORDS, WORDINGS, EndpointJudge
from zoo.evaluation.judging.judge import Case
from zoo.evaluation.judging.verdicts import can_be_read
from zoo.llm import ChatEndpoint
from zoo.records import Prediction, Verdict, read_jsonl, write_jsonl

GREEN = "[Clinically Significant Errors]:\n(a) x: 1. mass\n[Matched Findings]:\n2. a; b"


def script(model: str, messages: list[dict[str, str]]) -> str:
    """A judge of every task: facts are the truth's sentences, of which the first is entailed."""
    asked = messages[0]["content"]
    if asked.startswith("Split"):
        truth = asked.partition("True answer: ")[2].partition("\n")[0]
        return json.dumps({"facts": truth.split(". ")})
    if "Label each fact" in asked:
        count = len(re.findall(r"^\d+\. ", asked, re.MULTILINE))
        return json.dumps(["1. Entailment", "2. Neutral", "3. Neutral"][:count])
    if '{"relevance"' in asked:
        return '```json\n{"relevance": 0.75}\n```'
    return GREEN if "reference report" in asked else "true"


@pytest.fixture
def model(llm_server: Any, tmp_path: Path) -> ChatEndpoint:
    llm_server.script = script
    return ChatEndpoint(llm_server.url, "m", cache=tmp_path / "cache", retries=0)


def test_replies_are_kept_as_they_came(model: ChatEndpoint) -> None:
    of = EndpointJudge(model, can_be_read)
    case = Case(answer("left"), ("a", "b"))
    assert of.replies("facts", [case]) == ['["1. Entailment", "2. Neutral"]']
    assert of.replies("correct", [case]) == ["true"]
    assert of.replies("relevance", [case]) == ['```json\n{"relevance": 0.75}\n```']
    assert of.replies("green", [case]) == [GREEN]
    assert of.split([answer("", "One. Two"), answer("", "One. Two")]) == [("One", "Two")] * 2
    assert model.usage.calls == 5
    assert of.name("facts") == "m facts@1"


def test_thoughts_are_no_part_of_a_reply(model: ChatEndpoint, llm_server: Any) -> None:
    llm_server.script = lambda *_: "<think>false? No.</think>\n\ntrue\n"
    assert EndpointJudge(model, can_be_read).replies("correct", [Case(answer("left"))]) == ["true"]


def test_a_reply_that_cannot_be_read_is_sent_back_once_with_the_form(
    model: ChatEndpoint, llm_server: Any
) -> None:
    asked: list[list[dict[str, str]]] = []

    def once(name: str, messages: list[dict[str, str]]) -> str:
        asked.append(messages)
        return '["Neutral"]' if len(messages) == 1 else '["Neutral", "Contradiction"]'

    llm_server.script = once
    of = EndpointJudge(model, can_be_read)
    assert of.replies("facts", [Case(answer("left"), ("a", "b"))]) == ['["Neutral", "Contradiction"]']
    assert asked[1][2]["content"] == (
        "That is not the form that was asked for. Answer with JSON only: a list with one label for each "
        'fact, such as ["1. Neutral", "2. Neutral"].'
    )
    llm_server.script = lambda *_: "Never."
    assert of.replies("correct", [Case(answer("left"))]) == ["Never."]
    assert len(asked) == 2


def test_a_refused_prompt_has_an_empty_reply_and_a_truth_that_is_not_split_none(
    model: ChatEndpoint, llm_server: Any
) -> None:
    llm_server.script, llm_server.code = lambda *_: 400, "content_filter"
    of = EndpointJudge(model, can_be_read)
    assert of.replies("correct", [Case(answer("left"))]) == [""]
    assert of.split([answer("left")]) == [None]


def test_reports_are_cut_to_300_words_for_green_alone(model: ChatEndpoint, llm_server: Any) -> None:
    long = " ".join(f"w{n}" for n in range(GREEN_WORDS + 1))
    of = EndpointJudge(model, can_be_read)
    of.replies("green", [Case(answer(long, long, answer_type="report"))])
    (asked,) = [contents for _, contents in llm_server.paid]
    assert asked.count("w299") == 2
    assert "w300" not in asked
    of.replies("relevance", [Case(answer(long))])
    assert any("w300" in contents for _, contents in llm_server.paid)


@pytest.mark.parametrize("name", ["correct", "facts", "green", "relevance", "split"])
def test_every_wording_is_sound_and_installed(name: str) -> None:
    folder = Path(__file__).parents[4] / "zoo" / "evaluation" / "judging" / "prompts"
    paths = sorted(folder.glob(f"{name}.*.txt"))
    assert paths
    for path in paths:
        Environment().parse(path.read_text(encoding="utf-8"))
    assert '"evaluation/judging/prompts/*.txt"' in (folder.parents[3] / "pyproject.toml").read_text()


def test_facts_and_the_split_that_made_them_have_one_version() -> None:
    assert WORDINGS.version("facts") == WORDINGS.version("split")


def run(*words: object) -> str:
    """What the verb prints; errors come through."""
    return CliRunner().invoke(judge, [str(word) for word in words], catch_exceptions=False).stdout


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    texts = ("a left nodule", "a right nodule", "")
    answers = [
        answer(text, "A nodule. It is left", adapter=f"a{n}", answer_type="report")
        for n, text in enumerate(texts)
    ]
    write_jsonl(tmp_path / "predictions.jsonl", answers)
    return tmp_path / "predictions.jsonl"


def test_the_verb_asks_once_and_goes_on_where_a_run_was_cut_off(
    llm_server: Any, predictions: Path, tmp_path: Path
) -> None:
    out, at = tmp_path / "v" / "verdicts.jsonl", ("--llm", llm_server.url, "--llm-model", "m")

    def broken(model: str, messages: list[dict[str, str]]) -> str | int:
        return 400 if "right nodule" in messages[0]["content"] else script(model, messages)

    llm_server.script = broken
    with pytest.raises(BadInput, match="status 400"):
        run(predictions, "--task", "facts", *at, "--llm-concurrency", 1, "--out", out)
    assert not out.exists()
    llm_server.script = script
    said = run(predictions, "--task", "facts", "--task", "relevance", *at, "--out", out)
    assert "m facts@1: 3 verdicts, 3 of them new\n" in said
    assert "m relevance@1: 3 verdicts, 3 of them new\n" in said
    assert re.search(r"asked m: \d calls, \d from the cache; \d+ prompt and \d+ completion tokens", said)
    assert set(llm_server.paid.values()) == {1}  # nothing was paid twice
    found = read_jsonl(out, Verdict)
    assert [(v.task, v.adapter, v.facts) for v in found if v.task == "facts"] == [
        ("facts", f"a{n}", ("A nodule", "It is left")) for n in range(3)
    ]
    paid = sum(llm_server.paid.values())
    again = run(predictions, "--task", "facts", *at, "--out", out, "--llm-cache", tmp_path / "elsewhere")
    assert "3 verdicts, 0 of them new" in again
    assert sum(llm_server.paid.values()) == paid
    assert read_jsonl(out, Verdict) == found


def test_without_an_endpoint_the_rules_judge_and_a_second_judge_can_share_the_file(
    llm_server: Any, predictions: Path, tmp_path: Path
) -> None:
    out = tmp_path / "verdicts.jsonl"
    assert run(predictions, predictions, "--task", "facts") == (
        f"rules facts@1: 3 verdicts, 3 of them new\nin {out}: 3 verdicts\n"
        f"  next: medzoo score {predictions} {predictions} --verdicts {out}\n"
    )
    llm_server.script = script
    at = ("--llm", llm_server.url, "--llm-model", "m")
    said = run(predictions, "--task", "facts", *at, "--facts", out, "--out", out)
    assert "m facts@1 on the facts of rules facts@1: 3 verdicts, 3 of them new" in said
    assert [v.judge for v in read_jsonl(out, Verdict)] == [
        *["rules facts@1"] * 3,
        *["m facts@1 on the facts of rules facts@1"] * 3,
    ]


def test_without_a_task_every_answer_is_judged_in_every_way_that_is_for_it(
    predictions: Path, tmp_path: Path
) -> None:
    answers = read_jsonl(predictions, Prediction)
    write_jsonl(predictions, [*answers, replace(answers[0], shown="noise", answer="nothing")])
    run(predictions, "--shown", "own", "--out", tmp_path / "own.jsonl")
    run(predictions, "--out", tmp_path / "all.jsonl")
    judged = [
        [(v.task, v.shown) for v in read_jsonl(tmp_path / f, Verdict)] for f in ("own.jsonl", "all.jsonl")
    ]
    assert judged[0] == [*[("facts", "own")] * 3, *[("relevance", "own")] * 3]
    assert judged[1] == [
        *[*[("facts", "own")] * 3, ("facts", "noise")],
        *[*[("relevance", "own")] * 3, ("relevance", "noise")],
    ]


def test_restricted_texts_stay_on_this_machine_unless_allowed(predictions: Path, tmp_path: Path) -> None:
    theirs = [replace(p, dataset="theirs") for p in read_jsonl(predictions, Prediction)]
    write_jsonl(predictions, theirs)
    out = tmp_path / "verdicts.jsonl"
    with pytest.raises(BadInput, match="--send-restricted-data"):
        run(
            *(predictions, "--task", "facts", "--out", out),
            *("--llm", "http://192.0.2.1/v1", "--llm-model", "m"),
        )
