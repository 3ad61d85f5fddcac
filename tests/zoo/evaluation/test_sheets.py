"""Rating offline: the sheet hides the adapters, the key brings them back, and nothing is guessed."""

import csv
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.zoo.evaluation.judging._answers import answer
from zoo.cli.agreement import agreement
from zoo.cli.judge import judge
from zoo.cli.rate import rate
from zoo.errors import BadInput, BadRecord
from zoo.evaluation.sheets import read_sheet, write_sheet
from zoo.records import Prediction, Verdict, read_jsonl, to_line, write_jsonl

ADAPTERS = ("base", "sft", "mdpo")


def answers(questions: int = 8) -> list[Prediction]:
    """Each adapter's answer to each question; base and SFT say the same to every other one."""
    return [
        answer(
            f"{adapter if n % 2 or adapter == 'mdpo' else 'both'} says {n}",
            question_id=f"q/{n}",
            adapter=adapter,
        )
        for n in range(questions)
        for adapter in ADAPTERS
    ]


def cells(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def fill(path: Path, to: Path, ratings: dict[int, tuple[str, str]], *, delimiter: str = ",") -> Path:
    """The sheet with ratings in some of its rows, as a spreadsheet saves it."""
    rows = cells(path)
    for row in rows:
        row["misunderstanding"], row["error types"] = ratings.get(int(row["row"]), ("", ""))
    with to.open("w", encoding="utf-8-sig", newline="") as file:
        sheet = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        sheet.writeheader()
        sheet.writerows(reversed(rows))  # sorted by the rater
    return to


def test_a_sheet_names_no_adapter_and_its_key_no_text(tmp_path: Path) -> None:
    out = tmp_path / "sheet.csv"
    quoted = [answer("=1+1", question_id="q", adapter=name, prompt="Wo? — \n„Hier“") for name in ADAPTERS]
    assert write_sheet(out, [*answers(), *quoted], questions=None, seed=0) == 4 * 3 + 4 * 2 + 1
    rows = cells(out)
    assert {row["question"] for row in rows} == {"Where is it?", "Wo? — \n„Hier“"}
    assert [row["answer"] for row in rows if row["question"] != "Where is it?"] == ["'=1+1"]  # no formula
    assert "adapter" not in " ".join(rows[0])
    key = (tmp_path / "sheet.csv.key.json").read_text()
    assert "says" not in key
    assert "left lung" not in key


def test_letters_are_drawn_anew_for_each_question_and_the_seed_decides(tmp_path: Path) -> None:
    def first_adapters(seed: int) -> list[tuple[str, list[str]]]:
        write_sheet(tmp_path / "s.csv", answers(40), questions=20, seed=seed)
        rows = json.loads((tmp_path / "s.csv.key.json").read_text())["rows"]
        return [(row["question_id"], row["adapters"]) for row in rows if row["letter"] == "A"]

    found = first_adapters(1)
    assert len(found) == 20
    assert [question for question, _ in found] != sorted(question for question, _ in found)
    assert {tuple(adapters) for _, adapters in found} == {("base",), ("sft",), ("mdpo",), ("base", "sft")}
    assert first_adapters(1) == found
    assert first_adapters(2) != found


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_filled_sheet_gives_each_adapter_its_ratings(tmp_path: Path, delimiter: str) -> None:
    out = tmp_path / "sheet.csv"
    write_sheet(out, answers(2), questions=None, seed=0)
    filled = fill(
        out,
        tmp_path / "anna.csv",
        dict.fromkeys(range(1, 5), (" Minor", "slc, mm")),  # the fifth row is left empty
        delimiter=delimiter,
    )
    found = read_sheet(filled, tmp_path / "sheet.csv.key.json")
    given = {p.adapter + p.question_id: p.answer for p in answers(2)}
    rated = {r.adapter + r.question_id for r in found}
    assert len(rated) == len(found) < 6
    key = json.loads((tmp_path / "sheet.csv.key.json").read_text())["rows"]
    assert rated == {a + row["question_id"] for row in key[:4] for a in row["adapters"]}
    assert {(r.rater, r.misunderstanding, r.error_types) for r in found} == {("anna", "minor", ("MM", "SLC"))}
    for r in found:
        said = given[r.adapter + r.question_id]
        assert r.answer_sha256 == hashlib.sha256(said.encode()).hexdigest()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"misunderstanding": "some"}, r"row 1: misunderstanding is 'some'\n  next: one of none, minor"),
        ({"misunderstanding": "", "error types": "MM"}, "row 1: misunderstanding is ''"),
        ({"error types": "MX"}, "row 1: 'MX' is no error type"),
        ({"letter": "Z"}, "row 1, letter Z is not in"),
        ({"row": "99"}, "row 99, letter . is not in"),
    ],
)
def test_a_cell_that_is_no_rating_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    out = tmp_path / "sheet.csv"
    write_sheet(out, answers(1), questions=None, seed=0)
    rows = cells(out)
    rows[0] |= {"misunderstanding": "none"} | change
    with out.open("w", newline="") as file:
        sheet = csv.DictWriter(file, list(rows[0]))
        sheet.writeheader()
        sheet.writerows(rows)
    with pytest.raises(BadRecord, match=message):
        read_sheet(out, tmp_path / "sheet.csv.key.json")


def test_a_sheet_without_its_columns_or_in_another_encoding_is_refused(tmp_path: Path) -> None:
    write_sheet(tmp_path / "s.csv", answers(1), questions=None, seed=0)
    key, other = tmp_path / "s.csv.key.json", tmp_path / "other.csv"
    other.write_text("row,letter\n1,A\n")
    with pytest.raises(BadRecord, match="no column 'misunderstanding'"):
        read_sheet(other, key)
    other.write_bytes("row,letter,misunderstanding,error types\n1,ä,,\n".encode("cp1252"))
    with pytest.raises(BadRecord, match="not in UTF-8"):
        read_sheet(other, key)
    with pytest.raises(BadRecord, match="is no key of a sheet"):
        read_sheet(other, other)


def run(command: Any, *words: object) -> str:
    """What the verb prints; errors come through."""
    return CliRunner().invoke(command, [str(word) for word in words], catch_exceptions=False).stdout


def test_from_predictions_to_agreement_by_the_verbs(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "predictions.jsonl", answers())
    out = tmp_path / "ratings.csv"
    said = run(rate, tmp_path / "predictions.jsonl", "--out", out, "--questions", 4)
    key = tmp_path / "ratings.csv.key.json"
    rows = len(cells(out))
    assert said == (
        f"{rows} answers to rate in {out}\nkey, not for the raters: {key}\n"
        f"  next: medzoo agreement ANNA.csv BEN.csv --key {key}\n"
    )
    with pytest.raises(BadInput, match="may hold ratings"):
        run(rate, tmp_path / "predictions.jsonl", "--out", out)
    anna = fill(
        out, tmp_path / "anna.csv", {n: (("none", ""), ("severe", "AM"))[n % 2] for n in range(1, rows + 1)}
    )
    ben = fill(
        out, tmp_path / "ben.csv", {n: (("none", ""), ("minor", "AM"))[n % 2] for n in range(1, rows + 1)}
    )
    found = run(agreement, anna, ben, "--key", key)
    assert "misunderstanding: 2 raters\n" in found
    assert f"  anna  |  ben\n    same label   {rows // 2 / rows:.3f} [" in found
    assert "AM: 2 raters\n  alpha (nominal) 1.000 [1.000, 1.000]" in found
    assert "MM: 2 raters\n  alpha (nominal) not defined" in found
    assert "% of answers" in found
    with pytest.raises(BadInput, match=r"--key OUT\.key\.json"):
        run(agreement, anna)

    ratings = [*read_sheet(anna, key), *read_sheet(ben, key)]
    (tmp_path / "ratings.jsonl").write_text("".join(map(to_line, ratings)))
    assert run(agreement, tmp_path / "ratings.jsonl") == found
    assert "preferred" not in found  # a sheet has no ranks
    write_jsonl(tmp_path / "ranked.jsonl", [replace(r, rank=1 + (r.adapter == "base")) for r in ratings])
    found = run(agreement, tmp_path / "ranked.jsonl")
    assert "preferred to base, %" in found
    assert re.search(r"^mdpo +above in all 4 *$", found, re.MULTILINE)
    assert "over 4 cases of unknown pictures, whose questions" in found
    assert "Only 4 of them were ranked: intervals of fewer than 20 are too narrow." in found
    of_sft = [replace(r, rank=1 + (r.adapter == "base"), variant=r.adapter) for r in ratings]
    write_jsonl(tmp_path / "of_sft.jsonl", of_sft)
    both = run(agreement, tmp_path / "of_sft.jsonl")
    assert re.findall("^preferred to (.*), %", both, re.MULTILINE) == ["base", "sft"]
    assert re.findall("^preferred to (.*), %", found, re.MULTILINE) == ["base"], "no variant is told"
    of_each = both.partition("preferred to sft, %")[2]
    assert re.search(r"^base +below in all 4 *$", of_each, re.MULTILINE)
    assert re.search(r"^mdpo +50\.0 \[", of_each, re.MULTILINE)
    found = run(agreement, tmp_path / "ranked.jsonl", "--layout", "kim")
    assert found.startswith("Kim et al. 2026, table 4: ")
    assert "kappa" not in found
    mixed = [replace(r, modality="CT" if r.rater == "anna" else "MR") for r in ratings]
    write_jsonl(tmp_path / "mixed.jsonl", mixed)
    found = run(agreement, tmp_path / "mixed.jsonl", "--modality", "CT")
    assert found.startswith("misunderstanding: anna alone\n")
    with pytest.raises(BadInput, match="modalities here: CT, MR"):
        run(agreement, tmp_path / "mixed.jsonl", "--modality", "US")


def test_a_rater_who_cannot_judge_says_so_in_the_sheet(tmp_path: Path) -> None:
    out = tmp_path / "sheet.csv"
    write_sheet(out, answers(1), questions=None, seed=0)
    filled = fill(out, tmp_path / "anna.csv", {1: ("Cannot judge", "")})
    found = read_sheet(filled, tmp_path / "sheet.csv.key.json")
    assert {r.misunderstanding for r in found} == {None}


def test_judges_in_two_files_are_compared_and_one_alone_is_not(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "predictions.jsonl", answers())
    run(judge, tmp_path / "predictions.jsonl", "--task", "correct", "--out", tmp_path / "one.jsonl")
    with pytest.raises(BadInput, match="one judge alone"):
        run(agreement, tmp_path / "one.jsonl")
    verdicts = read_jsonl(tmp_path / "one.jsonl", Verdict)
    write_jsonl(tmp_path / "two.jsonl", [replace(v, judge="m correct@1", reply="true") for v in verdicts])
    found = run(agreement, tmp_path / "one.jsonl", tmp_path / "two.jsonl")
    assert found.startswith("correct: 2 raters\n")
    assert "rules correct@1  |  m correct@1\n    same label   0.000 [0.000, 0.000] (n 20)" in found
