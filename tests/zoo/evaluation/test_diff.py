"""What differs between two adapters, by their folders alone."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests._scored import scored
from tests.conftest import MakeAdapter
from zoo.cli.diff import diff as verb
from zoo.evaluation.diff import Example, diff
from zoo.manifest import read_manifest, write_manifest
from zoo.records import Verdict, read_jsonl, write_jsonl

ANSWERS = "predictions/phantom-test.jsonl"


def pair(make_adapter: MakeAdapter, **of_b: Any) -> tuple[Path, Path]:
    """SFT, right on the first 12 of 20 questions, and mdpo, right on the first 16."""
    a = scored(make_adapter("a", variant="sft"), right=12)
    return a, scored(make_adapter("b", seed=1), right=16, **of_b)


def test_the_same_folder_differs_in_nothing(make_adapter: MakeAdapter) -> None:
    folder = scored(make_adapter())
    found = diff(folder, folder)
    assert (found.same_weights, found.settings, found.notes) == (True, (), ())
    assert {(s.bounds.low, s.bounds.high) for s in found.scores if s.bounds} == {(0.0, 0.0)}
    assert (found.answers[0].differ, found.answers[0].examples) == (0, ())


def test_what_decides_an_adapter_is_compared_key_by_key(make_adapter: MakeAdapter) -> None:
    manifest = read_manifest(make_adapter("draft")).model_dump(mode="json")
    lora = manifest["lora"] | {"r": 8}
    training = manifest["training"] | {"learning_rate": 0.5}
    numbers = {"questions": 200, "halves": {"both": 200}, "dropped": {}, "words": {}}
    numbers |= {"longer_is_chosen": 0.5, "length_only_accuracy": 0.5}
    data = manifest["data"] | {"license": "apache-2.0", "numbers": numbers}
    changes = {"lora": lora, "training": training, "data": data, "license": "mit", "hardware": "GPU"}
    a, b = make_adapter("a"), make_adapter("b", **changes)
    assert [(one.key, one.a, one.b) for one in diff(a, b).settings] == [
        ("data.license", "", "apache-2.0"),
        ("lora.r", 2, 8),
        ("training.learning_rate", 0.0001, 0.5),
        ("license", "apache-2.0", "mit"),
    ]


def test_the_paired_interval_is_that_of_the_same_answers_scored_together(make_adapter: MakeAdapter) -> None:
    a, b = pair(make_adapter)
    found = {s.metric: s for s in diff(a, b).scores}
    together = {e.metric: e for e in read_manifest(b).evaluation if e.subset == "all"}
    assert found["accuracy"].metric in together
    for metric, e in together.items():
        s = found[metric]
        assert s.bounds is not None
        assert e.over_sft is not None
        assert (s.a, s.b, s.n) == (e.sft_value, e.value, 20)
        assert round(s.bounds.low, 4) == e.over_sft.low
        assert round(s.bounds.high, 4) == e.over_sft.high


def test_answers_that_differ_are_counted_and_some_shown(make_adapter: MakeAdapter) -> None:
    (answers,) = diff(*pair(make_adapter)).answers
    assert (answers.questions, answers.differ, answers.only_a_right, answers.only_b_right) == (20, 4, 0, 4)
    assert answers.examples == tuple(
        Example(question_id=f"q{i}", prompt="Which side?", truth="left", a="right", b="left", right="B")
        for i in (12, 13, 14)
    )


def test_examples_show_both_who_is_right_alone(make_adapter: MakeAdapter) -> None:
    a, b = pair(make_adapter)
    rewrite(b, lambda row: row | {"answer": "right"} if row["question_id"] == "q3" else row)
    (answers,) = diff(a, b).answers
    assert [(one.question_id, one.right) for one in answers.examples] == [
        ("q3", "A"),
        ("q12", "B"),
        ("q13", "B"),
    ]


def test_answers_of_others_in_the_file_and_to_other_pictures_do_not_count(make_adapter: MakeAdapter) -> None:
    a, b = pair(make_adapter)
    before = diff(a, b)
    lines = [json.loads(line) for line in (b / ANSWERS).read_text().splitlines()]
    noisy = [row | {"shown": "noise", "answer": "nothing"} for row in lines]
    (b / ANSWERS).write_text("".join(json.dumps(row) + "\n" for row in [*lines[::-1], *noisy]))
    assert diff(a, b) == before


def rewrite(folder: Path, change: Any) -> None:
    lines = [json.loads(line) for line in (folder / ANSWERS).read_text().splitlines()]
    (folder / ANSWERS).write_text("".join(json.dumps(change(row)) + "\n" for row in lines))


def test_only_questions_that_both_were_asked_are_paired(make_adapter: MakeAdapter) -> None:
    a, b = pair(make_adapter, questions=30)
    assert {s.n for s in diff(a, b).scores} == {20}
    rewrite(b, lambda row: row | {"shown_digests": ["f" * 64]} if row["question_id"] == "q0" else row)
    assert {s.n for s in diff(a, b).scores} == {19}


@pytest.mark.parametrize(
    ("publishable", "why"), [(False, "mdpo on phantom are withheld"), (True, "mdpo on phantom are not here")]
)
def test_without_stored_answers_scores_stand_unpaired(
    make_adapter: MakeAdapter, publishable: bool, why: str
) -> None:
    a, b = pair(make_adapter, publishable=publishable)
    (b / ANSWERS).unlink()
    found = diff(a, b)
    assert found.notes == (f"phantom/test: the answers of {why}, so nothing is paired there",)
    accuracy = next(s for s in found.scores if s.metric == "accuracy")
    assert (accuracy.a, accuracy.b, accuracy.n, accuracy.bounds) == (0.6, 0.8, 20, None)
    assert found.answers == ()


def test_other_questions_and_other_benchmarks_are_told(make_adapter: MakeAdapter) -> None:
    a, b = pair(make_adapter)
    rewrite(b, lambda row: row | {"prompt": "Which?"})
    assert diff(a, b).notes == (
        "phantom/test: both were asked, but no question is the same, so nothing is paired there",
    )
    other = scored(make_adapter("c"), dataset="slake")
    assert diff(a, other).notes == (
        "phantom/test: mdpo on phantom has no answers to it, so nothing is paired there",
        "slake/test: sft on phantom has no answers to it, so nothing is paired there",
    )


def test_a_judge_s_metric_is_paired_where_it_judged_all_that_the_metric_is_for(
    make_adapter: MakeAdapter,
) -> None:
    """Every second question is closed, and no judge is asked about those."""

    def mixed(row: dict[str, Any]) -> dict[str, Any]:
        return row | {"answer_type": "closed" if int(row["question_id"][1:]) % 2 else "open"}

    a, b = pair(make_adapter)
    for folder in (a, b):
        rewrite(folder, mixed)
        judge(folder)
    found = diff(a, b)
    (said,) = [s for s in found.scores if s.judge == "judge v1"]
    assert (said.metric, said.a, said.b, said.n) == ("judge_accuracy", 0.6, 0.8, 10)
    assert said.bounds is not None
    assert found.notes == ()


def test_a_judge_s_metric_that_cannot_be_paired_stands_unpaired_with_a_note(
    make_adapter: MakeAdapter,
) -> None:
    a, b = pair(make_adapter)
    for folder in (a, b):
        judge(folder)
        manifest = read_manifest(folder)
        first = manifest.evaluation[0]
        judged = first.model_copy(update={"metric": "judge_accuracy", "judge": "judge v1"})
        write_manifest(folder, manifest.model_copy(update={"evaluation": [*manifest.evaluation, judged]}))
    path = a / "verdicts" / "phantom-test.jsonl"
    write_jsonl(path, read_jsonl(path, Verdict)[:-1])
    found = diff(a, b)
    (said,) = [s for s in found.scores if s.judge == "judge v1"]
    assert (said.a, said.b, said.n, said.bounds) == (0.6, 0.8, 20, None)
    assert found.notes == (
        "phantom/test: judge_accuracy by judge v1 is not paired: not all answers were judged readably",
    )
    for folder in (a, b):
        (folder / "verdicts" / "phantom-test.jsonl").unlink()
    assert diff(a, b) == found


def judge(folder: Path) -> None:
    """Verdicts of one judge on the adapter's own answers."""
    import hashlib

    digest = read_manifest(folder).weights_sha256
    rows = [json.loads(line) for line in (folder / ANSWERS).read_text().splitlines()]
    verdicts = [
        Verdict(
            question_id=row["question_id"],
            dataset="phantom",
            split="test",
            adapter=row["adapter"],
            task="correct",
            judge="judge v1",
            answer_sha256=hashlib.sha256(row["answer"].encode()).hexdigest(),
            reply="true" if row["answer"] == row["truth"] else "false",
        )
        for row in rows
        if row["digest"] == digest and row["answer_type"] == "open"
    ]
    write_jsonl(folder / "verdicts" / "phantom-test.jsonl", verdicts)


def test_the_verb_prints_sections_for_people(make_adapter: MakeAdapter) -> None:
    a, b = pair(make_adapter)
    lines = CliRunner().invoke(verb, [str(a), str(b)], catch_exceptions=False).output.splitlines()
    s = next(s for s in diff(a, b).scores if s.metric == "accuracy")
    assert s.bounds is not None
    for expected in (
        f"A  {a}",
        f"B  {b}",
        "  variant.name",
        "    A  sft",
        "    B  mdpo",
        "  4 of 20 differ; 0 are right in A alone, 4 in B alone",
        "  q12: Which side?",
        "    A wrong  right",
        "    B right  left",
    ):
        assert expected in lines
    (row,) = [line.split() for line in lines if " accuracy " in line]
    assert row == [
        *("phantom/test", "accuracy", "20", "0.600", "0.800", "+0.200"),
        *(f"({s.bounds.low:+.3f}", "to", f"{s.bounds.high:+.3f})"),
    ]
    (b / ANSWERS).unlink()
    said = CliRunner().invoke(verb, [str(a), str(b)], catch_exceptions=False).output
    assert "0.600  0.800  not paired" in said


def test_a_term_that_only_one_has_is_shown_alone(make_adapter: MakeAdapter) -> None:
    terms = [{"term": "Anchor", "branch": "chosen", "beta": 0.1, "delta": 0.0}]
    a, b = make_adapter("a"), make_adapter("b", variant={"name": "mdpo", "objective": terms})
    lines = CliRunner().invoke(verb, [str(a), str(b)], catch_exceptions=False).output.splitlines()
    assert lines[lines.index("  variant.objective") + 1 :][:2] == [
        "    only A  Prefer(preferred=chosen, over=rejected_response, beta=0.1)",
        "",
    ]
