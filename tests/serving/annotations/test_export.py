"""What leaves a list: files that other verbs read, the same bytes each time, and nobody's name."""

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import update

from serving.annotations.desk import Desk
from serving.annotations.export import KINDS, Kind, dataset_files, export, pair_files, write_files
from serving.annotations.records import WorkList
from serving.annotations.results import ratings_of
from serving.annotations.schema import cases
from tests.serving.annotations._rated_list import rate, rated_list, sha
from zoo.datasets import load_questions
from zoo.errors import BadInput, UnknownName
from zoo.evaluation.pictures import pixels_digest
from zoo.evaluation.rated import shares
from zoo.images import decode
from zoo.records import Prediction, PreferencePair, Question, Rating, parse_line, read_jsonl

CLEAR = {"good": ("none", 1), "base": ("minor", 2), "bad": ("severe", 3)}
UNSURE = {"good": ("none", 1), "base": ("cannot judge", None), "bad": ("minor", 2)}
THREE = ((CLEAR, CLEAR), (CLEAR, UNSURE), ({}, {}))
"""What two raters say of three cases, of which nobody is done with the last."""
Made = tuple[Desk, WorkList]
Make = Callable[..., Made]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """The list of `THREE`, for tests that only read it."""
    desk, made = rated_list(tmp_path_factory.mktemp("three") / "ratings.db", THREE)
    yield desk, made
    desk.close()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """`make(said=THREE, **more)`: see `rated_list`."""
    opened: list[Desk] = []

    def call(said: Any = THREE, **more: Any) -> Made:
        desk, made = rated_list(tmp_path / "ratings.db", said, **more)
        opened.append(desk)
        return desk, made

    yield call
    for desk in opened:
        desk.close()


def unpacked(data: bytes, folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(folder)
    return folder


def test_records_come_back_as_they_were_rated_without_what_raters_wrote(three: Made, tmp_path: Path) -> None:
    desk, made = three
    path = tmp_path / "ratings.jsonl"
    path.write_bytes(export(desk, made.id, "ratings.jsonl"))
    ratings = ratings_of(desk, made.id)
    assert len(ratings) == 2 * 3 + 2 * 3
    assert all(one.comment for one in ratings)
    assert read_jsonl(path, Rating) == [Rating(**{**vars(one), "comment": ""}) for one in ratings]
    path.write_bytes(export(desk, made.id, "ratings.jsonl", comments=True))
    assert read_jsonl(path, Rating) == ratings


def test_a_table_holds_each_rating_and_runs_no_formula(three: Made) -> None:
    desk, made = three
    text = export(desk, made.id, "ratings.csv").decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 12
    assert "comment" not in rows[0]
    severe = next(row for row in rows if row["misunderstanding"] == "severe")
    assert (severe["adapter"], severe["error_types"], severe["rank"]) == ("bad", "MM AM", "3")
    unsure = [row for row in rows if row["misunderstanding"] == "cannot judge"]
    assert [(row["adapter"], row["rank"]) for row in unsure] == [("base", "")]
    written = export(desk, made.id, "ratings.csv", comments=True).decode("utf-8-sig")
    assert {row["comment"] for row in csv.DictReader(io.StringIO(written))} == {
        "'=planted comment of anna.planted",
        "'=planted comment of ben.planted",
    }


def test_a_data_set_holds_what_was_rated_and_no_picture_unless_they_are_asked_for(
    three: Made, tmp_path: Path
) -> None:
    desk, made = three
    folder = unpacked(export(desk, made.id, "dataset.zip"), tmp_path / "a")
    names = {"README.md", "ratings.json", "ratings.jsonl", "predictions.jsonl", "questions.jsonl"}
    assert {path.name for path in folder.iterdir()} == names
    ratings = read_jsonl(folder / "ratings.jsonl", Rating)
    predictions = read_jsonl(folder / "predictions.jsonl", Prediction)
    questions = read_jsonl(folder / "questions.jsonl", Question)
    assert [q.id for q in questions] == [case.question_id for case in desk.lists.cases(made.id)[:2]]
    answers = {(p.question_id, p.adapter, p.answer_sha256) for p in predictions}
    assert {(r.question_id, r.adapter, r.answer_sha256) for r in ratings} == answers
    assert {len(r.made_at) for r in ratings} == {len("2026-01-31")}
    shown = unpacked(export(desk, made.id, "dataset.zip", images=True), tmp_path / "b")
    asked = load_questions("phantom", "train", limit=3)
    for question, prediction in zip(questions, predictions[::3], strict=True):
        picture = Image.open(shown / question.images[0])
        own = next(one for one in asked.questions if one.id == question.id)
        assert question.options == prediction.options == own.options
        png = io.BytesIO()
        asked.open_image(own.images[0]).save(png, format="PNG")
        assert pixels_digest(picture) == pixels_digest(decode(png.getvalue())) == prediction.shown_digests[0]


def test_the_card_says_who_rated_what_and_how_far_they_agree(three: Made) -> None:
    desk, made = three
    card = dataset_files(desk, made.id, title="ward/ratings")["README.md"].decode()
    for words in (
        "# ward/ratings\n",
        "12 ratings by 2 raters of 6 answers to 2 medical visual questions (phantom)",
        "Each case was given to 2 raters.",
        '"cannot judge" (1 of 12 here)',
        "| misunderstanding | ",
        f"`{sha('good')[:16]}`",
        "No picture is here.",
        "never for diagnosis",
        "license: apache-2.0",
    ):
        assert words in card


def test_what_was_said_first_of_a_case_counts_in_a_data_set_too_though_it_tells_no_more_than_the_day(
    make: Make,
) -> None:
    """Anna rates the repeat before its first showing, both on one day."""
    words = {"base": "I cannot tell.", "good": "A mass.", "bad": "A cyst."}
    desk, made = make([({}, {}), ({}, {})], answers=words)
    desk.database.write(lambda connection: connection.execute(update(cases).values(case_sha256=sha("case"))))
    shown, repeat = desk.lists.cases(made.id)
    anna = "anna.planted"
    rate(desk, repeat.id, anna, words, CLEAR)
    rate(desk, shown.id, anna, words, {**CLEAR, "good": ("severe", 1)})
    files = dataset_files(desk, made.id)
    ratings = [parse_line(line, Rating, where="") for line in files["ratings.jsonl"].splitlines()]
    assert [r.question_id for r in ratings] == [repeat.question_id] * 3 + [shown.question_id] * 3
    found = [shares(of)["good"]["severe"].value for of in (ratings, ratings_of(desk, made.id))]
    assert found == [0.0, 0.0]
    report = json.loads(files["ratings.json"])
    assert [report[name] for name in ("cases", "answers", "ratings", "again")] == [1, 3, 6, 3]
    told = {one["adapter"]: one["shares"] for one in report["adapters"]}
    assert told["good"]["severe"]["value"] == 0.0


def test_datasets_reads_each_table_by_the_cards_metadata(three: Made, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    desk, made = three
    folder, cache = tmp_path / "set", str(tmp_path / "cache")
    write_files(folder, dataset_files(desk, made.id))
    for name, kind in (("ratings", Rating), ("predictions", Prediction), ("questions", Question)):
        found = datasets.load_dataset(str(folder), name, split="train", cache_dir=cache)
        lines = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
        assert found.column_names == [one.name for one in fields(kind)]
        told = [row | ({"made_at": str(row["made_at"])} if "made_at" in row else {}) for row in found]
        assert told == lines


@pytest.mark.parametrize("kind", KINDS)
def test_no_export_names_a_rater_the_list_or_who_made_it_and_each_is_the_same_twice(
    three: Made, kind: Kind
) -> None:
    desk, made = three
    data = export(desk, made.id, kind)
    assert data == export(desk, made.id, kind)
    whole = data
    if kind.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            whole = b"".join(name.encode() + archive.read(name) for name in archive.namelist())
    assert b"planted" not in whole
    assert sha("planted").encode() not in whole
    assert all(one.pseudonym.encode() in whole for one in desk.accounts.all()) or kind == "pairs.zip"


def test_after_closing_ratings_are_left_and_what_they_showed_is_not(make: Make) -> None:
    desk, made = make()
    asked = load_questions("phantom", "train", limit=3)
    before = export(desk, made.id, "ratings.csv")
    desk.lists.close(made.id)
    assert export(desk, made.id, "ratings.csv") == before
    files = dataset_files(desk, made.id)
    assert set(files) == {"README.md", "ratings.json", "ratings.jsonl"}
    whole = b"".join(files.values())
    assert not any(question.prompt.encode() in whole for question in asked.questions)
    with pytest.raises(BadInput, match=r"the pictures of .* were erased"):
        dataset_files(desk, made.id, images=True)
    with pytest.raises(BadInput, match=r"the answers of .* were erased"):
        pair_files(desk, made.id)


def test_a_list_that_is_kept_gives_its_pairs_after_closing(make: Make) -> None:
    desk, made = make(keep=True)
    desk.lists.close(made.id)
    assert pair_files(desk, made.id)["pairs.jsonl"]


def test_pairs_are_a_data_set_with_the_terms_of_what_was_rated(three: Made, tmp_path: Path) -> None:
    desk, made = three
    folder = unpacked(export(desk, made.id, "pairs.zip"), tmp_path / "pairs")
    pairs = read_jsonl(folder / "pairs.jsonl", PreferencePair)
    found = load_questions("rated", "train", data_dir=folder)
    assert [q.id for q in found.questions] == [p.id for p in pairs]
    assert [q.answer for q in found.questions] == [p.chosen for p in pairs]
    assert {key: (one.rejected, one.weight) for key, one in found.given.items()} == {
        p.id: (p.rejected, p.weight) for p in pairs
    }
    assert found.open_image(found.questions[0].images[0]).size
    # the second case: of `base` one rater cannot judge, so the other alone ranks it against the rest
    assert [p.weight for p in pairs] == [0.5, 1.0, 1.0, 0.5, 0.75, 0.75]
    assert (found.license, found.publishable, found.restricted) == ("apache-2.0", True, False)


def test_pairs_of_a_data_set_that_nobody_knows_stay_here(make: Make, tmp_path: Path) -> None:
    desk, made = make(dataset="ward")
    folder = unpacked(export(desk, made.id, "pairs.zip"), tmp_path / "pairs")
    found = load_questions("rated", "train", data_dir=folder)
    assert (found.license, found.publishable, found.restricted) == ("apache-2.0 and unknown", False, True)
    (folder / "rated.json").unlink()
    found = load_questions("rated", "train", data_dir=folder)
    assert (found.license, found.publishable, found.restricted) == ("unknown", False, True)
    (folder / "rated.json").write_text('{"restricted": "perhaps"}')
    with pytest.raises(BadInput, match="not the terms"):
        load_questions("rated", "train", data_dir=folder)


def test_what_made_no_pair_is_told_when_the_pairs_are_read(make: Make, tmp_path: Path) -> None:
    turned = {"good": ("none", 2), "base": ("minor", 1), "bad": ("severe", 3)}
    desk, made = make([[CLEAR, turned]])
    folder = unpacked(export(desk, made.id, "pairs.zip"), tmp_path / "pairs")
    assert load_questions("rated", "train", data_dir=folder).notes == ("1 made no pair: raters are split",)
    assert json.loads((folder / "rated.json").read_text())["left_out"] == {"raters are split": 1}


def test_a_list_that_is_not_there_or_that_nobody_has_rated_is_refused(make: Make) -> None:
    desk, made = make([[{}, {}]])
    for kind in ("dataset.zip", "pairs.zip"):
        with pytest.raises(BadInput, match="nobody is done"):
            export(desk, made.id, kind)  # type: ignore[arg-type]
    for kind in KINDS:
        with pytest.raises(UnknownName):
            export(desk, "nothing", kind)


def test_one_mind_on_all_answers_makes_no_pair_and_says_why(make: Make) -> None:
    tied = {"good": ("none", 1), "base": ("none", 1), "bad": ("none", 1)}
    desk, made = make([[tied, tied]])
    with pytest.raises(BadInput, match=r"make no pair \(3: tied by every rater\)"):
        pair_files(desk, made.id)
