"""How good a built pocket is, beside what can be had without looking, and its model card."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Template

import numpy as np

from zoo.datasets import QuestionSet
from zoo.notice import NOTICE
from zoo.records import Question
from zoo.vlm.builders.pocket_sights import by_picture, plain

RESAMPLES = 2000


@dataclass(frozen=True)
class Share:
    """A share of right answers, or a difference of two, with its 95 % interval over resampled groups of
    pictures."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.1%} ({self.low:.1%} to {self.high:.1%})"


@dataclass(frozen=True)
class Measured:
    """Exact answers of one kind of question, and what they are beside."""

    pocket: Share
    blank: Share
    """Asked the same with a grey picture: what the question alone gives."""
    majority: Share
    """The most frequent training answer: to the same question, else to its type and kind of answer."""
    over_blank: Share
    """What the picture adds: pocket less blank, question by question."""
    over_majority: Share


def majority_answers(taught: Sequence[Question], asked: Sequence[Question]) -> list[str]:
    """To each question the answer that is most frequent in what was taught, without any picture."""
    by_prompt: dict[str, Counter[str]] = defaultdict(Counter)
    by_type: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    overall: Counter[str] = Counter()
    for question in taught:
        answer = plain(question.answer)
        for counter in (by_prompt[plain(question.prompt)], by_type[_kind(question)], overall):
            counter[answer] += 1
    return [
        (by_prompt.get(plain(q.prompt)) or by_type.get(_kind(q)) or overall).most_common(1)[0][0]
        for q in asked
    ]


def _kind(question: Question) -> tuple[str, str]:
    return question.question_type, question.answer_type


def share(right: Sequence[float], groups: Sequence[str], *, seed: int = 0) -> Share:
    """The mean of `right`; what is of one group is drawn together."""
    names = {name: i for i, name in enumerate(dict.fromkeys(groups))}
    sums = np.zeros((len(names), 2))
    for mark, group in zip(right, groups, strict=True):
        sums[names[group]] += (mark, 1)
    drawn = np.random.default_rng([seed, 8]).integers(len(names), size=(RESAMPLES, len(names)))
    totals = sums[drawn].sum(axis=1)
    low, high = np.quantile(totals[:, 0] / totals[:, 1], (0.025, 0.975))
    return Share(float(np.mean(right)), float(low), float(high), len(right))


def measured(
    questions: Sequence[Question],
    groups: Sequence[str],
    *,
    own: Sequence[str],
    blank: Sequence[str],
    majority: Sequence[str],
) -> dict[str, Measured]:
    """By `all`, closed, open and each question type of at least ten questions: who answered right, which is
    the truth but for case and end mark."""
    found = {}
    for kind in ("all", "closed", "open", *sorted({q.question_type for q in questions})):
        rows = [i for i, q in enumerate(questions) if kind in ("all", q.answer_type, q.question_type)]
        if len(rows) < 10:
            continue
        of = [groups[i] for i in rows]
        marks = [
            np.array([float(plain(said[i]) == plain(questions[i].answer)) for i in rows])
            for said in (own, blank, majority)
        ]
        differences = (marks[0] - marks[1], marks[0] - marks[2])
        found[kind] = Measured(*(share(list(values), of) for values in (*marks, *differences)))
    return found


CARD = Template("""\
---
license: $license_id
library_name: transformers
pipeline_tag: image-text-to-text
language: en
tags:
- medvlm-zoo
- medical
---
# Pocket

$notice

A study object: SmolLM2-135M-Instruct under a vision tower of $tower million parameters that was born here
and has seen $pictures pictures. It answers short questions about radiology pictures, often wrongly. The
licences of its parts, all of which hold: $license.

## How it was made

`medzoo pocket build --seed $seed`. Language model: $language. Questions: $data.

| split | pictures | questions | fingerprint |
|---|---|---|---|
$splits

$notes

The splits share no picture and no near duplicate. The test split was seen at no stage; validation alone
decided when to stop. The tower learned $seeing steps of classes that the training questions, answers and
marks tell; on validation pictures it reads $read. Then: $courses. It took $minutes minutes on $threads
threads.

Pictures of any size are stretched to 224 x 224 pixels.

## How good it is

Exact answers to the test questions but for case and end mark, in bfloat16, with 95 % intervals over groups
of pictures.
`blank`: the same model asked with a grey picture. `majority`: the most frequent training answer to the same
question, else to its type. What does not stand clear of these two was not seen in the picture.

| questions | n | pocket | blank | majority | pocket - blank | pocket - majority |
|---|---|---|---|---|---|---|
$rows
""")


def split_rows(*splits: QuestionSet) -> str:
    """The rows of the card's first table."""
    return "\n".join(
        f"| {s.split} | {len(by_picture(s.questions))} | {len(s.questions)} | `{s.fingerprint}` |"
        for s in splits
    )


def table(found: Mapping[str, Measured]) -> str:
    """The rows of the card's last table."""
    rows = []
    for kind, m in found.items():
        shares = (m.pocket, m.blank, m.majority, m.over_blank, m.over_majority)
        rows.append(f"| {kind} | {m.pocket.n} | {' | '.join(map(str, shares))} |")
    return "\n".join(rows)


def card(**said: object) -> str:
    """The card; `said` fills its places."""
    return CARD.substitute(notice=NOTICE, **said)
