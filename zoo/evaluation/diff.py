"""What differs between two adapters: how they were made, what they score, which answers are not the same.

Scores are compared on the questions that both answered, question by question, from their stored answers.
Where these are not there, or are about other questions, the manifests' scores stand beside each other and
are said to be not paired. Knows no model.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zoo.evaluation.metrics import Metric, get_metric, metrics
from zoo.evaluation.score import WHOLE, score_predictions
from zoo.evaluation.table import left_out_lines
from zoo.manifest import AdapterManifest, Bounds, predictions_name, read_manifest, verdicts_name
from zoo.records import RULES, Prediction, Task, Verdict, read_jsonl

EXAMPLES = 3
_SIDES = ("A", "B")
_PARTS = ("base", "variant", "data", "lora", "training", "earlier", "license")
"""Of the manifest, what decides an adapter; the rest is what came of it, as are the numbers of its pairs."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A key of the manifest that is not the same."""

    key: str
    a: Any
    b: Any


@dataclass(frozen=True, kw_only=True)
class Scores:
    """One metric of both on one benchmark."""

    dataset: str
    split: str
    metric: str
    judge: str
    a: float | None
    b: float | None
    n: int
    """Questions that both answered; if it is not paired, the fewer of both."""
    bounds: Bounds | None
    """95 % interval of B less A, paired by question; None if it is not paired."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """A question that one of both answers right."""

    question_id: str
    prompt: str
    truth: str
    a: str
    b: str
    right: str
    """`A` or `B`."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """How the answers to one benchmark differ."""

    dataset: str
    split: str
    questions: int
    """That both answered."""
    differ: int
    """Of them, those with two different texts."""
    only_a_right: int
    only_b_right: int
    examples: tuple[Example, ...]


@dataclass(frozen=True, kw_only=True)
class Diff:
    """All that differs."""

    same_weights: bool
    settings: tuple[Setting, ...]
    scores: tuple[Scores, ...]
    answers: tuple[Answers, ...]
    notes: tuple[str, ...]
    """Why something could not be compared."""


def diff(a: Path, b: Path) -> Diff:
    """Compare the adapters in two folders.

    Raises:
        BadManifest: a folder has no valid `zoo.json`.
        BadRecord: a file of answers is broken.
    """
    of_a, of_b = read_manifest(a), read_manifest(b)
    scores: list[Scores] = []
    answers: list[Answers] = []
    notes: list[str] = []
    for where in dict.fromkeys((e.dataset, e.split) for m in (of_a, of_b) for e in m.evaluation):
        pair = _common(_stored(a, of_a, where), _stored(b, of_b, where))
        if isinstance(pair, str):
            notes.append(f"{'/'.join(where)}: {pair}, so nothing is paired there")
            scores += _unpaired(of_a, of_b, where)
        else:
            heard = _heard(a, where, "A", pair[0]), _heard(b, where, "B", pair[1])
            paired = _paired(pair, heard, where)
            have = {(s.metric, s.judge) for s in paired}
            others = [s for s in _unpaired(of_a, of_b, where) if (s.metric, s.judge) not in have]
            scores += [*paired, *others]
            asked = {(m.name, v.judge) for of_side in heard for v in of_side for m in _read_by(v.task)}
            asked |= {(s.metric, s.judge) for s in others if s.judge != RULES}
            notes += [
                f"{'/'.join(where)}: {metric} by {judge} is not paired: not all answers were judged readably"
                for metric, judge in sorted(asked - have)
            ]
            notes += left_out_lines(list(pair[0].values()))
            answers.append(_answers(pair, where))
    return Diff(
        same_weights=of_a.weights_sha256 == of_b.weights_sha256,
        settings=tuple(_settings(of_a, of_b)),
        scores=tuple(scores),
        answers=tuple(answers),
        notes=tuple(dict.fromkeys(notes)),
    )


def _settings(a: AdapterManifest, b: AdapterManifest) -> list[Setting]:
    found = []
    told = [m.model_dump(mode="json", exclude={"data": {"numbers"}}) for m in (a, b)]
    for part in _PARTS:
        flat = [_flat({part: of_one[part]}) for of_one in told]
        for key in dict.fromkeys([*flat[0], *flat[1]]):
            if flat[0].get(key) != flat[1].get(key):
                found.append(Setting(key=key, a=flat[0].get(key), b=flat[1].get(key)))
    return found


def _flat(data: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Values by their path; a list is one value."""
    found: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{above}{key}.")
        else:
            found[above + key] = value
    return found


def _stored(folder: Path, manifest: AdapterManifest, where: tuple[str, str]) -> dict[str, Prediction] | str:
    """The adapter's own answers to a benchmark by question, or why there are none."""
    path = folder / predictions_name(*where)
    if not path.is_file():
        benchmark = next((b for b in manifest.benchmarks if (b.dataset, b.split) == where), None)
        name = manifest.repo or manifest.identity
        if benchmark is None:
            return f"{name} has no answers to it"
        return f"the answers of {name} are {'not here' if benchmark.publishable else 'withheld'}"
    return {
        p.question_id: p
        for p in read_jsonl(path, Prediction)
        if p.digest == manifest.weights_sha256 and p.shown == "own"
    }


Pair = tuple[dict[str, Prediction], dict[str, Prediction]]


def _common(a: dict[str, Prediction] | str, b: dict[str, Prediction] | str) -> Pair | str:
    """Both answers to each question that was put to both, or why there are none."""
    if isinstance(a, str):
        return a
    if isinstance(b, str):
        return b
    common = [name for name, answer in a.items() if name in b and _asked(answer) == _asked(b[name])]
    if not common:
        return "both were asked, but no question is the same"
    return {name: a[name] for name in common}, {name: b[name] for name in common}


def _asked(p: Prediction) -> tuple[Any, ...]:
    return p.prompt, p.truth, p.answer_type, p.options, p.shown_digests


def _heard(
    folder: Path, where: tuple[str, str], side: str, answers: Mapping[str, Prediction]
) -> list[Verdict]:
    """What judges said of these answers."""
    path = folder / verdicts_name(*where)
    if not path.is_file() or not answers:
        return []
    name = next(iter(answers.values())).adapter
    return [
        replace(v, adapter=side)
        for v in read_jsonl(path, Verdict)
        if v.adapter == name and v.shown == "own" and v.question_id in answers
    ]


def _paired(pair: Pair, heard: tuple[list[Verdict], list[Verdict]], where: tuple[str, str]) -> list[Scores]:
    """Every usual metric of both on the common questions; a judge's where it judged all that it is for."""
    answers = [
        replace(p, adapter=side, variant=side, base="", images=pair[0][p.question_id].images)
        for side, of_side in zip(_SIDES, pair, strict=True)
        for p in of_side.values()
    ]
    judged = {(v.adapter, v.task, v.judge, v.question_id) for of_side in heard for v in of_side}

    def is_judged(task: Task, judge: str) -> bool:
        wanted = [name for name, p in pair[0].items() if any(metric.applies(p) for metric in _read_by(task))]
        return all((side, task, judge, name) in judged for side in _SIDES for name in wanted)

    whole = {one for one in {(task, judge) for _, task, judge, _ in judged} if is_judged(*one)}
    verdicts = [v for of_side in heard for v in of_side if (v.task, v.judge) in whole]
    return [
        Scores(
            dataset=where[0],
            split=where[1],
            metric=s.metric,
            judge=s.judge,
            a=s.sft_value,
            b=s.interval.value,
            n=s.over_sft.n,
            bounds=Bounds(low=s.over_sft.low, high=s.over_sft.high, value=s.over_sft.value),
        )
        for s in score_predictions(answers, verdicts=verdicts, sft="A")
        if s.adapter == "B" and s.subset == WHOLE and s.over_sft is not None
    ]


def _read_by(task: Task) -> list[Metric]:
    """The usual metrics that rest on the task's verdicts."""
    return [metric for metric in metrics().values() if metric.usual and metric.task == task]


def _unpaired(a: AdapterManifest, b: AdapterManifest, where: tuple[str, str]) -> list[Scores]:
    """The scores of both manifests on the whole benchmark."""
    scores = [
        {
            (e.metric, e.judge): e
            for e in m.evaluation
            if (e.dataset, e.split, e.subset, e.shown) == (*where, WHOLE, "own")
        }
        for m in (a, b)
    ]
    return [
        Scores(
            dataset=where[0],
            split=where[1],
            metric=key[0],
            judge=key[1],
            a=both[0].value if both[0] else None,
            b=both[1].value if both[1] else None,
            n=min(e.n for e in both if e),
            bounds=None,
        )
        for key in dict.fromkeys([*scores[0], *scores[1]])
        for both in [[of_one.get(key) for of_one in scores]]
    ]


def _answers(pair: Pair, where: tuple[str, str]) -> Answers:
    right = [[_is_right(p) for p in of_side.values()] for of_side in pair]
    rows = list(zip(pair[0].values(), pair[1].values(), *right, strict=True))
    odd = [
        Example(
            question_id=p.question_id,
            prompt=p.prompt,
            truth=p.truth,
            a=p.answer,
            b=q.answer,
            right="A" if a_right else "B",
        )
        for p, q, a_right, b_right in rows
        if a_right != b_right
    ]
    counted = Counter(one.right for one in odd)
    return Answers(
        dataset=where[0],
        split=where[1],
        questions=len(rows),
        differ=sum(p.answer != q.answer for p, q, *_ in rows),
        only_a_right=counted["A"],
        only_b_right=counted["B"],
        examples=tuple(_few(odd)),
    )


def _few(odd: Sequence[Example]) -> list[Example]:
    """Some of them, of both kinds if there are both, the first of each by their order."""
    first = [next((one for one in odd if one.right == side), None) for side in _SIDES]
    chosen = [one for one in first if one is not None]
    return (chosen + [one for one in odd if one not in chosen])[:EXAMPLES]


def _is_right(p: Prediction) -> bool:
    """Whether the rule of its answer type takes it as right."""
    counted = get_metric("accuracy").statistics(p, None)
    return counted is not None and counted[0] == 1.0
