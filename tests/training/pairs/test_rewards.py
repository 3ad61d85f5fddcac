"""Phrase rewards: the arithmetic by hand, what is judged, what is dropped, and that lies cost."""

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from training.pairs.rewards import Calibration, PhraseRewards, calibrate
from training.pairs.step import Draft, Dropped, Heat, Request, Tools
from zoo.bases import get_base
from zoo.datasets import QuestionSet, load_questions
from zoo.errors import BadInput
from zoo.records import Question
from zoo.vlm.similarity import load_similarity

LEFT, RIGHT = 10, 20
"""The grey of a picture of something on the left, and of one on the right."""


class Table:
    """An encoder that looks cosines up by the picture's grey and the phrase."""

    name = "table@1"

    def __init__(self, cosines: dict[tuple[int, str], float]) -> None:
        self.cosines = cosines
        self.asked = 0

    def __call__(self, image: Image.Image, phrases: Sequence[str]) -> list[float]:
        self.asked += 1
        return [self.cosines[image.getpixel((0, 0)), phrase] for phrase in phrases]  # type: ignore[index]


def table(**more: float) -> Table:
    """Right phrases have the cosines 0.5 and 0.3, hallucinated ones -0.2 and 0; `more` holds for LEFT."""
    known = {(LEFT, "left"): 0.5, (RIGHT, "right"): 0.3, (LEFT, "right"): -0.2, (RIGHT, "left"): 0.0}
    return Table(known | {(LEFT, phrase): cosine for phrase, cosine in more.items()})


class Says:
    """A policy whose every sample is the same text."""

    name = "says@1"
    can_judge = False

    def __init__(self, *texts: str) -> None:
        self.texts = texts

    def answers(self, requests: Sequence[Request]) -> list[str]:
        raise AssertionError("rewards are of sampled answers")

    def samples(
        self, requests: Sequence[Request], *, n: int, temperature: float, top_p: float = 1.0
    ) -> list[list[str]]:
        assert (n, temperature, top_p) == (1, 0.7, 0.9)
        return [[text] * n for text in self.texts]

    def attention(self, requests: Sequence[Request]) -> list[Heat]:
        raise NotImplementedError


def open_image(name: str) -> Image.Image:
    return Image.new("L", (2, 2), LEFT if name == "l.png" else RIGHT)


def question(name: str, answer: str) -> Question:
    return Question(
        id=f"{name}-{answer}",
        dataset="d",
        split="train",
        images=(f"{name}.png",),
        prompt="Where?",
        answer=answer,
        answer_type="open",
        question_type="side",
    )


QUESTIONS = (question("l", "left"), question("r", "right"), question("r", "Yes"))


def tools(similarity: Table | None, *texts: str, questions: tuple[Question, ...] = QUESTIONS) -> Tools:
    asked = QuestionSet(
        name="d",
        split="train",
        license="mit",
        questions=questions,
        open_image=open_image,
        regions=lambda name: (),
    )
    return Tools(questions=asked, seed=0, policy=Says(*texts), similarity=similarity)


def run(given: Tools, image: str = "l") -> Draft | Dropped:
    asked = question(image, "left")
    draft = Draft(
        question=asked, images=(open_image(asked.images[0]),), seed=1, prompt="Where?", chosen=asked.answer
    )
    (came,) = PhraseRewards(temperature=0.7, top_p=0.9).run([draft], given)
    return came


@pytest.mark.parametrize(
    ("cosine", "reward"),
    [
        (0.45, 1.5),  # (0.45 - 0.3) / 0.1
        (0.3, 0.0),  # not beyond the mean
        (0.0, 0.0),  # between
        (-0.1, 0.0),
        (-0.4, -1.5),  # (-0.4 + 0.1) / 0.2
        (0.9, 3.0),  # 6 standard deviations, clipped
        (-1.0, -3.0),  # 4.5, clipped
    ],
)
def test_a_reward_is_the_excess_over_the_right_or_below_the_hallucinated_mean(
    cosine: float, reward: float
) -> None:
    calibration = Calibration(
        mean_right=0.3, std_right=0.1, right=9, mean_hallucinated=-0.1, std_hallucinated=0.2, hallucinated=9
    )
    assert calibration.reward(cosine) == pytest.approx(reward)


def test_the_calibration_holds_true_terms_against_swaps_that_the_answers_know() -> None:
    found = calibrate(table(), QUESTIONS, open_image, 0)  # `bilateral` is of the group, but of no answer
    assert (found.right, found.hallucinated) == (2, 2)
    assert (found.mean_right, found.std_right) == pytest.approx((0.4, 0.1))
    assert (found.mean_hallucinated, found.std_hallucinated) == pytest.approx((-0.1, 0.1))


def test_each_term_of_the_sampled_answer_gets_its_own_reward_and_the_record_says_how() -> None:
    came = run(tools(table(left=0.6, small=-0.25, mass=0.1), "No cyst, a small left mass."))
    assert isinstance(came, Draft)
    assert (came.chosen, came.rejected) == ("No cyst, a small left mass.", None)
    assert came.rewards is not None
    parts = [(came.chosen[start:end], reward) for start, end, reward in came.rewards]
    # calibrated with left = 0.6: right 0.45 +- 0.15, hallucinated -0.1 +- 0.1
    assert parts == [("small", -1.5), ("left", 1.0), ("mass", 0.0)]
    assert came.made_by["cosines"] == [-0.25, 0.6, 0.1]
    assert came.made_by["policy"] == "says@1"
    assert came.made_by["weighed_by"] == "cosines of table@1"
    assert came.made_by["calibration"]["mean_right"] == pytest.approx(0.45)


def test_an_answer_without_any_known_term_is_judged_whole() -> None:
    came = run(tools(table(shadowy=-0.3), "shadowy"))
    assert isinstance(came, Draft)
    assert came.rewards == ((0, 7, -2.0),)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (" \n", "empty answer"),
        ("Yes.", "only yes, no or a denial"),
        ("No nodule is seen.", "only yes, no or a denial"),
        ("mass", "no reward"),
    ],
)
def test_an_answer_that_cannot_be_rewarded_is_dropped_and_says_why(text: str, reason: str) -> None:
    came = run(tools(table(mass=0.1), text))
    assert isinstance(came, Dropped)
    assert came.reason == reason


def test_calibration_is_made_once_for_all_batches() -> None:
    similarity = table()
    given = tools(similarity, "left")
    run(given)
    once = similarity.asked
    run(given)
    assert similarity.asked == once + 1


def test_no_encoder_a_useless_one_and_too_few_answers_are_refused_with_the_numbers() -> None:
    with pytest.raises(BadInput, match="there is none"):
        run(tools(None, "left"))
    swapped = {(RIGHT, "left"): 0.5, (LEFT, "right"): 0.4, (RIGHT, "right"): -0.2, (LEFT, "left"): 0.0}
    with pytest.raises(BadInput, match=r"mean cosines -0\.100 \(of 2\) and 0\.450 \(of 2\)"):
        run(tools(Table(swapped), "left"))
    with pytest.raises(BadInput, match="0 right and 0 hallucinated phrases in 0 true answers are too few"):
        run(tools(table(), "left", questions=QUESTIONS[2:]))


def test_with_the_phantoms_encoder_the_truth_is_rewarded_and_the_wrong_side_costs() -> None:
    asked = load_questions("phantom", "train", limit=400)
    reports = [q for q in asked.questions if " left " in q.answer and q.answer_type == "report"][:12]
    drafts = [
        Draft(question=q, images=(asked.open_image(q.images[0]),), seed=1, prompt=q.prompt, chosen=q.answer)
        for q in reports
    ]
    similarity = load_similarity(get_base("phantom"))
    side: dict[str, list[float]] = {}
    for said in ("left", "right"):
        policy = Says(*(q.answer.replace("left", said) for q in reports))
        given = Tools(questions=asked, seed=0, policy=policy, similarity=similarity)
        came = PhraseRewards(temperature=0.7, top_p=0.9).run(drafts, given)
        assert all(isinstance(draft, Draft) for draft in came)
        side[said] = [
            reward
            for draft in came
            if isinstance(draft, Draft)
            for start, end, reward in draft.rewards or ()
            if draft.chosen[start:end] == said
        ]
    assert len(side["left"]) == len(side["right"]) == 12
    assert min(side["left"]) >= 0
    assert max(side["right"]) <= 0
    assert np.mean(side["left"]) - np.mean(side["right"]) > 0.5
