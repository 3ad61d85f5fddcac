"""MIMIC-CXR, IU-Xray and PathVQA, from made-up folders in their layouts."""

import gzip
import pickle

import pytest

from zoo.datasets import load_questions
from zoo.datasets._reports import findings_section, without_comparisons
from zoo.errors import BadInput, BadRecord

REPORT = """                                 FINAL REPORT
 INDICATION:  Cough.

 COMPARISON:  None.

 FINDINGS:

 The heart is normal in size. There is a small left
 pleural effusion. The effusion has increased since the prior study.

 IMPRESSION:

 Small effusion.
"""


def test_the_findings_end_at_the_next_heading():
    assert findings_section(REPORT) == (
        "The heart is normal in size. There is a small left pleural effusion. "
        "The effusion has increased since the prior study."
    )
    assert findings_section("IMPRESSION: Clear.") == ""


def test_sentences_that_compare_with_an_earlier_picture_go_and_are_counted():
    assert without_comparisons("No effusion. Unchanged nodule. The heart is large.") == (
        "No effusion. The heart is large.",
        1,
    )


@pytest.fixture
def mimic(tmp_path, draw):
    """In test: a good study, one with two frontal pictures, one that is very short. One study in train."""
    studies = [
        ("10000001", "50000001", [("a", "PA"), ("b", "LATERAL")], REPORT, "test"),
        ("10000002", "50000002", [("c", "AP"), ("d", "PA")], REPORT, "test"),
        ("10000003", "50000003", [("e", "AP")], "FINDINGS: Clear.", "test"),
        ("10000004", "50000004", [("f", "AP")], REPORT, "train"),
    ]
    split, metadata = ["dicom_id,study_id,subject_id,split"], ["dicom_id,subject_id,study_id,ViewPosition"]
    for subject, study, pictures, report, part in studies:
        folder = tmp_path / f"files/p10/p{subject}"
        for dicom, view in pictures:
            split.append(f"{dicom},{study},{subject},{part}")
            metadata.append(f"{dicom},{subject},{study},{view}")
            draw(folder / f"s{study}/{dicom}.jpg", int(study))
        (folder / f"s{study}.txt").write_text(report)
    with gzip.open(tmp_path / "mimic-cxr-2.0.0-split.csv.gz", "wt") as out:
        out.write("\n".join(split) + "\n")
    (tmp_path / "mimic-cxr-2.0.0-metadata.csv").write_text("\n".join(metadata) + "\n")
    return tmp_path


def test_mimic_keeps_studies_with_one_frontal_picture_and_enough_findings(mimic):
    asked = load_questions("mimic-cxr", "test", data_dir=mimic)
    (question,) = asked.questions
    assert question.id == "mimic-cxr/s50000001"
    assert question.images == ("files/p10/p10000001/s50000001/a.jpg",)
    assert question.answer == "The heart is normal in size. There is a small left pleural effusion."
    assert question.answer_type == "report"
    asked.open_image(question.images[0])
    assert asked.notes[0].startswith("departure: 1 sentences")
    assert asked.notes[1:] == (
        "left out 1: findings of fewer than 8 words",
        "left out 1: no single frontal picture",
    )
    assert (asked.publishable, asked.restricted) == (False, True)


def test_mimic_without_a_table_or_a_report_is_refused_by_name(mimic):
    (mimic / "files/p10/p10000004/s50000004.txt").unlink()
    with pytest.raises(BadInput, match=r"s50000004\.txt"):
        load_questions("mimic-cxr", "train", data_dir=mimic)
    (mimic / "mimic-cxr-2.0.0-metadata.csv").write_text("dicom_id,subject_id,study_id\n")
    with pytest.raises(BadRecord, match="no column 'ViewPosition'"):
        load_questions("mimic-cxr", "test", data_dir=mimic)
    (mimic / "mimic-cxr-2.0.0-split.csv.gz").unlink()
    (mimic / "mimic-cxr-2.0.0-metadata.csv").unlink()
    with pytest.raises(BadInput, match=r"mimic-cxr-2\.0\.0-metadata\.csv\.gz or"):
        load_questions("mimic-cxr", "test", data_dir=mimic)


OPEN_I = """<?xml version="1.0" encoding="utf-8"?>
<eCitation><MedlineCitation><Article><Abstract>
<AbstractText Label="INDICATION">Cough</AbstractText>
<AbstractText Label="FINDINGS">{findings}</AbstractText>
<AbstractText Label="IMPRESSION">Normal.</AbstractText>
</Abstract></Article></MedlineCitation>
{pictures}</eCitation>"""


@pytest.fixture
def iu_xray(tmp_path, draw):
    """40 reports with two pictures each; one without findings and one without pictures."""
    (tmp_path / "ecgen-radiology").mkdir()
    for number in range(40):
        names = [] if number == 1 else [f"CXR{number}_1_IM-{view}" for view in (1, 2)]
        for name in names:
            draw(tmp_path / f"NLMCXR_png/{name}.png", number)
        findings = "" if number == 0 else "The heart is normal in size. The lungs are clear."
        pictures = "".join(f'<parentImage id="{name}"/>' for name in names)
        report = OPEN_I.format(findings=findings, pictures=pictures)
        (tmp_path / f"ecgen-radiology/{number}.xml").write_text(report)
    return tmp_path


def test_iu_xray_asks_for_the_findings_of_the_first_picture_of_each_report(iu_xray):
    sets = [load_questions("iu-xray", split, data_dir=iu_xray) for split in ("train", "validation", "test")]
    questions = [question for asked in sets for question in asked.questions]
    assert sorted(int(q.id.partition("/")[2]) for q in questions) == list(range(2, 40))
    assert {q.answer for q in questions} == {"The heart is normal in size. The lungs are clear."}
    assert sorted(note for asked in sets for note in asked.notes if note.startswith("left out")) == [
        "left out 1: findings of fewer than 8 words",
        "left out 1: no picture",
    ]
    first = sets[0].questions[0]
    assert first.images == (f"NLMCXR_png/CXR{first.id.partition('/')[2]}_1_IM-1.png",)
    assert sets[0].open_image(first.images[0]).size == (64, 48)
    assert not sets[0].publishable


def test_a_report_that_is_no_xml_is_refused_by_name(iu_xray):
    for number in range(40):
        (iu_xray / f"ecgen-radiology/{number}.xml").write_text("<eCitation>")
    with pytest.raises(BadRecord, match=r"ecgen-radiology/\d+\.xml is no XML"):
        load_questions("iu-xray", "train", data_dir=iu_xray)


@pytest.fixture
def path_vqa(tmp_path, draw):
    """Two questions of the validation split."""
    rows = [
        {"image": "val_0001", "question": "Where are the cells?", "answer": "in the wall"},
        {"image": "val_0001", "question": "is this benign?", "answer": "no"},
    ]
    path = tmp_path / "qas/val/val_qa.pkl"
    path.parent.mkdir(parents=True)
    path.write_bytes(pickle.dumps(rows))
    draw(tmp_path / "images/val/val_0001.jpg", 1)
    return tmp_path


def test_path_vqa_tells_yes_no_questions_from_open_ones(path_vqa):
    asked = load_questions("path-vqa", "validation", data_dir=path_vqa)
    found = [(q.id, q.answer, q.answer_type, q.question_type) for q in asked.questions]
    assert found == [
        ("path-vqa/val-0", "in the wall", "open", "where"),
        ("path-vqa/val-1", "No", "closed", "yes/no"),
    ]
    assert asked.open_image(asked.questions[0].images[0]).size == (64, 48)
    assert not asked.publishable


def test_a_pickle_that_names_code_is_refused_and_does_not_run_it(path_vqa):
    class Attack:
        def __reduce__(self):
            return (path_vqa.joinpath("ran").touch, ())

    (path_vqa / "qas/val/val_qa.pkl").write_bytes(pickle.dumps([Attack()]))
    with pytest.raises(BadRecord, match="no pickle of plain data"):
        load_questions("path-vqa", "validation", data_dir=path_vqa)
    assert not (path_vqa / "ran").exists()


def test_a_missing_split_file_is_named_with_the_layout(path_vqa):
    with pytest.raises(BadInput, match=r"qas/train/train_qa\.pkl") as error:
        load_questions("path-vqa", "train", data_dir=path_vqa)
    assert "images/{train,val,test}/" in error.value.hint
