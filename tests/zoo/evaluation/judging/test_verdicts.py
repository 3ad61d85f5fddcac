"""Verdicts: on every answer that a task is for, asked once, on the same facts for all adapters."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.zoo.evaluation.judging._answers import answer
from zoo.errors import BadInput
from zoo.evaluation.judging.judge import Case, Facts
from zoo.evaluation.judging.verdicts import is_restricted, judge_answers, merged, tasks_for, unknown_terms
from zoo.evaluation.score import score_predictions
from zoo.records import Prediction, Task, Verdict


class Scripted:
    """A judge that says what it is told to, and notes what it was asked."""

    def __init__(self, *, name: str = "scripted", facts: Facts | None = ("a", "b"), says: str = "") -> None:
        self._name, self.facts, self.says = name, facts, says
        self.split_truths: list[str] = []
        self.asked: list[tuple[str, str]] = []

    def name(self, task: Task) -> str:
        return f"{self._name} {task}@1"

    def split(self, predictions: Sequence[Prediction]) -> list[Facts | None]:
        self.split_truths += [p.truth for p in predictions]
        return [self.facts for _ in predictions]

    def replies(self, task: Task, cases: Sequence[Case]) -> list[str]:
        self.asked += [(case.prediction.adapter, case.prediction.answer) for case in cases]
        return [self.says or '["Neutral", "Entailment"]' for _ in cases]


LEFT, RIGHT = answer("left"), answer("right", adapter="mdpo", variant="mdpo")
CLOSED = answer("Yes", "yes", question_id="q/2", answer_type="closed")


def test_a_verdict_is_on_one_answer_and_keeps_facts_and_words() -> None:
    found = judge_answers(Scripted(), "facts", [LEFT, CLOSED])
    assert found.verdicts == [
        Verdict(
            question_id="q/1",
            dataset="phantom",
            split="test",
            adapter="base",
            shown="own",
            task="facts",
            judge="scripted facts@1",
            answer_sha256=hashlib.sha256(b"left").hexdigest(),
            asked_sha256=hashlib.sha256(f"{LEFT.prompt}\nleft lung".encode()).hexdigest(),
            facts=("a", "b"),
            reply='["Neutral", "Entailment"]',
        )
    ]
    assert (found.asked, found.unread) == (1, 0)


def test_a_truth_is_split_once_for_all_adapters_now_and_later() -> None:
    judge = Scripted()
    first = judge_answers(judge, "facts", [LEFT, RIGHT])
    assert judge.split_truths == ["left lung"]
    judge.facts = ("something else",)
    third = answer("lung", adapter="sft")
    later = judge_answers(judge, "facts", [LEFT, RIGHT, third], known=first.verdicts)
    assert judge.split_truths == ["left lung"]
    assert [v.facts for v in later.verdicts] == [("a", "b")] * 3
    assert judge.asked == [("base", "left"), ("mdpo", "right"), ("sft", "lung")]
    assert later.asked == 1


def test_what_was_judged_is_asked_again_only_for_another_answer_picture_judge_or_task() -> None:
    judge = Scripted(says='{"relevance": 0.5}')
    known = judge_answers(judge, "relevance", [LEFT, RIGHT]).verdicts
    judge.asked.clear()
    changed = replace(RIGHT, answer="both")
    noisy = replace(LEFT, shown="noise")
    found = judge_answers(judge, "relevance", [LEFT, changed, noisy], known=known)
    assert judge.asked == [("mdpo", "both"), ("base", "left")]
    assert found.verdicts[0] == known[0]
    other = Scripted(name="other", says='{"relevance": 0.5}')
    assert judge_answers(other, "relevance", [LEFT], known=known).asked == 1
    judge.says = "true"
    assert judge_answers(judge, "correct", [LEFT], known=known).asked == 1
    both = merged(known, found.verdicts)
    assert [(v.adapter, v.shown) for v in both] == [("base", "own"), ("mdpo", "own"), ("base", "noise")]
    assert both[1].answer_sha256 == hashlib.sha256(b"both").hexdigest()


def test_a_verdict_beside_another_prompt_or_truth_is_asked_again_and_never_scored() -> None:
    known = judge_answers(Scripted(), "facts", [LEFT]).verdicts
    changed = replace(LEFT, truth="right lung")
    with pytest.raises(BadInput, match="was given beside another prompt or truth"):
        score_predictions([changed], verdicts=known)
    judge = Scripted(facts=("c",), says='["Neutral"]')
    found = judge_answers(judge, "facts", [changed], known=known)
    assert (found.asked, found.verdicts[0].facts, judge.split_truths) == (1, ("c",), ["right lung"])
    assert merged(known, found.verdicts) == found.verdicts
    assert judge_answers(judge, "facts", [replace(LEFT, prompt="Where?")], known=known).asked == 1
    with pytest.raises(BadInput, match="no facts of these questions"):
        judge_answers(judge, "facts", [changed], facts_from=known)
    with pytest.raises(BadInput, match="q/1 of phantom/test stands for two prompts or truths"):
        judge_answers(judge, "facts", [LEFT, replace(changed, adapter="mdpo")])
    older = [replace(known[0], asked_sha256="")]
    assert judge_answers(judge, "facts", [LEFT], known=older).asked == 0


def test_a_second_judge_labels_the_first_ones_facts_and_says_so() -> None:
    first = judge_answers(Scripted(), "facts", [LEFT, RIGHT]).verdicts
    second = Scripted(name="second", facts=("x",))
    found = judge_answers(second, "facts", [LEFT], facts_from=first).verdicts
    assert (found[0].judge, found[0].facts) == ("second facts@1 on the facts of scripted facts@1", ("a", "b"))
    assert second.split_truths == []
    third = judge_answers(Scripted(name="third"), "facts", [LEFT], facts_from=found).verdicts
    assert third[0].judge == "third facts@1 on the facts of scripted facts@1"
    again = judge_answers(Scripted(), "facts", [LEFT], known=first, facts_from=found)
    assert (again.verdicts[0].judge, again.asked) == ("scripted facts@1", 0)
    with pytest.raises(BadInput, match="the given verdicts have no facts of q/9"):
        judge_answers(second, "facts", [answer("", question_id="q/9")], facts_from=first)
    with pytest.raises(BadInput, match="two lists of facts of q/1"):
        judge_answers(
            second, "facts", [LEFT], facts_from=[*first, *judge_answers(second, "facts", [LEFT]).verdicts]
        )

    relevant = judge_answers(Scripted(says='{"relevance": 1}'), "relevance", [LEFT]).verdicts
    with pytest.raises(BadInput, match="the given verdicts are on no facts"):
        judge_answers(second, "facts", [LEFT], facts_from=relevant)


def test_facts_that_the_first_judge_got_no_reply_on_are_given_all_the_same() -> None:
    first = judge_answers(Scripted(), "facts", [LEFT, RIGHT]).verdicts
    silent = [replace(first[0], facts=("left lung",), reply=""), first[1]]
    second = Scripted(name="second")
    assert judge_answers(second, "facts", [LEFT], facts_from=silent).verdicts[0].facts == ("a", "b")
    alone = judge_answers(second, "facts", [LEFT], facts_from=silent[:1]).verdicts
    assert alone[0].facts == ("left lung",)


def test_a_truth_without_facts_scores_nothing_and_one_that_cannot_be_split_has_failed() -> None:
    none = judge_answers(Scripted(facts=()), "facts", [LEFT])
    assert [(v.facts, v.reply) for v in none.verdicts] == [((), "[]")]
    assert none.unread == 0
    failed = judge_answers(Scripted(facts=None), "facts", [LEFT])
    assert [(v.facts, v.reply) for v in failed.verdicts] == [(("left lung",), "")]
    assert failed.unread == 1


def test_replies_that_no_metric_can_read_are_kept_and_counted() -> None:
    found = judge_answers(Scripted(says="Perhaps."), "correct", [LEFT, RIGHT])
    assert [v.reply for v in found.verdicts] == ["Perhaps.", "Perhaps."]
    assert found.unread == 2


def test_verdicts_are_what_a_score_needs() -> None:
    found = judge_answers(Scripted(), "facts", [LEFT, RIGHT, CLOSED, replace(CLOSED, adapter="mdpo")])
    scores = score_predictions(
        [LEFT, RIGHT, CLOSED, replace(CLOSED, adapter="mdpo")],
        verdicts=found.verdicts,
        names=["completeness"],
    )
    all_of = [(s.adapter, s.judge, s.interval.value, s.interval.n) for s in scores if s.subset == "all"]
    assert all_of == [("base", "scripted facts@1", 0.5, 1), ("mdpo", "scripted facts@1", 0.5, 1)]


def test_the_tasks_for_an_answer_are_those_of_the_metrics_for_it() -> None:
    assert tasks_for([CLOSED, LEFT]) == ["correct", "facts", "relevance"]
    chest = answer("", "A nodule in the left lung.", prompt="Report this chest X-ray.", answer_type="report")
    assert tasks_for([chest]) == ["facts", "relevance", "green"]
    with pytest.raises(BadInput, match="no task is for any of the 1 answers"):
        tasks_for([CLOSED])


def test_two_answers_in_one_place_and_a_task_for_none_are_refused() -> None:
    with pytest.raises(BadInput, match="an adapter answers a question in two ways"):
        judge_answers(Scripted(), "facts", [LEFT, replace(LEFT, answer="right")])
    with pytest.raises(BadInput, match="none of the 2 answers is one for the task green"):
        judge_answers(Scripted(), "green", [LEFT, CLOSED])


def test_data_sets_that_are_restricted_or_not_known_are_told() -> None:
    of = [answer("", dataset=name) for name in ("phantom", "mimic-cxr", "theirs")]
    assert [is_restricted([one]) for one in of] == [False, True, True]
    assert unknown_terms(of) == ["theirs"]
