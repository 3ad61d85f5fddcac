"""SLAKE, VQA-RAD and MMedPO in their official layouts: made-up folders, and a few real records."""

import json

import pytest
from PIL import Image

from zoo.datasets import load_questions
from zoo.errors import BadInput, BadRecord

SPLITS = ("train", "validation", "test")


def slake_row(qid, number, **more):
    row = {
        "img_id": number,
        "img_name": f"xmlab{number}/source.jpg",
        "question": "Is there a tumor?",
        "answer": "Yes",
        "q_lang": "en",
        "answer_type": "CLOSED ",
        "content_type": "Abnormality",
        "qid": qid,
    }
    return row | more


@pytest.fixture
def slake(tmp_path, draw):
    """20 pictures in train, 4 each in validation and test, of which one is a near duplicate of train's."""
    for number in range(28):
        twin = number in (20, 24)
        draw(tmp_path / f"imgs/xmlab{number}/source.jpg", 0 if twin else number, brighter=20 * twin)
    for name, numbers in (("train", range(20)), ("validate", range(20, 24)), ("test", range(24, 28))):
        rows = [slake_row(number, number) for number in numbers]
        rows.append(slake_row(100 + numbers[0], numbers[0], q_lang="zh"))
        (tmp_path / f"{name}.json").write_text(json.dumps(rows))
    return tmp_path


def test_slake_keeps_its_official_splits_and_counts_what_leaks(slake):
    asked = load_questions("slake", "official-test", data_dir=slake)
    assert [q.id for q in asked.questions] == [f"slake/{number}" for number in range(24, 28)]
    assert {q.split for q in asked.questions} == {"official-test"}
    assert asked.notes == (
        "leak: 0 of the 4 pictures of official-validation are in official-train too, "
        "1 more have a near duplicate there",
        "leak: 0 of the 4 pictures of official-test are in official-train too, "
        "1 more have a near duplicate there",
        "left out 1: not in English",
    )


def test_slake_is_split_anew_without_near_duplicates_across(slake):
    place = {
        question.id: split
        for split in SPLITS
        for question in load_questions("slake", split, data_dir=slake).questions
    }
    assert len(place) == 28
    assert place["slake/0"] == place["slake/20"] == place["slake/24"]


def test_slake_marks_come_from_detection_and_mask(slake):
    beside = slake / "imgs/xmlab3"
    (beside / "detection.json").write_text('[{"Pneumonia": [4.0, 4.0, 8.0, 8.0]}, {"Lung": [0, 0, 60, 40]}]')
    Image.new("RGB", (64, 48), (230, 230, 230)).save(beside / "mask.png")
    regions = load_questions("slake", "official-train", data_dir=slake).regions("imgs/xmlab3/source.jpg")
    found = [(r.label, r.is_finding, r.source) for r in regions]
    assert found == [("Spleen", False, "mask"), ("Pneumonia", True, "box"), ("Lung", False, "box")]


def test_a_broken_detection_file_is_refused_by_name(slake):
    (slake / "imgs/xmlab3/detection.json").write_text('{"Pneumonia": 3}')
    asked = load_questions("slake", "official-train", data_dir=slake)
    with pytest.raises(BadRecord, match=r"xmlab3/detection\.json"):
        asked.regions("imgs/xmlab3/source.jpg")


def test_a_folder_without_slake_in_it_is_refused_with_the_layout(tmp_path):
    with pytest.raises(BadInput, match=r"has no train\.json") as error:
        load_questions("slake", "train", data_dir=tmp_path)
    assert "imgs/xmlabN/" in error.value.hint


def vqa_rad_row(qid, number, phrase_type="freeform", **more):
    row = {
        "qid": qid,
        "phrase_type": phrase_type,
        "image_name": f"synpic{number}.jpg",
        "question": "Is the heart enlarged?",
        "question_type": "SIZE",
        "answer": "no",
        "answer_type": "CLOSED",
    }
    return row | more


@pytest.fixture
def vqa_rad(tmp_path, draw):
    """12 pictures, of which train and test share two."""
    for number in range(12):
        draw(tmp_path / f"VQA_RAD Image Folder/synpic{number}.jpg", number)
    rows = [vqa_rad_row(number, number) for number in range(11)]
    rows += [vqa_rad_row(20 + number, number, "test_para") for number in (0, 1, 11)]
    rows[2]["bbox"] = [10, 12, 20, 32]
    (tmp_path / "VQA_RAD Dataset Public.json").write_text(json.dumps(rows))
    return tmp_path


def test_vqa_rad_keeps_its_official_split_and_counts_what_leaks(vqa_rad):
    asked = load_questions("vqa-rad", "official-test", data_dir=vqa_rad)
    assert [q.id for q in asked.questions] == ["vqa-rad/20", "vqa-rad/21", "vqa-rad/31"]
    assert asked.notes == (
        "leak: 2 of the 3 pictures of official-test are in official-train too, "
        "0 more have a near duplicate there",
    )


def test_vqa_rad_is_split_anew_by_picture(vqa_rad):
    place = {}
    for split in SPLITS:
        try:
            questions = load_questions("vqa-rad", split, data_dir=vqa_rad).questions
        except BadInput:
            continue  # so few pictures may leave a split empty
        for question in questions:
            assert place.setdefault(question.images[0], split) == split
    assert len(place) == 12


def test_a_vqa_rad_box_is_two_corners_and_taken_as_a_finding(vqa_rad):
    asked = load_questions("vqa-rad", "official-train", data_dir=vqa_rad)
    (region,) = asked.regions("VQA_RAD Image Folder/synpic2.jpg")
    assert (region.is_finding, region.source, region.mask.getbbox()) == (True, "box", (10, 12, 20, 32))
    assert asked.regions("VQA_RAD Image Folder/synpic3.jpg") == ()


def mmedpo_row(number, chosen, rejected, weight, image):
    def talk(answer):
        return [{"from": "human", "value": "<image>\nIs it?"}, {"from": "gpt", "value": answer}]

    row = {"id": number, "image": image, "conversations": talk(chosen)}
    return row | {"rejected_conversations": talk(rejected), "weighted_score": weight}


@pytest.fixture
def mmedpo(slake, draw, tmp_path_factory):
    """MMedPO's files beside SLAKE's folder."""
    root = tmp_path_factory.mktemp("mmedpo")
    (root / "slake").symlink_to(slake)
    rows = [mmedpo_row(n, " Yes", f" No, not {n}.", 0.5, f"xmlab{n}/source.jpg") for n in range(20)]
    rows[1] = mmedpo_row(1, " Yes", " yes", 0.8, "xmlab1/source.jpg")
    rows[2]["weighted_score"] = 0.0
    del rows[3]["weighted_score"]
    (root / "slake_dpo_weighted.json").write_text(json.dumps(rows))
    draw(root / "mimic-cxr/a.jpg", 99)
    mimic = [mmedpo_row(7, "Clear lungs.", "Effusion.", 0.3, "a.jpg")]
    (root / "mimic_dpo_weighted.json").write_text(json.dumps(mimic))
    return root


def test_mmedpo_brings_rejected_responses_and_weights_by_question(mmedpo):
    asked = load_questions("mmedpo", "official-train", data_dir=mmedpo)
    assert len(asked.questions) == len(asked.given) == 20
    question = asked.questions[0]
    assert (question.prompt, question.answer, question.answer_type) == ("Is it?", "Yes", "closed")
    given = asked.given["mmedpo-slake/0"]
    assert (given.rejected, given.weight) == ("No, not 0.", 0.5)
    assert asked.given["mmedpo-slake/2"].weight == 0.0
    assert asked.given["mmedpo-slake/3"].weight is None
    assert asked.notes == (
        "1 of 20 pairs kept as they are: rejected equals chosen",
        "1 of 20 pairs kept as they are: weight 0.0",
        "1 of 20 pairs kept as they are: no weight",
    )


def test_mmedpo_splits_as_slake_does(mmedpo, slake):
    for split in SPLITS:
        pairs = {q.id.rpartition("/")[2] for q in load_questions("mmedpo", split, data_dir=mmedpo).questions}
        asked = {q.id.rpartition("/")[2] for q in load_questions("slake", split, data_dir=slake).questions}
        assert pairs <= asked


def test_mmedpo_pairs_on_mimic_stay_on_the_machine_and_are_not_published(mmedpo):
    closed = load_questions("mmedpo", "mimic-cxr", data_dir=mmedpo)
    assert (closed.license, closed.publishable, closed.restricted) == ("physionet-credentialed", False, True)
    assert (closed.questions[0].dataset, closed.questions[0].answer_type) == ("mimic-cxr", "report")
    opened = load_questions("mmedpo", "train", data_dir=mmedpo)
    assert (opened.license, opened.publishable, opened.restricted) == ("apache-2.0", True, False)


@pytest.mark.parametrize("weight", [1.5, -0.1, "high", True, float("nan")])
def test_a_weight_that_is_no_number_from_0_to_1_is_refused_with_the_record(mmedpo, weight):
    rows = [mmedpo_row(5, "Yes", "No", weight, "xmlab5/source.jpg")]
    (mmedpo / "slake_dpo_weighted.json").write_text(json.dumps(rows))
    with pytest.raises(BadRecord, match="mmedpo-slake/5: its weight"):
        load_questions("mmedpo", "official-train", data_dir=mmedpo)


def test_a_sample_brings_only_its_own_rejected_responses(mmedpo):
    asked = load_questions("mmedpo", "official-train", limit=5, data_dir=mmedpo)
    assert set(asked.given) == {question.id for question in asked.questions}


def test_real_slake_records_read_in_their_own_layout(official):
    asked = load_questions("slake", "official-train", data_dir=official / "slake")
    assert len(asked.questions) == 284
    assert "left out 194: not in English" in asked.notes
    assert any("has no validation.json, test.json" in note for note in asked.notes)
    labels = {r.label: r.is_finding for q in asked.questions for r in asked.regions(q.images[0])}
    assert {label for label, finding in labels.items() if finding} == {
        "Atelectasis", "Brain Edema", "Brain Enhancing Tumor", "Brain Non-enhancing Tumor", "Cardiomegaly",
        "Effusion", "Infiltrate", "Liver Cancer", "Mass", "Nodule", "Pneumonia",
    }  # fmt: skip
    assert {"Liver", "Left Lung", "Spinal Cord"} <= set(labels)


def test_real_vqa_rad_records_read_in_their_own_layout(official):
    asked = load_questions("vqa-rad", "official-test", data_dir=official / "vqa-rad")
    assert len(asked.questions) == 38
    assert asked.notes[0].startswith("leak: 17 of the 17 pictures of official-test are in official-train too")
    assert {len(asked.regions(q.images[0])) for q in asked.questions} == {0, 1}


def test_real_mmedpo_records_read_in_their_own_layout(official):
    asked = load_questions("mmedpo", "official-train", data_dir=official)
    assert len(asked.questions) == 284
    assert asked.notes == (
        "1 of 284 pairs kept as they are: rejected equals chosen",
        "3 of 284 pairs kept as they are: weight 0.0",
    )
    asked.open_image(asked.questions[0].images[0])
