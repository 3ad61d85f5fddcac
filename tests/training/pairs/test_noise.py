"""Rejected images by noise or black: where they were meant to be, recorded so that they can be made again."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from training.pairs.blank import Blank
from training.pairs.noise import DiffusionNoise, GaussianNoise, WrappedNoise
from training.pairs.perturb import Perturb
from training.pairs.step import Draft, Dropped, Heat, Request, Tools
from zoo.datasets import QuestionSet, Region
from zoo.errors import BadInput
from zoo.perturb import blank, diffusion_noise, gaussian_noise, wrapped_noise
from zoo.records import AnswerType, Question

BOX = (4, 6, 14, 12)
MASK = Image.new("L", (30, 20))
MASK.paste(255, BOX)
PICTURE = Image.fromarray(np.random.default_rng(2).integers(1, 255, (20, 30), dtype=np.uint8))
KINDS: list[type[Perturb]] = [GaussianNoise, DiffusionNoise, WrappedNoise, Blank]


def made_draft(
    *, images: tuple[str, ...] = ("with.png",), answer_type: AnswerType = "open", seed: int = 5
) -> Draft:
    question = Question(
        id="q/7",
        dataset="made",
        split="train",
        images=images,
        prompt="Where is the cyst?",
        answer="left",
        answer_type=answer_type,
        question_type="side",
    )
    pictures = tuple(PICTURE for _ in images)
    return Draft(question=question, images=pictures, seed=seed, prompt=question.prompt, chosen="left")


def regions(name: str) -> tuple[Region, ...]:
    return (Region(label="Cyst", is_finding=True, source="mask", mask=MASK),) if name == "with.png" else ()


TOOLS = Tools(
    questions=QuestionSet(
        name="made",
        split="train",
        license="cc0-1.0",
        questions=(),
        open_image=lambda name: PICTURE,
        regions=regions,
    ),
    seed=0,
)


def one(step: Perturb, draft: Draft) -> Draft | Dropped:
    (came,) = step.run([draft], TOOLS)
    return came


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image)


@pytest.mark.parametrize("kind", KINDS)
def test_in_a_region_nothing_outside_it_changes_and_the_record_says_where(kind: type[Perturb]) -> None:
    came = one(kind(where="roi"), made_draft())
    assert isinstance(came, Draft)
    assert came.rejected_images is not None
    inside = pixels(MASK) > 0
    changed = pixels(came.rejected_images[0]) != pixels(PICTURE)
    assert not changed[~inside].any()
    assert changed[inside].mean() > 0.8
    how = came.made_by
    assert how["rejected_image"] == f"{kind.name} in roi"
    assert how["roi"] == "mask: Cyst"
    assert how["roi_confidence"] == 1.0
    assert how["roi_box"] == [4, 6, 10, 6]
    assert how["roi_image"] == "with.png"


def test_the_record_and_the_seed_are_enough_to_make_each_image_again() -> None:
    draft = made_draft()
    expected = {
        GaussianNoise(sigma=30): (gaussian_noise(PICTURE, sigma=30, seed=5), {"sigma": 30}),
        DiffusionNoise(step=200): (diffusion_noise(PICTURE, step=200, seed=5), {"step": 200}),
        WrappedNoise(): (wrapped_noise(PICTURE, seed=5), {}),
        Blank(): (blank(PICTURE), {}),
    }
    for step, (image, numbers) in expected.items():
        came = one(step, draft)
        assert isinstance(came, Draft)
        assert came.rejected_images is not None
        assert came.rejected_images[0].tobytes() == image.tobytes()
        assert came.made_by == {"rejected_image": f"{step.name} on the whole image", **numbers}


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_region_a_pair_is_dropped_or_its_image_perturbed_whole(kind: type[Perturb]) -> None:
    draft = made_draft(images=("without.png",))
    assert one(kind(where="roi"), draft) == Dropped(draft, "no region to look at")
    came = one(kind(where="roi", without_roi="image"), draft)
    assert came == one(kind(), draft)


def test_fires_corruption_is_strong_in_the_finding_and_faint_on_whole_images_and_on_reports() -> None:
    step = GaussianNoise(sigma=45, image_sigma=12, where="roi", without_roi="image", reports="image")
    drafts = [made_draft(), made_draft(images=("without.png",)), made_draft(answer_type="report")]
    came = [draft for draft in step.run(drafts, TOOLS) if isinstance(draft, Draft)]
    assert [draft.made_by["sigma"] for draft in came] == [45, 12, 12]
    assert ["roi" in draft.made_by for draft in came] == [True, False, False]
    assert came[2].rejected_images is not None
    assert came[2].rejected_images[0].tobytes() == gaussian_noise(PICTURE, sigma=12, seed=5).tobytes()
    looking = one(replace(step, reports="roi"), drafts[2])
    assert isinstance(looking, Draft)
    assert looking.made_by["sigma"] == 45


def test_of_several_images_only_the_one_with_the_region_changes_but_all_do_as_a_whole() -> None:
    draft = made_draft(images=("without.png", "with.png"))
    came = one(Blank(where="roi"), draft)
    whole = one(GaussianNoise(), draft)
    assert isinstance(came, Draft)
    assert isinstance(whole, Draft)
    assert came.rejected_images is not None
    assert whole.rejected_images is not None
    assert came.rejected_images[0].tobytes() == PICTURE.tobytes()
    assert came.rejected_images[1].tobytes() == blank(PICTURE, mask=MASK).tobytes()
    assert came.made_by["roi_image"] == "with.png"
    assert [image.tobytes() for image in whole.rejected_images] == [
        gaussian_noise(PICTURE, sigma=64, seed=seed).tobytes() for seed in (5, 6)
    ]


def test_only_attention_in_a_region_needs_the_policy() -> None:
    assert GaussianNoise(where="roi", roi="attention").needs_policy
    assert not GaussianNoise(where="roi").needs_policy
    assert not GaussianNoise(roi="attention").needs_policy
    with pytest.raises(BadInput, match="no base was loaded"):
        one(GaussianNoise(where="roi", roi="attention"), made_draft())


def test_a_region_of_attention_names_the_policy_that_looked(make_tools) -> None:  # type: ignore[no-untyped-def]
    class Looking:
        name = "scripted@0"

        def attention(self, requests: Sequence[Request]) -> list[Heat]:
            return [np.eye(4, dtype=np.float32) for _ in requests]

    step = GaussianNoise(where="roi", roi="attention")
    (came,) = step.run([made_draft()], make_tools(policy=Looking()))
    assert isinstance(came, Draft)
    assert came.made_by["policy"] == "scripted@0"
    assert came.made_by["roi"] == "attention: above mean + 1 std"


def test_a_picture_of_another_mode_stops_with_the_records_id() -> None:
    draft = replace(made_draft(), images=(PICTURE.convert("CMYK"),))
    with pytest.raises(BadInput, match="q/7/pair: the picture is of mode 'CMYK'"):
        one(GaussianNoise(), draft)
