"""Drafts without images, and scripted models: policies and a writer that say what they are told."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image

from training.pairs.step import Draft, Heat, Policy, Request, Tools
from zoo.datasets import Given, QuestionSet
from zoo.llm import Failed, Prompt, Reply, TextModel
from zoo.records import AnswerType, Question

MakeDraft = Callable[..., Draft]
MakeTools = Callable[..., Tools]


class ScriptedPolicy:
    """Says the same list of answers to every request; the first is the greedy one."""

    name = "scripted@0"
    can_judge = False

    def __init__(self, said: Sequence[str]) -> None:
        self.said = list(said)

    def answers(self, requests: Sequence[Request]) -> list[str]:
        return [self.said[0] for _ in requests]

    def samples(
        self, requests: Sequence[Request], *, n: int, temperature: float, top_p: float = 1.0
    ) -> list[list[str]]:
        return [self.said[:n] for _ in requests]

    def attention(self, requests: Sequence[Request]) -> list[Heat]:
        return [np.ones((2, 2), np.float32) for _ in requests]


class PolicyOf:
    """Answers by a function of the request and of how many samples are wanted, None for a greedy answer."""

    name = "scripted@0"

    def __init__(self, say: Callable[[Request, int | None], Any], *, can_judge: bool = False) -> None:
        self.say = say
        self.can_judge = can_judge

    def answers(self, requests: Sequence[Request]) -> list[str]:
        return [self.say(request, None) for request in requests]

    def samples(
        self, requests: Sequence[Request], *, n: int, temperature: float, top_p: float = 1.0
    ) -> list[list[str]]:
        return [list(self.say(request, n)) for request in requests]

    def attention(self, requests: Sequence[Request]) -> list[Heat]:
        raise NotImplementedError


class ScriptedWriter:
    """Replies with the same JSON to every prompt, or with the next of a list, and keeps the prompts; a text
    means failure."""

    name = "writer-1"

    def __init__(self, reply: Mapping[str, Any] | str | list[Mapping[str, Any] | str]) -> None:
        self.reply = reply
        self.asked: list[Prompt] = []

    def replies(self, prompts: Sequence[Prompt], reply: type[Reply]) -> list[Reply | Failed]:
        self.asked += prompts
        said = [self.reply.pop(0) if isinstance(self.reply, list) else self.reply for _ in prompts]
        return [Failed(one) if isinstance(one, str) else reply.model_validate(one) for one in said]


@pytest.fixture
def make_draft() -> MakeDraft:
    """Call it with the true answer, and a prompt, options or a seed; the question's number and kind; what
    else the draft has."""

    def make(
        answer: str,
        *,
        prompt: str = "What is it?",
        options: Sequence[str] = (),
        seed: int = 1,
        number: int = 1,
        kind: AnswerType = "open",
        **more: Any,
    ) -> Draft:
        question = Question(
            id=f"q/{number}",
            dataset="some",
            split="train",
            images=("1.png",),
            prompt=prompt,
            answer=answer,
            answer_type="closed" if options else kind,
            question_type="side",
            options=tuple(options),
        )
        fields = {"question": question, "images": (), "seed": seed, "prompt": prompt, "chosen": answer}
        return Draft(**{**fields, **more})

    return make


@pytest.fixture
def make_tools() -> MakeTools:
    """Call it with a policy or its answers, a writer, given responses or other true answers of the set."""

    def make(
        said: Sequence[str] = (),
        *,
        policy: Policy | None = None,
        writer: TextModel | None = None,
        given: Mapping[str, Given] | None = None,
        questions: Sequence[Question] = (),
    ) -> Tools:
        found = QuestionSet(
            name="some",
            split="train",
            license="cc0-1.0",
            questions=tuple(questions),
            open_image=lambda _: Image.new("L", (4, 4)),
            regions=lambda _: (),
            given=given or {},
        )
        return Tools(questions=found, seed=0, policy=ScriptedPolicy(said) if said else policy, writer=writer)

    return make


@pytest.fixture
def scripted_writer() -> type[ScriptedWriter]:
    """The writer's class: call it with the reply."""
    return ScriptedWriter


@pytest.fixture
def policy_of() -> type[PolicyOf]:
    """The policy's class: call it with what it says to a request, and whether it can judge."""
    return PolicyOf


@pytest.fixture
def answering() -> Callable[..., PolicyOf]:
    """Call it with greedy answers, the first to question number 1."""

    def make(*texts: str) -> PolicyOf:
        return PolicyOf(lambda request, n: texts[int(request.question_id.split("/")[1]) - 1])

    return make
