"""A retrieved image differs from the true one in the target and in nothing else that is known of both."""

from dataclasses import replace

import pytest
from PIL import Image

from training.pairs.retrieve import Retrieve, facts_of_images
from training.pairs.step import Draft, Dropped, Tools
from zoo.datasets import QuestionSet, load_questions
from zoo.datasets.phantom import scan_of
from zoo.errors import BadInput
from zoo.phantom.scans import Scan
from zoo.records import AnswerType, Question


def asked(image: str, answer: str, prompt: str = "Report.", answer_type: AnswerType = "report") -> Question:
    return Question(
        id=f"{image}/{prompt}",
        dataset="made",
        split="train",
        images=(image,),
        prompt=prompt,
        answer=answer,
        answer_type=answer_type,
        question_type="report",
    )


KNOWN = (
    asked("own", "CT of the liver. There is a small cyst on the left."),
    asked("twin", "CT of the liver. There is a small cyst on the left."),
    asked("mirror", "CT of the liver. There is a small cyst on the right."),
    asked("other organ", "CT of the spleen. There is a small cyst on the left."),
    asked("other scan", "MRI of the liver. There is a small cyst on the left."),
    asked("large", "CT of the liver. There is a large cyst on the right."),
    asked("unknown", "right"),
    asked("no organ", "A small cyst on the right, CT."),
    asked("both", "CT of the liver. A small cyst on both sides."),
    asked("healthy", "CT of the liver. No abnormality on the right."),
)


def tools_of(questions: tuple[Question, ...]) -> Tools:
    images = [image for question in questions for image in question.images]
    return Tools(
        questions=QuestionSet(
            name="made",
            split="train",
            license="cc0-1.0",
            questions=questions,
            open_image=lambda name: Image.new("L", (4, 4), images.index(name)),
            regions=lambda name: (),
        ),
        seed=0,
    )


def draft_of(group: str, was: str, now: str, *, question: Question = KNOWN[0], seed: int = 1) -> Draft:
    draft = Draft(
        question=question,
        images=(Image.new("L", (4, 4)),),
        seed=seed,
        prompt=question.prompt,
        chosen=question.answer,
    )
    return draft.having({"target": {"error_type": "SLC", "group": group, "was": was, "now": now}})


def retrieved(draft: Draft, questions: tuple[Question, ...] = KNOWN) -> Draft | Dropped:
    (came,) = Retrieve().run([draft], tools_of(questions))
    return came


@pytest.mark.parametrize(
    ("group", "was", "now", "image"),
    [
        ("side", "left", "right", "mirror"),
        ("side", "left", "bilateral", "both"),
        ("abdominal organ", "liver", "spleen", "other organ"),
        ("modality", "CT", "MRI", "other scan"),
        ("modality", "CT", "ultrasound", "other scan"),
    ],
)
def test_the_image_differs_in_the_target_alone_and_best_by_the_value_asked_for(
    group: str, was: str, now: str, image: str
) -> None:
    for seed in range(5):
        came = retrieved(draft_of(group, was, now, seed=seed))
        assert isinstance(came, Draft)
        assert came.made_by["retrieved"] == [image]
        assert came.made_by["rejected_image"] == "retrieved image"
        assert came.rejected_images is not None
        number = [question.images[0] for question in KNOWN].index(image)
        assert came.rejected_images[0].getpixel((0, 0)) == number


def test_the_record_holds_the_facts_that_were_compared() -> None:
    came = retrieved(draft_of("side", "left", "right"))
    assert isinstance(came, Draft)
    assert came.made_by["retrieved_agrees_in"] == {
        "finding": ["cyst"],
        "modality": ["CT"],
        "organ": ["liver"],
        "size": ["small"],
    }
    assert came.made_by["retrieved_differs_in"] == {"side": ["left", ["right"]]}


def test_without_such_an_image_the_pair_is_dropped() -> None:
    drafts = [
        draft_of("height", "upper", "lower"),  # nobody says how high anything is
        draft_of("side", "left", "right", question=asked("unseen", "left")),
        draft_of("side", "right", "left", question=KNOWN[6]),  # neither modality nor organ known
        draft_of("side", "right", "left", question=KNOWN[7]),  # no organ known
    ]
    for draft in drafts:
        assert retrieved(draft) == Dropped(draft, "no image differs in the target alone")


def test_where_the_truth_is_a_no_the_image_holds_what_was_asked_for() -> None:
    """ "Is the cyst on the right?" "No": an image that agrees in the side too would leave the answer true."""
    for seed in range(5):
        came = retrieved(draft_of("side", "", "right", seed=seed))
        assert isinstance(came, Draft)
        assert came.made_by["retrieved"] == ["mirror"]
    draft = draft_of(
        "abdominal organ", "", "liver"
    )  # "Is it a mass of the liver?" "No": but of the liver it is
    assert retrieved(draft) == Dropped(draft, "no image differs in the target alone")
    draft = draft_of("side", "", "right")
    assert retrieved(draft, KNOWN[:2]) == Dropped(draft, "no image differs in the target alone")


def test_an_image_is_no_hard_negative_of_itself() -> None:
    question = replace(KNOWN[0], answer="CT of the liver. A cyst on the right.")
    draft = draft_of("side", "left", "right", question=question)
    assert isinstance(retrieved(draft, (question,)), Dropped)


def test_several_that_fit_equally_well_are_drawn_from_by_the_seed() -> None:
    questions = (KNOWN[0], *(asked(f"mirror {n}", KNOWN[2].answer) for n in range(8)))
    names = []
    for seed in (1, 1, 2, 3, 4, 5):
        came = retrieved(draft_of("side", "left", "right", seed=seed), questions)
        assert isinstance(came, Draft)
        names.append(came.made_by["retrieved"][0])
    assert names[0] == names[1]
    assert len(set(names)) > 1


def test_facts_are_the_union_of_what_the_answers_say_and_nothing_that_yes_or_no_or_not_leave_open() -> None:
    facts = facts_of_images(
        (
            asked("a", "CT", "What modality is this?"),
            asked("a", "Liver, spleen", "Which organs are shown?"),
            asked("a", "Yes", "Is there a cyst on the left?", "closed"),
            asked("a", "No", "Is it normal?", "closed"),
            asked("a", "ultrasound", "What modality is this not?"),
            asked("a", "No mass.", "Findings?"),
            asked("b", "No abnormality is seen."),
        )
    )
    assert facts == {
        ("a",): {"modality": {"CT"}, "organ": {"liver", "spleen"}},
        ("b",): {"finding": {"none"}},
    }


def test_what_a_limit_left_out_of_the_questions_is_known_all_the_same() -> None:
    tools = tools_of(KNOWN)
    small = replace(tools.questions, questions=KNOWN[:1], known=KNOWN)
    (came,) = Retrieve().run([draft_of("side", "left", "right")], replace(tools, questions=small))
    assert isinstance(came, Draft)


def test_a_step_before_must_have_chosen_the_target() -> None:
    with pytest.raises(BadInput, match=r"own/Report\./pair: no target is recorded"):
        retrieved(replace(draft_of("side", "left", "right"), made_by={}))


def test_drawn_scans_that_are_retrieved_truly_differ_in_the_target_alone() -> None:
    def attributes(scan: Scan) -> dict[str, str]:
        finding = scan.finding
        assert finding is not None
        return {
            "modality": scan.modality,
            "organ": scan.organ,
            "kind": finding.kind,
            "side": finding.side,
            "zone": finding.zone,
            "size": finding.size,
        }

    questions = load_questions("phantom", "train", limit=600)
    sides = [q for q in questions.questions if q.answer in ("left", "right")]
    drafts = [
        draft_of("side", q.answer, {"left": "right", "right": "left"}[q.answer], question=q) for q in sides
    ]
    came = Retrieve().run(drafts, Tools(questions=questions, seed=0))
    kept = [draft for draft in came if isinstance(draft, Draft)]
    assert len(kept) > 0.7 * len(drafts) > 20
    for draft in kept:
        own, other = (
            attributes(scan_of("train", int(name[-10:-4])))
            for name in (draft.question.images[0], draft.made_by["retrieved"][0])
        )
        assert own.pop("side") != other.pop("side")
        assert own == other
