"""Which other pictures a question is shown, and that nothing of its own is left in noise."""

import numpy as np
import pytest
from PIL import Image

from zoo.datasets import load_questions
from zoo.evaluation.ablation import ablation_notes, asked_again, noise_like, others

PATIENT = {"a1": "a", "a2": "a", "a3": "a", "b1": "b", "b2": "b", "c1": "c"}


def test_noise_has_the_size_and_mode_of_a_picture_and_nothing_else_of_it() -> None:
    digest = "5" * 64
    for mode in ("L", "RGB"):
        black, white = (Image.new(mode, (40, 30), colour) for colour in ("black", "white"))
        noise = noise_like(black, digest)
        assert (noise.mode, noise.size) == (mode, (40, 30))
        assert noise.tobytes() == noise_like(white, digest).tobytes()
        assert noise.tobytes() != noise_like(black, "6" * 64).tobytes()
        values = np.asarray(noise)
        assert (values.min(), values.max()) == (0, 255)
        assert abs(values.mean() - 127.5) < 8


@pytest.mark.parametrize("seed", range(20))
def test_another_picture_is_never_of_the_same_patient(seed: int) -> None:
    found = others([(name,) for name in PATIENT], [PATIENT.__getitem__], seed=seed)
    assert set(found) == {(name,) for name in PATIENT}
    assert all(PATIENT[name] != PATIENT[other] for (name,), (other,) in found.items())


def test_the_same_seed_shows_the_same_and_another_seed_others() -> None:
    asked = [(f"p{number}",) for number in range(30)]
    first = others(asked, [str], seed=0)
    assert others(reversed(asked), [str], seed=0) == first
    assert others(asked, [str], seed=1) != first
    assert sorted(first.values()) == sorted(asked), "where nobody is related each picture is shown once"


def test_a_question_with_several_pictures_is_shown_as_many_of_somebody_else() -> None:
    asked = [("a1", "b1"), ("a2", "c1"), ("b2", "c1"), ("c1",), ("a3",)]
    assert others(asked, [PATIENT.__getitem__], seed=0) == {("a3",): ("c1",), ("c1",): ("a3",)}


def test_pictures_with_the_same_pixels_are_one_whatever_their_names() -> None:
    pixels = {"x": "same", "y": "same", "z": "other"}
    found = others([(name,) for name in pixels], [pixels.__getitem__, str], seed=0)
    assert found == {("x",): ("z",), ("y",): ("z",), ("z",): found["z",]}
    assert found["z",] in {("x",), ("y",)}


def test_one_patient_alone_leaves_nobody_to_show_and_that_is_said() -> None:
    assert others([("a1",), ("a2",)], [PATIENT.__getitem__], seed=0) == {}
    questions = load_questions("phantom", "test", limit=8)
    assert ablation_notes(questions, noise=0, other=0) == []
    assert ablation_notes(questions, noise=8, other=5) == [
        "image ablation: 8 questions asked again with noise, 5 with another patient's picture",
        "image ablation: for 3 questions there is no picture of another patient",
    ]


def test_what_is_asked_again_is_balanced_and_none_is_asked_for_zero() -> None:
    questions = load_questions("phantom", "test", limit=64)
    assert asked_again(questions, 0, seed=0) == ()
    again = asked_again(questions, 8, seed=0)
    assert {q.question_type for q in again} == {q.question_type for q in questions.questions}
    assert set(again) <= set(questions.questions)
