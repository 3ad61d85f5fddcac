"""Verdicts on answers: whom a task is for, what was asked before, and only then the judge.

Which answers a task is for, and which replies can be read, is what the metrics of that task say.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from tqdm import tqdm

from zoo.datasets import datasets
from zoo.errors import BadInput
from zoo.evaluation.judging.judge import Case, Facts, Judge
from zoo.evaluation.metrics import Metric, metrics
from zoo.records import Prediction, Task, Verdict

_AT_ONCE = 64
"""Answers between two steps of the progress bar."""
_ON_FACTS_OF = " on the facts of "

_Question = tuple[str, str, str]
_Answer = tuple[str, str, str, str, str]


@dataclass(frozen=True)
class Round:
    """What came of judging: a verdict on each answer that the task is for."""

    verdicts: list[Verdict]
    asked: int
    """Answers that the judge was asked about; the other verdicts were there before."""
    unread: int
    """Verdicts whose reply no metric can read; they are counted wherever a score is shown."""


def task_metrics(task: Task) -> list[Metric]:
    """The metrics that rest on the task's verdicts."""
    return [metric for metric in metrics().values() if metric.task == task]


def tasks_for(predictions: Sequence[Prediction]) -> list[Task]:
    """The tasks that are for one of the answers at least.

    Raises:
        BadInput: none is.
    """
    found = [task for task in get_args(Task) if _chosen(task, predictions)]
    if not found:
        raise BadInput(f"no task is for any of the {len(predictions)} answers", hint="medzoo metrics")
    return found


def can_be_read(task: Task, case: Case, reply: str) -> bool:
    """Whether every metric of the task can read that reply."""
    verdict = _verdict(case.prediction, task, "", case.facts, reply)
    return all(metric.statistics(case.prediction, verdict) is not None for metric in task_metrics(task))


def unknown_terms(predictions: Iterable[Prediction]) -> list[str]:
    """Data sets of whose terms the zoo knows nothing."""
    return sorted({p.dataset for p in predictions} - datasets().keys())


def is_restricted(predictions: Iterable[Prediction]) -> bool:
    """Whether the terms of a data set among them keep its texts from third parties, or are not known."""
    names = {p.dataset for p in predictions}
    return any(name not in datasets() or datasets()[name].restricted for name in names)


def judge_answers(
    judge: Judge,
    task: Task,
    predictions: Sequence[Prediction],
    *,
    known: Iterable[Verdict] = (),
    facts_from: Sequence[Verdict] = (),
) -> Round:
    """The judge's verdict on each answer that `task` is for, in the predictions' order.

    A verdict of `known` by the same judge on the same answer, beside the same prompt and truth, is taken as
    it is. Truths are split into facts once: as `facts_from` has them, else as the judge split them in
    `known`, else by the judge now. With another judge's facts a judge bears that one's name too, as its
    verdicts are not those it gives alone.

    Raises:
        BadInput: an adapter answers a question in two ways, two were not asked the same, no answer is one for
            the task, or `facts_from` has two lists of facts of a question, or none.
    """
    chosen = _chosen(task, predictions)
    if not chosen:
        raise BadInput(
            f"none of the {len(predictions)} answers is one for the task {task}", hint="medzoo metrics"
        )
    if len({_answer(p) for p in chosen}) < len(chosen):
        raise BadInput("an adapter answers a question in two ways", hint="judge the files one by one")
    now: dict[_Question, str] = {}
    for p in chosen:
        if now.setdefault(_question(p), p.asked_sha256) != p.asked_sha256:
            raise BadInput(
                f"{p.question_id} of {p.dataset}/{p.split} stands for two prompts or truths",
                hint="judge the files one by one",
            )
    name = judge.name(task)
    given: dict[_Question, Facts] = {}
    if task == "facts" and facts_from:
        given, splitter = _given_facts([v for v in facts_from if _is_beside(v, now)])
        name += "" if splitter == name else _ON_FACTS_OF + splitter
    before = {_answer(v): v for v in known if (v.task, v.judge) == (task, name) and _is_beside(v, now)}
    new = [p for p in chosen if (v := before.get(_answer(p))) is None or v.answer_sha256 != p.answer_sha256]
    split: dict[_Question, Facts | None] = {}
    if task == "facts":
        split |= given or {_question(v): v.facts for v in before.values() if v.reply}
        whole = {_question(p): p for p in new if _question(p) not in split}
        if given and whole:
            odd = next(iter(whole.values())).question_id
            raise BadInput(f"the given verdicts have no facts of {odd}", hint="judge without --facts")
        split |= dict(zip(whole, judge.split(list(whole.values())), strict=True))
    with tqdm(total=len(new), desc=f"{task:<9}", unit="answer") as bar:
        for start in range(0, len(new), _AT_ONCE):
            batch = new[start : start + _AT_ONCE]
            cases = [Case(p, split.get(_question(p)) or ()) for p in batch]
            replies = iter(judge.replies(task, [case for case in cases if case.facts or task != "facts"]))
            for case in cases:
                if case.facts or task != "facts":
                    reply = next(replies)
                elif split[_question(case.prediction)] is None:
                    case, reply = replace(case, facts=(case.prediction.truth,)), ""
                else:  # a truth that states nothing
                    reply = "[]"
                before[_answer(case.prediction)] = _verdict(case.prediction, task, name, case.facts, reply)
            bar.update(len(batch))
    found = [before[_answer(p)] for p in chosen]
    unread = sum(not can_be_read(task, Case(p, v.facts), v.reply) for p, v in zip(chosen, found, strict=True))
    return Round(found, asked=len(new), unread=unread)


def merged(old: Iterable[Verdict], new: Iterable[Verdict]) -> list[Verdict]:
    """Both, where a new verdict takes the place of the same judge's older one on that adapter's answer."""
    return list({(v.task, v.judge, *_answer(v)): v for v in (*old, *new)}.values())


def _chosen(task: Task, predictions: Iterable[Prediction]) -> list[Prediction]:
    """The answers that the task is for: those that one of its metrics is for."""
    return [p for p in predictions if any(metric.applies(p) for metric in task_metrics(task))]


def _given_facts(verdicts: Sequence[Verdict]) -> tuple[dict[_Question, Facts], str]:
    """The facts of each truth that some verdicts are on, and who split it."""
    on_facts = sorted((v for v in verdicts if v.task == "facts"), key=lambda v: not v.reply)
    if not on_facts:
        raise BadInput("the given verdicts are on no facts of these questions", hint="judge without --facts")
    found: dict[_Question, Facts] = {}
    for v in on_facts:
        if found.setdefault(_question(v), v.facts) != v.facts and v.reply:
            raise BadInput(
                f"the given verdicts have two lists of facts of {v.question_id}",
                hint="give verdicts of one judge",
            )
    labeller, _, splitter = on_facts[0].judge.partition(_ON_FACTS_OF)
    return found, splitter or labeller


def _verdict(p: Prediction, task: Task, judge: str, facts: Facts, reply: str) -> Verdict:
    return Verdict(
        question_id=p.question_id,
        dataset=p.dataset,
        split=p.split,
        adapter=p.adapter,
        shown=p.shown,
        task=task,
        judge=judge,
        answer_sha256=p.answer_sha256,
        asked_sha256=p.asked_sha256,
        facts=facts,
        reply=reply,
    )


def _is_beside(v: Verdict, now: Mapping[_Question, str]) -> bool:
    """Whether it was given beside the prompt and truth of now, as far as that is known."""
    return v.asked_sha256 in ("", now.get(_question(v), v.asked_sha256))


def _question(of: Prediction | Verdict) -> _Question:
    return of.dataset, of.split, of.question_id


def _answer(of: Prediction | Verdict) -> _Answer:
    return of.dataset, of.split, of.question_id, of.adapter, of.shown
