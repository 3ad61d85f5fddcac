"""LLaVA-Med's form to predictions and back; every row that cannot be read is named."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.zoo.evaluation._answers import answers
from zoo.cli.answers import answers as answers_verb
from zoo.errors import BadInput, BadRecord
from zoo.evaluation.foreign import Source, read_foreign, write_foreign
from zoo.evaluation.metrics.vqa import correct
from zoo.records import Prediction, read_jsonl, write_jsonl

SOURCE = Source(dataset="vqa-rad", split="test", base="unknown")
ROW: dict[str, Any] = {
    "question_id": 10,
    "prompt": "Is there a mass in the left kidney?",
    "text": "Yes, there is.",
    "answer_id": "Xy",
    "model_id": "their-model",
    "answer": "yes",
    "answer_type": "CLOSED ",
    "metadata": {},
}
OPEN = {**ROW, "question_id": 11, "prompt": "Which organ?", "text": "The liver", "answer": "liver"}
OPEN["answer_type"] = "open"


def written(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_row_becomes_a_prediction_with_all_that_scoring_needs(tmp_path: Path) -> None:
    found = read_foreign([written(tmp_path / "a.jsonl", ROW)], None, SOURCE)
    assert found == [
        Prediction(
            question_id="10",
            dataset="vqa-rad",
            split="test",
            images=("of-question/10",),
            prompt="Is there a mass in the left kidney?",
            truth="yes",
            answer_type="closed",
            question_type="closed",
            options=("Yes", "No"),
            error_types=("AM", "SLC"),
            base="unknown",
            adapter="their-model",
            variant="their-model",
            digest="",
            answer="Yes, there is.",
            tokens=0,
        )
    ]


@pytest.mark.parametrize(
    ("text", "truth", "right"),
    [
        ("A nodule. Yes.", "No", 0.0),
        ("no nodule", "No", 1.0),
        ("Left", "left", 1.0),
        ("the left", "left", 0.0),  # no options are known: the same words
    ],
)
def test_closed_answers_without_options_go_by_yes_and_no_or_the_same_words(
    tmp_path: Path, text: str, truth: str, right: float
) -> None:
    row = {**ROW, "text": text, "answer": truth}
    (found,) = read_foreign([written(tmp_path / "a.jsonl", row)], None, SOURCE)
    assert correct(found) == right


TRUTHS = {
    "conversation": [
        {
            "id": number,
            "image": f"scan-{number}.jpg",
            "conversations": [
                {"from": "human", "value": f"<image>\n{prompt}"},
                {"from": "gpt", "value": truth},
            ],
            "answer_type": kind,
        }
        for number, prompt, truth, kind in [(10, "A mass?", "Yes", "CLOSED"), (11, "Where?", "liver", "OPEN")]
    ],
    "question": [
        {
            "question_id": number,
            "image": f"scan-{number}.jpg",
            "text": f"{prompt}\n<image>",
            "gpt4_answer": truth,
            "answer_type": kind,
        }
        for number, prompt, truth, kind in [(10, "A mass?", "Yes", "CLOSED"), (11, "Where?", "liver", "OPEN")]
    ],
}


@pytest.mark.parametrize("form", TRUTHS)
@pytest.mark.parametrize("as_list", [True, False])
def test_what_the_rows_lack_comes_from_the_questions(tmp_path: Path, form: str, as_list: bool) -> None:
    questions = tmp_path / "questions"
    if as_list:
        questions.write_text(json.dumps(TRUTHS[form], indent=1))
    else:
        written(questions, *TRUTHS[form])
    rows = [{"question_id": n, "text": "yes", "model_id": "m"} for n in ("11", 10)]
    found = read_foreign([written(tmp_path / "a.jsonl", *rows)], questions, SOURCE)
    assert [(p.question_id, p.images, p.prompt, p.truth, p.answer_type, p.answer) for p in found] == [
        ("11", ("scan-11.jpg",), "Where?", "liver", "open", "yes"),
        ("10", ("scan-10.jpg",), "A mass?", "Yes", "closed", "yes"),
    ]


def test_every_row_that_cannot_be_read_is_named_with_its_line_and_reason(tmp_path: Path) -> None:
    rows = [
        ROW,
        {**ROW, "question_id": 2, "text": None},
        {**ROW, "question_id": 3, "answer": " "},
        {**ROW, "question_id": 4, "answer_type": "maybe"},
        {**ROW, "question_id": 5, "answer_type": None},
        {**ROW, "question_id": 6, "prompt": "<image>"},
        {**ROW, "question_id": 7, "answer": None},
        {**ROW, "question_id": 8, "image": "../scan.png"},
        {**ROW, "question_id": None},
        ROW,
        ["a"],
    ]
    path = written(tmp_path / "a.jsonl", *rows)
    path.write_text(path.read_text() + '{"question_id": 1')
    with pytest.raises(BadRecord) as refused:
        read_foreign([path], None, SOURCE)
    assert refused.value.message.splitlines() == [
        "11 rows cannot be read:",
        f"{path}:9: its question_id is None, not a number or text",
        f"{path}:10: the question_id 10 stands in {path}:1 already",
        f"{path}:11: a row is a JSON object, this is list",
        f"{path}:12: not JSON (Expecting ',' delimiter: line 1 column 18 (char 17))",
        f"{path}:2: its text is None, not a text",
        f"{path}:3: its answer is empty",
        f"{path}:4: 4: its answer type is 'maybe', not closed, open or report",
        f"{path}:5: its answer_type is stated nowhere: give the one of such rows with --answer-type",
        f"{path}:6: its prompt is empty",
        f"{path}:7: its answer is None, not a text",
        f"{path}:8: 8: its image '../scan.png' is not a name within the data set's folder",
    ]


def test_questions_and_answers_must_fit(tmp_path: Path) -> None:
    questions = written(tmp_path / "q.jsonl", *TRUTHS["question"])
    other = {**ROW, "answer": "No"}
    strange = {**ROW, "question_id": 12}
    with pytest.raises(BadRecord, match=r"a.jsonl:1: its answer is 'No', that of question 10 is 'Yes'"):
        read_foreign([written(tmp_path / "a.jsonl", other, OPEN)], questions, SOURCE)
    with pytest.raises(BadRecord, match=r"a.jsonl:2: no question has the id 12"):
        read_foreign([written(tmp_path / "a.jsonl", ROW, strange)], questions, SOURCE)
    with pytest.raises(BadInput, match="1 of the 2 questions have no answer, such as 11"):
        read_foreign([written(tmp_path / "a.jsonl", ROW)], questions, SOURCE)


def test_files_of_one_model_in_chunks_are_one_and_of_two_models_need_a_name(tmp_path: Path) -> None:
    chunks = [written(tmp_path / "0.jsonl", ROW), written(tmp_path / "1.jsonl", OPEN)]
    assert [p.question_id for p in read_foreign(chunks, None, SOURCE)] == ["10", "11"]
    chunks[1] = written(tmp_path / "1.jsonl", {**OPEN, "model_id": "another"})
    with pytest.raises(BadInput, match="the rows' model_id is another, their-model"):
        read_foreign(chunks, None, SOURCE)
    named = replace(SOURCE, adapter="me/sft", variant="sft")
    assert {(p.adapter, p.variant) for p in read_foreign(chunks, None, named)} == {("me/sft", "sft")}
    with pytest.raises(BadInput, match="the rows' model_id is none"):
        read_foreign([written(tmp_path / "2.jsonl", {**ROW, "model_id": ""})], None, SOURCE)
    with pytest.raises(BadInput, match="there are no answers"):
        read_foreign([written(tmp_path / "3.jsonl")], None, named)


def test_rows_without_a_type_take_the_one_that_was_named(tmp_path: Path) -> None:
    row = {key: value for key, value in ROW.items() if key != "answer_type"}
    path = written(tmp_path / "a.jsonl", row, {**OPEN, "answer_type": " Open"})
    found = read_foreign([path], None, replace(SOURCE, answer_type="report"))
    assert [p.answer_type for p in found] == ["report", "open"]


def test_there_and_back_keeps_what_their_form_holds(tmp_path: Path) -> None:
    found = read_foreign([written(tmp_path / "a.jsonl", ROW, OPEN)], None, SOURCE)
    write_foreign(tmp_path / "back.jsonl", found)
    back = [json.loads(line) for line in (tmp_path / "back.jsonl").read_text().splitlines()]
    assert back[0] == {
        "question_id": "10",
        "prompt": "Is there a mass in the left kidney?",
        "text": "Yes, there is.",
        "answer": "yes",
        "answer_type": "CLOSED",
        "model_id": "their-model",
        "metadata": {},
    }
    assert read_foreign([tmp_path / "back.jsonl"], None, SOURCE) == found


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(answers_verb, list(map(str, arguments)), catch_exceptions=False)


def test_the_verb_converts_there_and_back_and_says_what_it_does_not_know(tmp_path: Path) -> None:
    path, out, back = (tmp_path / name for name in ("a.jsonl", "predictions.jsonl", "back.jsonl"))
    written(path, ROW, OPEN)
    done = run(path, "--dataset", "vqa-rad", "--adapter", "base", "--out", out)
    assert done.stdout == f"2 answers of base to {out}; next: medzoo score {out}\n"
    assert done.stderr == "Without --questions the pictures are not known: intervals may be too narrow.\n"
    assert [p.variant for p in read_jsonl(out, Prediction)] == ["base", "base"]
    assert run(out, "--back", "--out", back).stdout == f"2 answers of base to {back}\n"
    assert len(back.read_text().splitlines()) == 2


def test_back_go_the_answers_to_one_benchmarks_own_pictures_alone(tmp_path: Path) -> None:
    own, back = answers("mdpo", "10"), tmp_path / "back.jsonl"
    blind, elsewhere = answers("mdpo", "00", shown="noise"), answers("mdpo", "1", dataset="slake")
    write_jsonl(tmp_path / "one.jsonl", [*own, *blind])
    done = run(tmp_path / "one.jsonl", tmp_path / "one.jsonl", "--back", "--out", back)
    assert done.stdout == f"2 answers of mdpo to {back}\n"
    assert done.stderr == "Answers to other pictures (image ablation) are left out.\n"
    assert [json.loads(line)["text"] for line in back.read_text().splitlines()] == ["left", "right"]
    write_jsonl(tmp_path / "two.jsonl", [*own, *elsewhere])
    with pytest.raises(BadInput, match="answers to phantom/test, slake/test; a file in this form is of one"):
        run(tmp_path / "two.jsonl", "--back", "--out", tmp_path / "two")
    chosen = run(tmp_path / "two.jsonl", "--back", "--dataset", "slake", "--out", tmp_path / "two").stdout
    assert chosen == f"1 answers of mdpo to {tmp_path / 'two'}\n"
    write_jsonl(tmp_path / "blind.jsonl", blind)
    with pytest.raises(BadInput, match="or other pictures"):
        run(tmp_path / "blind.jsonl", "--back", "--out", tmp_path / "none")


def test_the_verb_refuses_what_it_would_have_to_guess(tmp_path: Path) -> None:
    path, out = written(tmp_path / "a.jsonl", ROW), tmp_path / "predictions.jsonl"
    with pytest.raises(BadInput, match="the data set is not known"):
        run(path, "--out", out)
    with pytest.raises(BadInput, match="exists already"):
        run(path, "--dataset", "vqa-rad", "--out", path)
    run(path, "--dataset", "vqa-rad", "--out", out)
    with pytest.raises(BadInput, match="the answers are of their-model"):
        run(out, "--back", "--adapter", "other", "--out", tmp_path / "back.jsonl")
    assert not (tmp_path / "back.jsonl").exists()
