"""`medzoo ratings` on a database: lists, files, folders that other verbs take, a data set on a Hub."""

import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from huggingface_hub import HfApi

from serving.annotations import export
from serving.annotations.desk import Desk
from serving.annotations.records import NewCase
from serving.cli.ratings import KINDS, ratings
from tests.serving.annotations._rated_list import RATERS, rate, rated_list
from zoo.cli.agreement import agreement
from zoo.cli.score import score
from zoo.errors import BadInput, UnknownName
from zoo.records import Rating, read_jsonl

ONE = {"good": ("none", 1), "base": ("minor", 2), "bad": ("severe", 3)}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A database, and the id of the list in it."""
    path = tmp_path_factory.mktemp("desk") / "ratings.db"
    desk, found = rated_list(path, [(ONE, ONE), (ONE, {}), ({}, {})])
    desk.close()
    return path, found.id


def run(*words: object) -> Result:
    return CliRunner().invoke(ratings, [str(word) for word in words])


def test_the_kinds_that_the_verb_offers_are_those_that_there_are() -> None:
    assert KINDS == export.KINDS


def test_lists_are_told_with_how_much_is_rated(
    made: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDZOO_ANNOTATIONS", str(made[0]))
    assert run("ls").output == f"{made[1]}\topen\t3/6\tA planted title\n"


def test_each_kind_becomes_a_file_and_an_act(made: tuple[Path, str], tmp_path: Path) -> None:
    where, work_list = made
    for kind in KINDS:
        out = tmp_path / kind
        done = run("export", work_list, "--kind", kind, "--out", out, "--annotations", where)
        assert done.exit_code == 0, done.output
        assert done.output.startswith(f"wrote {out}\n")
        assert out.stat().st_size > 100
        assert zipfile.is_zipfile(out) == kind.endswith(".zip")
    desk = Desk(str(where))
    acts = [(one.who, one.act, one.what) for one in desk.acts.all()]
    desk.close()
    assert acts == [("command line", f"exported {kind}", work_list) for kind in KINDS]


def test_ratings_are_taken_out_of_several_lists_and_all_else_of_one(tmp_path: Path) -> None:
    where, out = tmp_path / "ratings.db", tmp_path / "ratings.jsonl"
    desk, first = rated_list(where, [(ONE, ONE)])
    (case,) = desk.lists.cases(first.id)
    new = NewCase(question_id="1", dataset="own", split="rated", prompt="?", pictures=(), case_sha256="c")
    said = [desk.lists.answers(case.id)[:1]]
    second = desk.lists.add(
        "Head", [new], adapters=("base",), raters=RATERS[:1], overlap=1, made_by="chief", said=said
    )
    (other,) = desk.lists.cases(second.id)
    rate(desk, other.id, RATERS[0], {"base": "I cannot tell."}, {"base": ("minor", None)})
    both = (first.id, second.id, "--annotations", where)
    done = run("export", *both, "--kind", "ratings.jsonl", "--out", out)
    assert done.exit_code == 0, done.output
    assert [r.dataset for r in read_jsonl(out, Rating)] == ["phantom"] * 6 + ["own"]
    assert [one.what for one in desk.acts.all()] == [first.id, second.id]
    desk.close()
    refused = run("export", *both, "--kind", "pairs.zip", "--out", tmp_path / "pairs.zip")
    assert "pairs.zip is of one list, and 2 are named" in str(refused.exception)


def test_the_other_verbs_take_what_came_out(made: tuple[Path, str], tmp_path: Path) -> None:
    where, work_list = made
    folder = tmp_path / "set"
    done = run(
        "export", work_list, "--kind", "dataset.zip", "--out", folder, "--images", "--annotations", where
    )
    assert done.exit_code == 0, done.output
    assert len(list((folder / "images").iterdir())) == 2, "the flag is the operator's permission"
    told = CliRunner().invoke(agreement, [str(folder / "ratings.jsonl")])
    assert told.exit_code == 0, told.output
    assert "misunderstanding: 2 raters" in told.output
    scored = CliRunner().invoke(score, [str(folder / "predictions.jsonl")])
    assert scored.exit_code == 0, scored.output
    assert all(name in scored.output for name in ("base", "good", "bad"))


def test_pairs_in_a_folder_come_with_the_command_that_trains_on_them(
    made: tuple[Path, str], tmp_path: Path
) -> None:
    where, work_list = made
    out = tmp_path / "pairs"
    words = ("--reference", "--weights", "0,0.5,1", "--annotations", where)
    done = run("export", work_list, "--kind", "pairs.zip", "--out", out, *words)
    assert f"medzoo train rated_dpo --dataset rated --data-dir {out} --out adapter" in done.output
    assert json.loads((out / "rated.json").read_text())["weights"] == {"none": 0, "minor": 0.5, "severe": 1}


def test_a_list_is_published(made: tuple[Path, str], hub: str) -> None:
    done = run("publish", made[1], "ward/ratings", "--hub", hub, "--annotations", made[0])
    assert done.exit_code == 0, done.output
    told = HfApi(endpoint=hub, token="local").dataset_info("ward/ratings")
    assert told.private is True
    assert done.output.startswith(f"published ward/ratings@{told.sha}\n")


def test_wrong_words_are_refused_before_anything_is_made(made: tuple[Path, str], tmp_path: Path) -> None:
    where, work_list = made
    out = tmp_path / "pairs.zip"
    to = ("--kind", "pairs.zip", "--out", out)
    assert isinstance(run("export", "other", *to, "--annotations", where).exception, UnknownName)
    refused = run("export", work_list, *to, "--annotations", tmp_path / "none.db").exception
    assert isinstance(refused, BadInput)
    assert "no such file" in refused.message
    assert not (tmp_path / "none.db").exists()
    wrong = run("export", work_list, *to, "--weights", "1,2", "--annotations", where).exception
    assert isinstance(wrong, BadInput)
    assert isinstance(run("ls").exception, BadInput)
    assert not out.exists()
