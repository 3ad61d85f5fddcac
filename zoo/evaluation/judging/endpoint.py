"""A language model as judge: what it is asked, and that a reply which cannot be read is sent back once."""

from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

from pydantic import BaseModel

from zoo.evaluation.judging.judge import Case, Facts
from zoo.llm import ChatEndpoint, Failed, Prompt
from zoo.records import Prediction, Task
from zoo.wordings import Wordings

WORDINGS = Wordings(files(__package__) / "prompts")
GREEN_WORDS = 300
"""Words of each report that GREEN's judge is shown."""
_FORMS: dict[Task, str] = {
    "correct": "JSON only: true or false.",
    "facts": "JSON only: a list with one label for each fact, such as %s.",
    "relevance": 'JSON only: {"relevance": NUMBER}, the number from 0 to 1.',
    "green": "the six lines under [Clinically Significant Errors] and the one under [Matched Findings], each "
    "with its number.",
}

Readable = Callable[[Task, Case, str], bool]


class _Split(BaseModel):
    facts: list[str]


class EndpointJudge:
    """A model behind an OpenAI-compatible endpoint, each call cached on disk as it is answered."""

    def __init__(self, model: ChatEndpoint, readable: Readable) -> None:
        """`readable` says whether a reply to a task can be read: another one is sent back once."""
        self.model, self._readable = model, readable

    def name(self, task: Task) -> str:
        return f"{self.model.name} {task}@{WORDINGS.version(task)}"

    def split(self, predictions: Sequence[Prediction]) -> list[Facts | None]:
        prompts = [WORDINGS.prompt("split", question=p.prompt, truth=p.truth) for p in predictions]
        found = self.model.replies(prompts, _Split)
        return [
            None if isinstance(one, Failed) else tuple(dict.fromkeys(filter(None, map(str.strip, one.facts))))
            for one in found
        ]

    def replies(self, task: Task, cases: Sequence[Case]) -> list[str]:
        prompts = [WORDINGS.prompt(task, **_asked(task, case)) for case in cases]
        of = {prompt.text: case for prompt, case in zip(prompts, cases, strict=True)}

        def fault(prompt: Prompt, reply: str) -> str:
            case = of[prompt.text]
            if self._readable(task, case, reply):
                return ""
            form = _FORMS[task]
            if task == "facts":
                form %= str([f"{n}. Neutral" for n in range(1, len(case.facts) + 1)]).replace("'", '"')
            return f"That is not the form that was asked for. Answer with {form}"

        return self.model.texts(prompts, fault)


def _asked(task: Task, case: Case) -> dict[str, Any]:
    """What the task's wording is filled with."""
    p = case.prediction
    if task == "facts":
        return {"facts": case.facts, "answer": p.answer}
    if task == "green":
        return {
            name: " ".join(text.split()[:GREEN_WORDS])
            for name, text in (("truth", p.truth), ("answer", p.answer))
        }
    asked = {"question": p.prompt, "truth": p.truth, "answer": p.answer}
    return asked | {"options": p.options} if task == "correct" else asked
