"""A data set from its Hub repo, and from nowhere."""

import dataclasses
import io
import json
import zipfile

import numpy as np
import pytest
from huggingface_hub import HfApi
from PIL import Image

import zoo.datasets
from zoo.datasets import HubSource, datasets, load_questions
from zoo.errors import BadInput, NotOnHub


def test_a_data_set_that_cannot_be_fetched_asks_for_its_folder():
    with pytest.raises(BadInput, match="mimic-cxr cannot be fetched") as error:
        load_questions("mimic-cxr", "train")
    assert "--data-dir FOLDER, which holds mimic-cxr-2.0.0-split.csv.gz" in error.value.hint


def test_only_data_that_may_be_passed_on_is_fetched():
    sources = {name for name, one in datasets().items() if one.source}
    assert sources
    assert all(datasets()[name].publishable and not datasets()[name].restricted for name in sources)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(BadInput, match="no such folder"):
        load_questions("slake", "train", data_dir=tmp_path / "nowhere")


def test_the_phantom_takes_no_folder(tmp_path):
    with pytest.raises(BadInput, match="phantom needs no folder"):
        load_questions("phantom", "test", data_dir=tmp_path)


@pytest.fixture
def slake_on_hub(hub, monkeypatch):
    """SLAKE's declaration, pointed at a made-up repo of the local Hub: three questions, pictures in a zip."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        for number in range(3):
            pixels = np.random.default_rng(number).integers(0, 255, (32, 32), dtype=np.uint8)
            picture = io.BytesIO()
            Image.fromarray(pixels).save(picture, format="JPEG")
            out.writestr(f"imgs/xmlab{number}/source.jpg", picture.getvalue())
    rows = [
        {
            "qid": number, "img_name": f"xmlab{number}/source.jpg", "question": "Is it?", "answer": "Yes",
            "q_lang": "en", "answer_type": "CLOSED", "content_type": "Organ",
        }
        for number in range(3)
    ]  # fmt: skip
    api = HfApi(endpoint=hub, token="local")
    api.create_repo("someone/slake", repo_type="dataset")
    files = {"imgs.zip": archive.getvalue()}
    files |= {
        f"{name}.json": json.dumps([row]).encode()
        for name, row in zip(("train", "validation", "test"), rows, strict=True)
    }
    for name, content in files.items():
        done = api.upload_file(
            path_or_fileobj=content, path_in_repo=name, repo_id="someone/slake", repo_type="dataset"
        )
    monkeypatch.setenv("HF_ENDPOINT", hub)
    known = dict(datasets())
    known["slake"] = dataclasses.replace(known["slake"], source=HubSource("someone/slake", done.oid))
    monkeypatch.setattr(zoo.datasets, "datasets", lambda: known)
    return done.oid


def test_a_data_set_is_fetched_at_its_commit_with_its_archives_unpacked(slake_on_hub, monkeypatch):
    asked = load_questions("slake", "official-test")
    assert [q.id for q in asked.questions] == ["slake/2"]
    assert asked.open_image("imgs/xmlab2/source.jpg").size == (32, 32)
    monkeypatch.setattr("zoo.hub_access.HfApi", None)  # a second time no Hub is asked
    assert load_questions("slake", "official-test").questions == asked.questions


def test_a_commit_that_the_hub_does_not_have_is_named(slake_on_hub, monkeypatch):
    known = dict(zoo.datasets.datasets())
    known["slake"] = dataclasses.replace(known["slake"], source=HubSource("someone/slake", "0" * 40))
    monkeypatch.setattr(zoo.datasets, "datasets", lambda: known)
    with pytest.raises(NotOnHub, match="someone/slake@0000") as error:
        load_questions("slake", "train")
    assert "--data-dir FOLDER" in error.value.hint


@pytest.fixture
def vqa_rad_on_hub(hub, monkeypatch, tmp_path):
    """VQA-RAD's declaration, pointed at made-up parquet files: 12 pictures, two in both splits."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    import pyarrow

    def row(number, answer):
        pixels = np.random.default_rng(number).integers(0, 255, (32, 32), dtype=np.uint8)
        picture = io.BytesIO()
        Image.fromarray(pixels).save(picture, format="JPEG")
        return {"image": {"bytes": picture.getvalue(), "path": None}, "question": "Is it?", "answer": answer}

    monkeypatch.setenv("HF_ENDPOINT", hub)
    api = HfApi(endpoint=hub, token="local")
    api.create_repo("someone/vqa-rad", repo_type="dataset")
    splits = {
        "train": [row(n, "yes") for n in range(10)],
        "test": [row(n, "liver") for n in (0, 1, 10, 11)],
    }
    for split, rows in splits.items():
        parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "table.parquet")
        done = api.upload_file(
            path_or_fileobj=tmp_path / "table.parquet",
            path_in_repo=f"data/{split}-00000-of-00001.parquet",
            repo_id="someone/vqa-rad",
            repo_type="dataset",
        )
    known = dict(datasets())
    known["vqa-rad"] = dataclasses.replace(known["vqa-rad"], source=HubSource("someone/vqa-rad", done.oid))
    monkeypatch.setattr(zoo.datasets, "datasets", lambda: known)


def test_parquet_files_become_records_with_their_official_splits_and_their_leak(vqa_rad_on_hub):
    asked = load_questions("vqa-rad", "official-test")
    found = [(q.id, q.answer, q.answer_type) for q in asked.questions]
    assert found == [(f"vqa-rad/test-{number}", "liver", "open") for number in range(4)]
    assert asked.open_image(asked.questions[0].images[0]).size == (32, 32)
    assert asked.notes == (
        "split as the rows say",
        "leak: 2 of the 4 pictures of official-test are in official-train too, "
        "0 more have a near duplicate there",
    )


def test_parquet_files_split_anew_share_no_picture(vqa_rad_on_hub):
    place = {}
    for split in ("train", "validation", "test"):
        try:
            questions = load_questions("vqa-rad", split).questions
        except BadInput:
            continue  # so few pictures may leave a split empty
        for question in questions:
            assert place.setdefault(question.images[0], split) == split
    assert len(place) == 12
