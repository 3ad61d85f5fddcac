"""What a card says of its evidence: what the image is worth, wrong answers, benchmarks, judges, the pairs."""

import re

import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries

from model_cards import words
from model_cards.card import render
from model_cards.evals import task_id
from model_cards.failures import Failures, failures
from zoo.datasets import get_dataset
from zoo.manifest import Bounds, predictions_name, read_manifest
from zoo.records import Prediction, write_jsonl

BENCHMARK = {
    "dataset": "phantom", "split": "test", "questions": 10, "images": 1, "fingerprint": "b" * 64,
    "license": "apache-2.0", "publishable": True, "max_tokens": 9, "predictions_sha256": "0" * 64,
    "created": "2026-11-22T10:00:00+00:00",
}  # fmt: skip
NOT_SHOWN = "That the image matters is not shown on phantom/test, noise in its place (n 9)"


def table(text, heading):
    """The rows of the first table under a heading, without its head."""
    return re.search(rf"### {heading}\n.*?\n\|---[^\n]*\n((?:\|[^\n]*\n)+)", text, flags=re.DOTALL)[
        1
    ].splitlines()


def test_a_card_says_how_much_the_image_matters(recorded):
    folder = recorded()
    text = (folder / "README.md").read_text()
    rows = table(text, "How much the image matters")
    assert rows[0].startswith(
        "| phantom/test | accuracy | all | noise in its place | 20 | 0.850 | 0.500 | +0.350 (+0.0"
    )
    assert len(rows) == 4
    results = re.search(r"## Results\n(.*?)### How much", text, flags=re.DOTALL)[1]
    assert "| 0.500 (" not in results  # what came of other pictures is no score
    names = [r.metric_name for r in ModelCard(text).data.eval_results]
    assert sorted(names) == [f"accuracy ({of})" for of in ("all", "closed")]
    entries = parse_eval_result_entries(yaml.safe_load((folder / ".eval_results/phantom.yaml").read_text()))
    ablated = [e for e in entries if "image" in e.task_id]
    assert [e.task_id for e in ablated[:1]] == ["test-all-accuracy-image-noise"]
    assert ablated[0].notes.startswith("image ablation, noise in its place; 95 % interval ")
    assert len(entries) == 12
    assert len({e.task_id for e in entries}) == 12


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ({"low": 0.1, "high": 0.3}, "the answers rest on the image"),
        (
            {"low": 0.1, "high": 0.3, "adjusted_p": 0.2},
            NOT_SHOWN,
        ),
        (
            {"low": -0.1, "high": 0.3},
            NOT_SHOWN,
        ),
    ],
)
def test_an_image_that_does_not_matter_is_so_called(make_adapter, lost, said):
    row = {
        "metric": "accuracy", "subset": "all", "dataset": "phantom", "split": "test", "value": 0.5,
        "low": 0.4, "high": 0.6, "n": 9, "fingerprint": "b" * 64, "shown": "noise", "own_value": 0.7,
        "lost": lost,
    }  # fmt: skip
    assert said in render(read_manifest(make_adapter(evaluation=[row])))


def test_a_card_quotes_wrong_answers_first_by_name_and_how_many_there_are(recorded):
    text = (recorded() / "README.md").read_text()
    assert "Of 20 questions it answers 1 wrongly that the base answers rightly." in text
    assert "Both answer 2 wrongly." in text
    assert table(text, "Known failures") == [
        r"| phantom/test/007 | Is there a \<nodule\> in scan \| 7? | no "
        r"| yes, \*it\* seems | no, \*it\* seems |"
    ]


def test_of_many_wrong_answers_three_of_a_kind_are_quoted(make_adapter, tmp_path):
    def answer(number, adapter, said):
        return Prediction(
            question_id=f"q{number}", dataset="phantom", split="test", images=("a.png",), prompt="?",
            truth="yes", answer_type="closed", question_type="t", options=(), error_types=(), base="b",
            adapter=adapter, variant=adapter, digest="" if adapter == "base" else "d" * 64, answer=said,
            tokens=1,
        )  # fmt: skip

    folder = make_adapter(weights_sha256="d" * 64, benchmarks=[BENCHMARK])
    found = [answer(n, "mdpo", "no") for n in range(9, -1, -1)]
    found += [answer(n, "base", "yes" if n < 5 else "no") for n in range(10)]
    write_jsonl(folder / predictions_name("phantom", "test"), found)
    failed = failures(folder, read_manifest(folder))
    assert [mine.question_id for mine, _ in failed.lost] == ["q0", "q1", "q2"]
    assert [mine.question_id for mine, _ in failed.both] == ["q5", "q6", "q7"]
    assert (failed.lost_of, failed.both_of, failed.asked) == (5, 5, 10)
    kept = read_manifest(make_adapter("kept", benchmarks=[BENCHMARK | {"publishable": False}]))
    assert failures(folder, kept) == Failures(withheld=("phantom/test",))


def test_a_card_tells_benchmarks_with_what_is_known_against_them(recorded):
    text = (recorded() / "README.md").read_text()
    assert (
        "- phantom/test: 20 questions on 20 images; 3 of 20 images \\| are in train too; at most 64 tokens "
        "an answer, in float32; licence `apache-2.0`; answers in "
        "[`predictions/phantom-test.jsonl`](predictions/phantom-test.jsonl); sha256 `"
    ) in text


def test_a_score_names_its_judge_and_how_many_answers_it_could_not_judge(make_adapter):
    row = {
        "metric": "completeness", "subset": "all", "dataset": "phantom", "split": "test", "value": 0.5,
        "low": 0.4, "high": 0.6, "n": 9, "fingerprint": "b" * 64, "judge": "gpt-4.1 facts@1", "failed": 2,
    }  # fmt: skip
    manifest = read_manifest(make_adapter(evaluation=[row]))
    assert "| completeness, judged by gpt-4.1 facts@1 | all | 9 (2 not judged) |" in render(manifest)
    (result,) = ModelCard(render(manifest)).data.eval_results
    assert result.metric_name == "completeness (all, judged by gpt-4.1 facts@1)"
    assert task_id(manifest.evaluation[0]) == "test-all-completeness-gpt-4.1-facts-1"


def test_a_difference_that_the_correction_takes_away_is_so_called():
    def said(p):
        return words.difference(0.6, 0.5, Bounds(low=0.01, high=0.2, adjusted_p=p))

    assert said(0.0499) == "+0.100 (+0.010 to +0.200)"
    assert said(0.051) == "+0.100 (+0.010 to +0.200), not after correction"


def test_many_metrics_do_not_make_a_long_card(make_adapter):
    rows = [
        {
            "metric": metric, "subset": subset, "dataset": "phantom", "split": "test", "value": 0.5,
            "low": 0.4, "high": 0.6, "n": 9, "fingerprint": "b" * 64,
        }
        for metric in ("bleu", "accuracy", "rouge")
        for subset in ("all", "open", "side")
    ]  # fmt: skip
    text = render(read_manifest(make_adapter(evaluation=rows)))
    shown = re.findall(r"^\| phantom/test \| (\w+) \| (\w+) \|", text, flags=re.MULTILINE)
    assert shown == [
        ("bleu", "all"), ("accuracy", "all"), ("accuracy", "open"), ("rouge", "all"), ("accuracy", "side"),
    ]  # fmt: skip
    assert "are in `.eval_results`" in text


def test_a_card_tells_what_the_pairs_alone_give_away(recorded):
    text = (recorded() / "README.md").read_text()
    for row in (
        "| pairs made of | 220 questions; dropped 20: no span |",
        "| what is rejected | response and image 200 |",
        "| words, rejected response | 7.5 on average, median 7, at most 12 |",
        "| guessing the chosen response by length alone | 90.0 % right; ",
    ):
        assert row in text


def test_a_card_says_what_to_beware_of_in_its_data(make_adapter):
    row = {
        "metric": "accuracy", "subset": "all", "dataset": "vqa-rad", "split": "test", "value": 0.5,
        "low": 0.4, "high": 0.6, "n": 9, "fingerprint": "b" * 64,
    }  # fmt: skip
    text = render(read_manifest(make_adapter(evaluation=[row])))
    for name in ("phantom", "vqa-rad"):
        for risk in get_dataset(name).risks:
            assert f"- {risk}\n" in text
