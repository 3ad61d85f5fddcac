"""The plain layout: what becomes of a row, its picture, its marks and its split."""

import json

import numpy as np
import pytest
from PIL import Image

from zoo.datasets import datasets, load_questions
from zoo.errors import BadImage, BadInput, BadRecord

SPLITS = ("train", "validation", "test")


def everything(name, folder):
    return {split: load_questions(name, split, data_dir=folder).questions for split in SPLITS}


def one_split(folder, helpers, rows):
    """The questions of rows that all say train."""
    helpers.write_lines(folder / "qa.jsonl", [row | {"split": "train"} for row in rows])
    return load_questions("records", "train", data_dir=folder)


def test_a_closed_question_gets_clean_words_and_the_options_yes_and_no(plain, helpers):
    (question,) = one_split(
        plain, helpers, [helpers.row(0, answer=" YES ", question=" Is the left lung? ")]
    ).questions
    assert (question.answer, question.answer_type, question.options) == ("Yes", "closed", ("Yes", "No"))
    assert question.prompt == "Is the left lung?"
    assert question.error_types == ("AM", "SLC")


def test_a_closed_question_with_another_answer_has_no_options_that_nobody_stated(plain, helpers):
    (question,) = one_split(plain, helpers, [helpers.row(0, answer="Lung")]).questions
    assert (question.answer, question.options) == ("Lung", ())


def test_an_unknown_answer_type_is_refused_with_the_record(plain, helpers):
    with pytest.raises(BadRecord, match=r"mine/0.*'multi'"):
        one_split(plain, helpers, [helpers.row(0, answer_type="multi")])


def test_a_row_without_an_answer_is_left_out_and_counted(plain, helpers):
    asked = one_split(plain, helpers, [helpers.row(0), helpers.row(1, answer=" ")])
    assert len(asked.questions) == 1
    assert "left out 1: no question or no answer" in asked.notes


def test_a_row_that_lacks_a_key_or_is_no_json_is_refused_with_its_place(plain, helpers):
    row = helpers.row(0)
    del row["answer"]
    with pytest.raises(BadRecord, match=r"mine/0.*'answer'"):
        one_split(plain, helpers, [row])
    (plain / "qa.jsonl").write_text('{"id": \n')
    with pytest.raises(BadRecord, match=r"qa\.jsonl:1"):
        load_questions("records", "train", data_dir=plain)


def test_two_rows_of_one_id_are_refused(plain, helpers):
    with pytest.raises(BadRecord, match="mine/0 is the id of several"):
        one_split(plain, helpers, [helpers.row(0), helpers.row(0)])


@pytest.mark.parametrize("name", ["../secret.png", "/etc/secret.png", ""])
def test_an_image_outside_the_folder_is_refused(plain, helpers, name):
    with pytest.raises(BadRecord, match="mine/0"):
        one_split(plain, helpers, [helpers.row(0, image=name)])


def test_a_missing_picture_is_named_with_its_record_when_it_is_opened(plain, helpers):
    asked = one_split(plain, helpers, [helpers.row(0), helpers.row(7, image="images/gone.png")])
    with pytest.raises(BadImage, match=r"mine/7: no such file: .*images/gone\.png"):
        asked.open_image("images/gone.png")


def test_splits_without_names_share_no_picture_and_no_near_duplicate(plain, draw, helpers):
    for number in range(30):
        draw(plain / f"images/{number + 30}.png", number, brighter=20)
    helpers.write_lines(plain / "qa.jsonl", [helpers.row(number) for number in range(60)])
    place = {q.id: split for split, found in everything("records", plain).items() for q in found}
    assert len(place) == 60
    assert set(place.values()) == set(SPLITS)
    assert all(place[f"mine/{number}"] == place[f"mine/{number + 30}"] for number in range(30))
    assert "60 pictures in 30 groups" in load_questions("records", "test", data_dir=plain).notes[0]


def test_splits_that_rows_state_stand_and_their_leak_is_counted(plain, draw, helpers):
    draw(plain / "images/twin.png", 1, brighter=20)
    rows = [helpers.row(n, split="train") for n in range(3)]
    rows += [
        helpers.row(8, image="images/0.png", split="test"),
        helpers.row(9, image="images/twin.png", split="test"),
        helpers.row(10, split="test"),
    ]
    helpers.write_lines(plain / "qa.jsonl", rows)
    asked = load_questions("records", "test", data_dir=plain)
    assert [q.id for q in asked.questions] == ["mine/8", "mine/9", "mine/10"]
    assert (
        "leak: 1 of the 3 pictures of test are in train too, 1 more have a near duplicate there"
        in asked.notes
    )


def test_boxes_and_masks_become_regions(plain, helpers):
    boxes = {"images/0.png": [{"label": "Lung Cancer", "xywh": [10.0, 5.0, 20.0, 10.0]}]}
    (plain / "boxes.json").write_text(json.dumps(boxes))
    labels = np.zeros((48, 64), dtype=np.uint8)
    labels[:24], labels[30:40, 30:50] = 70, 175
    (plain / "masks").mkdir()
    Image.fromarray(labels).save(plain / "masks/0.png")
    regions = one_split(plain, helpers, [helpers.row(0)]).regions("images/0.png")
    assert [(r.label, r.is_finding, r.source) for r in regions] == [
        ("Liver", False, "mask"),
        ("Liver Cancer", True, "mask"),
        ("Lung Cancer", True, "box"),
    ]
    box = np.asarray(regions[2].mask)
    assert box[5:15, 10:30].min() == 255
    assert (box == 255).sum() == 200
    assert (np.asarray(regions[0].mask) == 255).sum() == 24 * 64
    assert one_split(plain, helpers, [helpers.row(1)]).regions("images/1.png") == ()


def test_a_box_gives_way_to_a_mask_of_its_label(plain, helpers):
    (plain / "boxes.json").write_text('{"images/0.png": [{"label": "Liver", "xywh": [0, 0, 9, 9]}]}')
    (plain / "masks").mkdir()
    Image.new("L", (64, 48), 70).save(plain / "masks/0.png")
    (region,) = one_split(plain, helpers, [helpers.row(0)]).regions("images/0.png")
    assert region.source == "mask"


def test_a_mask_of_another_size_is_refused_with_record_and_sizes(plain, helpers):
    (plain / "masks").mkdir()
    Image.new("L", (32, 32), 70).save(plain / "masks/0.png")
    asked = one_split(plain, helpers, [helpers.row(0)])
    with pytest.raises(BadImage, match=r"mine/0.*masks/0\.png has 32 x 32 pixels, its picture 64 x 48"):
        asked.regions("images/0.png")


def test_a_box_outside_its_picture_is_refused_with_the_picture(plain, helpers):
    (plain / "boxes.json").write_text('{"images/0.png": [{"label": "Mass", "xywh": [90, 5, 9, 9]}]}')
    with pytest.raises(BadRecord, match=r"images/0\.png.*'Mass'.*outside"):
        one_split(plain, helpers, [helpers.row(0)]).regions("images/0.png")


def test_a_picture_whose_values_name_nothing_is_no_label_map(plain, helpers):
    (plain / "masks").mkdir()
    Image.new("L", (64, 48), 71).save(plain / "masks/0.png")
    assert one_split(plain, helpers, [helpers.row(0)]).regions("images/0.png") == ()


def test_a_folder_may_bring_its_own_labels(plain, helpers):
    (plain / "mask.txt").write_text("71:Left Cyst\n")
    (plain / "masks").mkdir()
    Image.new("L", (64, 48), 71).save(plain / "masks/0.png")
    (region,) = one_split(plain, helpers, [helpers.row(0)]).regions("images/0.png")
    assert (region.label, region.is_finding) == ("Left Cyst", True)


def test_your_own_records_stay_private_unless_all_their_data_sets_are_known(plain, helpers):
    mine = one_split(plain, helpers, [helpers.row(0)])
    assert (mine.license, mine.publishable, mine.restricted) == ("unknown", False, True)
    known = one_split(plain, helpers, [helpers.row(0, dataset="slake"), helpers.row(1, dataset="vqa-rad")])
    assert (known.license, known.publishable, known.restricted) == ("cc-by-4.0 and cc0-1.0", True, False)
    worse = one_split(plain, helpers, [helpers.row(0, dataset="slake"), helpers.row(1, dataset="amboss")])
    assert (worse.publishable, worse.restricted) == (False, True)


def test_a_data_set_takes_only_its_own_rows(plain, helpers):
    rows = [helpers.row(0, dataset="slake"), helpers.row(1, dataset="amboss", answer_type="report")]
    helpers.write_lines(plain / "qa.jsonl", [row | {"split": "test"} for row in rows])
    (caption,) = load_questions("amboss", "test", data_dir=plain).questions
    assert (caption.id, caption.dataset, caption.answer_type) == ("mine/1", "amboss", "report")
    with pytest.raises(BadInput, match="no rows of path-vqa") as error:
        load_questions("path-vqa", "test", data_dir=plain)
    assert "amboss, slake" in error.value.hint


def test_plain_records_have_no_official_split(plain):
    with pytest.raises(BadInput, match="official-test"):
        load_questions("slake", "official-test", data_dir=plain)


@pytest.mark.parametrize("name", ["slake", "vqa-rad", "records", "mmedpo"])
def test_the_real_slice_splits_without_a_shared_picture_and_every_picture_opens(real, name):
    pictures = {}
    for split in SPLITS:
        asked = load_questions(name, split, data_dir=real)
        pictures[split] = {image for question in asked.questions for image in question.images}
        for image in sorted(pictures[split])[:10]:
            size = asked.open_image(image).size
            assert all(region.mask.size == size for region in asked.regions(image))
    assert all(pictures.values())
    assert not pictures["train"] & pictures["test"]
    assert not pictures["train"] & pictures["validation"]
    assert not pictures["validation"] & pictures["test"]


def test_data_sets_of_one_folder_agree_on_the_split_of_a_picture(real):
    place = {}
    for name in ("slake", "vqa-rad", "records", "mmedpo"):
        for split, found in everything(name, real).items():
            for question in found:
                assert place.setdefault(question.images[0], split) == split
    assert len(place) == 376


def test_terms_are_those_of_the_licences():
    terms = {name: (one.publishable, one.restricted) for name, one in datasets().items()}
    assert terms == {
        "amboss": (False, True),
        "iu-xray": (False, False),
        "mimic-cxr": (False, True),
        "mmedpo": (True, False),
        "path-vqa": (False, False),
        "phantom": (True, False),
        "rated": (False, True),
        "records": (False, True),
        "slake": (True, False),
        "vqa-rad": (True, False),
    }
