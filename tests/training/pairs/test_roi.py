"""Where to look: what the question names, then any finding; heat and attention where they stand out."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.pairs.roi import Source, find_roi, is_named
from training.pairs.step import Draft, Heat, Request, Tools
from zoo.datasets import QuestionSet, Region, load_questions
from zoo.errors import BadInput
from zoo.records import Question

SIZE = (40, 20)


class Gaze:
    """A policy that looks at the upper left quarter."""

    name = "gaze@0"
    can_judge = False

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def attention(self, requests: list[Request]) -> list[Heat]:
        self.asked += requests
        heat = np.full((4, 4), 0.1, dtype=np.float32)
        heat[:2, :2] = 1.0
        return [heat for _ in requests]


def region(
    label: str, box: tuple[int, int, int, int], *, finding: bool = True, source: str = "mask"
) -> Region:
    mask = Image.new("L", SIZE)
    mask.paste(255, box)
    return Region(label=label, is_finding=finding, source=source, mask=mask)


def draft_about(prompt: str, answer: str = "Yes", images: tuple[str, ...] = ("a.png",)) -> Draft:
    question = Question(
        id="q/7",
        dataset="made",
        split="train",
        images=images,
        prompt=prompt,
        answer=answer,
        answer_type="open",
        question_type="any",
    )
    pictures = tuple(Image.new("L", SIZE, 100) for _ in images)
    return Draft(question=question, images=pictures, seed=1, prompt=prompt, chosen=answer)


def tools_with(
    *regions: Region, find: Callable[[str], tuple[Region, ...]] | None = None, **more: object
) -> Tools:
    questions = QuestionSet(
        name="made",
        split="train",
        license="cc0-1.0",
        questions=(),
        open_image=lambda name: Image.new("L", SIZE),
        regions=find or (lambda name: regions),
    )
    return Tools(questions=questions, seed=0, **more)


LIVER = region("Liver", (0, 0, 20, 20), finding=False)
TUMOR = region("Liver Cancer", (2, 3, 6, 8))
CYST = region("Cyst", (30, 10, 34, 14))


@pytest.mark.parametrize(
    ("prompt", "answer", "label"),
    [
        ("Where is the cyst?", "on the right", "Cyst"),
        ("What is in the liver?", "a tumour", "Liver Cancer"),
        ("Is the liver enlarged?", "No", "Liver"),
        ("What modality is this?", "CT", "Cyst, Liver Cancer"),
        ("Are a tumor and a cyst seen?", "Yes", "Cyst, Liver Cancer"),
    ],
)
def test_findings_that_are_named_come_first_then_named_organs_then_any_finding(
    prompt: str, answer: str, label: str
) -> None:
    roi = find_roi(draft_about(prompt, answer), tools_with(LIVER, TUMOR, CYST), "auto")
    assert roi is not None
    assert (roi.source, roi.label, roi.confidence) == ("mask", label, 1.0)


def test_several_regions_are_united() -> None:
    roi = find_roi(draft_about("What is seen?", "CT"), tools_with(TUMOR, CYST), "annotation")
    assert roi is not None
    assert roi.mask.mode == "L"
    assert (np.asarray(roi.mask) > 0).sum() == 4 * 5 + 4 * 4
    assert roi.box == [2, 3, 32, 11]


def test_an_organ_that_nobody_named_is_no_region() -> None:
    assert find_roi(draft_about("What modality is this?", "CT"), tools_with(LIVER), "auto") is None


def test_masks_or_boxes_alone_can_be_asked_for_and_a_mask_makes_its_box_needless() -> None:
    tools = tools_with(TUMOR, region("Liver Cancer", (0, 0, 9, 9), source="box"))
    drafts = draft_about("Where is the tumor?")
    boxes: dict[Source, list[int]] = {"mask": [2, 3, 4, 5], "box": [0, 0, 9, 9], "auto": [2, 3, 4, 5]}
    for source, box in boxes.items():
        roi = find_roi(drafts, tools, source)
        assert roi is not None
        assert roi.box == box, source
    assert find_roi(drafts, tools_with(TUMOR), "box") is None


def test_the_first_image_that_has_a_region_is_taken() -> None:
    tools = tools_with(find=lambda name: (CYST,) if name == "b.png" else ())
    roi = find_roi(draft_about("Where?", images=("a.png", "b.png")), tools, "auto")
    assert roi is not None
    assert roi.image == 1


@pytest.mark.parametrize(
    ("label", "text", "named"),
    [
        ("Left Lung", "Is the lung clear?", True),
        ("Left Lung", "Is the left lung clear?", True),
        ("Left Lung", "Is the right lung clear?", False),
        ("Lung Cancer", "Is the lung clear?", False),
        ("Lung Cancer", "Is there a tumor?", True),
        ("Lung Cancer", "Is there a tumor in the liver?", False),
        ("Large Bowel", "Is the mass large?", False),
        ("Large Bowel", "Is the large bowel dilated?", True),
        ("Mandible", "Show the mandibles", False),
        ("Mandible", "Where is the mandible?", True),
    ],
)
def test_a_label_is_named_by_its_terms_in_any_spelling(label: str, text: str, named: bool) -> None:
    assert is_named(label, text) is named


def test_a_mask_of_another_size_stops_with_the_records_id() -> None:
    bad = Region(label="Cyst", is_finding=True, source="mask", mask=Image.new("L", (9, 9), 255))
    with pytest.raises(BadInput, match=r"q/7/pair: the mask of 'Cyst' is 9 x 9, the image a\.png 40 x 20"):
        find_roi(draft_about("Where?"), tools_with(bad), "auto")


def test_a_heat_map_of_any_resolution_is_cut_at_its_mean_and_one_deviation(tmp_path: Path) -> None:
    heat = np.zeros((2, 4))
    heat[0, 3] = 0.8
    np.save(tmp_path / "a.png.npy", heat)
    tools = tools_with(heat_maps=tmp_path)
    roi = find_roi(draft_about("Where?"), tools, "auto")
    assert roi is not None
    digest = hashlib.sha256((tmp_path / "a.png.npy").read_bytes()).hexdigest()
    assert (roi.source, roi.label) == ("heat map", f"above mean + 1 std of sha256 {digest[:12]}")
    assert roi.mask.size == SIZE
    inside = np.asarray(roi.mask) > 0
    assert inside[0, 39]
    assert not inside[:, :20].any()
    resized = np.asarray(Image.fromarray(heat.astype(np.float32)).resize(SIZE, Image.Resampling.BILINEAR))
    assert (inside == (resized > resized.mean() + resized.std())).all()
    assert roi.confidence == pytest.approx(float(resized[inside].mean()))
    wide = find_roi(draft_about("Where?"), tools, "heat_map", deviations=-1)
    assert wide is not None
    assert wide.label.startswith("above mean - 1 std of")
    assert (np.asarray(wide.mask) > 0).all()  # the mean less a deviation is below zero here
    assert find_roi(draft_about("Where?"), tools_with(CYST, heat_maps=tmp_path), "auto").source == "mask"


def test_no_heat_map_or_one_that_is_even_gives_no_region(tmp_path: Path) -> None:
    tools = tools_with(heat_maps=tmp_path)
    assert find_roi(draft_about("Where?"), tools_with(), "heat_map") is None
    assert find_roi(draft_about("Where?"), tools, "heat_map") is None
    np.save(tmp_path / "a.png.npy", np.full((4, 4), 0.5))
    assert find_roi(draft_about("Where?"), tools, "heat_map") is None


@pytest.mark.parametrize("heat", [np.zeros(4), np.full((2, 2), 2.0), np.full((2, 2), np.nan), b"no array"])
def test_a_broken_heat_map_stops_with_the_records_id(tmp_path: Path, heat: object) -> None:
    path = tmp_path / "a.png.npy"
    if isinstance(heat, bytes):
        path.write_bytes(heat)
    else:
        np.save(path, heat)
    with pytest.raises(BadInput, match=r"q/7/pair: .*a\.png\.npy is no heat map"):
        find_roi(draft_about("Where?"), tools_with(heat_maps=tmp_path), "heat_map")


def test_attention_gives_the_share_of_it_that_lies_inside() -> None:
    gaze = Gaze()
    roi = find_roi(draft_about("Where?"), tools_with(policy=gaze), "attention")
    assert roi is not None
    assert [request.prompt for request in gaze.asked] == ["Where?"]
    inside = np.asarray(roi.mask) > 0
    assert inside[0, 0]
    assert not inside[:, 25:].any()
    heat = np.pad(np.ones((2, 2), dtype=np.float32), ((0, 2), (0, 2)), constant_values=0.1)
    resized = np.asarray(Image.fromarray(heat).resize(SIZE, Image.Resampling.BILINEAR))
    assert roi.confidence == pytest.approx(float(resized[inside].sum() / resized.sum()), rel=1e-4)
    with pytest.raises(BadInput, match="no base was loaded"):
        find_roi(draft_about("Where?"), tools_with(), "attention")


def test_a_drawn_scan_is_looked_at_where_its_finding_is() -> None:
    questions = load_questions("phantom", "train", limit=60)
    tools = Tools(questions=questions, seed=0)
    found = 0
    for question in questions.questions:
        image = questions.open_image(question.images[0])
        draft = Draft(
            question=question, images=(image,), seed=1, prompt=question.prompt, chosen=question.answer
        )
        roi = find_roi(draft, tools, "auto")
        regions = questions.regions(question.images[0])
        assert (roi is None) == (regions == ())
        if roi is not None:
            assert roi.mask.tobytes() == regions[0].mask.tobytes()
            found += 1
    assert found > 40
