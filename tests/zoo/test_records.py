import json

import pytest

from zoo.errors import BadRecord
from zoo.records import Prediction, PreferencePair, Question, read_jsonl, to_line, write_jsonl

QUESTION = Question(
    id="q1",
    dataset="phantom",
    split="test",
    images=("images/1.png",),
    prompt="Which side?",
    answer="rechts, naïve — 右",
    answer_type="closed",
    question_type="side",
    options=("left", "right"),
    error_types=("SLC",),
)
PAIR = PreferencePair(
    id="p1",
    question_id="q1",
    images=("images/1.png",),
    prompt="Which side?",
    chosen="left",
    rejected_images=("images/1-crop.png",),
    weight=0.5,
    made_by={"rejected_image": "random_crop", "box": [0, 1, 2, 3]},
)
PREDICTION = Prediction(
    question_id="q1",
    dataset="phantom",
    split="test",
    images=("scan.png",),
    prompt="Which side?",
    truth="left",
    answer_type="closed",
    question_type="side",
    options=("left", "right"),
    error_types=(),
    base="phantom@" + "a" * 40,
    adapter="base",
    variant="base",
    digest="",
    answer="left",
    tokens=2,
)


@pytest.mark.parametrize("record", [QUESTION, PAIR, PREDICTION], ids=lambda r: type(r).__name__)
def test_a_record_survives_writing_and_reading(record, tmp_path):
    path = tmp_path / "deep" / "records.jsonl"
    assert write_jsonl(path, [record, record]) == 2
    assert read_jsonl(path, type(record)) == [record, record]
    assert [p.name for p in path.parent.iterdir()] == ["records.jsonl"]


def _line(**changes):
    return json.dumps(json.loads(to_line(QUESTION)) | changes)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (_line(colour="blue"), "a Question has no key 'colour'"),
        (_line(images="1.png"), "key 'images' is '1.png', not a list"),
        (_line(images=[1]), "key 'images' is 1, not str"),
        (_line(prompt=None), "key 'prompt' is None, not str"),
        (_line(prompt=7), "key 'prompt' is 7, not str"),
        (_line(answer_type="yes/no"), "key 'answer_type' is 'yes/no', not one of 'closed', 'open', 'report'"),
        (_line(error_types=["XX"]), "key 'error_types' is 'XX', not one of"),
        ("[1]", "a record is a JSON object, this is list"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_wrong_line_is_refused_with_file_line_and_key(line, complaint, tmp_path):
    path = tmp_path / "questions.jsonl"
    path.write_text(to_line(QUESTION) + "\n" + line + "\n", encoding="utf-8")
    with pytest.raises(BadRecord) as error:
        read_jsonl(path, Question)
    assert f"{path}:3: " in error.value.message
    assert complaint in error.value.message


def test_a_missing_key_is_named(tmp_path):
    raw = json.loads(to_line(QUESTION))
    del raw["answer"]
    path = tmp_path / "questions.jsonl"
    path.write_text(json.dumps(raw))
    with pytest.raises(BadRecord, match=r"questions\.jsonl:1: a Question needs the key 'answer'"):
        read_jsonl(path, Question)


@pytest.mark.parametrize("weight", ["0.5", True])
def test_a_weight_that_is_no_number_is_refused(weight, tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps(json.loads(to_line(PAIR)) | {"weight": weight}))
    with pytest.raises(BadRecord, match="key 'weight'"):
        read_jsonl(path, PreferencePair)


def test_a_whole_number_is_read_as_a_float_where_one_is_due(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps(json.loads(to_line(PAIR)) | {"weight": 1}))
    weight = read_jsonl(path, PreferencePair)[0].weight
    assert (weight, type(weight)) == (1.0, float)


@pytest.mark.parametrize("tokens", [2.5, True, "2"])
def test_a_count_that_is_no_whole_number_is_refused(tokens, tmp_path):
    path = tmp_path / "predictions.jsonl"
    path.write_text(json.dumps(json.loads(to_line(PREDICTION)) | {"tokens": tokens}))
    with pytest.raises(BadRecord, match="key 'tokens'"):
        read_jsonl(path, Prediction)


@pytest.mark.parametrize("content", [to_line(PAIR).replace("0.5", "NaN").encode(), b'{"id": "\xff"}'])
def test_what_json_does_not_know_is_refused(content, tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(content)
    with pytest.raises(BadRecord, match=r"pairs\.jsonl:1: not JSON"):
        read_jsonl(path, PreferencePair)


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "pairs.jsonl"
    write_jsonl(path, [PAIR])

    def pairs():
        yield PAIR
        raise RuntimeError("out of pairs")

    with pytest.raises(RuntimeError):
        write_jsonl(path, pairs())
    assert read_jsonl(path, PreferencePair) == [PAIR]


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(BadRecord, match=r"no such file: .*nothing\.jsonl"):
        read_jsonl(tmp_path / "nothing.jsonl", Question)


def test_an_answer_to_a_question_takes_over_what_the_question_says():
    said = {"base": "phantom@" + "e" * 40, "adapter": "local/dpo", "variant": "dpo", "digest": "d" * 64}
    assert Prediction.to(QUESTION, **said, answer="Left.", tokens=2) == Prediction(
        question_id="q1",
        dataset="phantom",
        split="test",
        images=("images/1.png",),
        prompt="Which side?",
        truth="rechts, naïve — 右",
        answer_type="closed",
        question_type="side",
        options=("left", "right"),
        error_types=("SLC",),
        base="phantom@" + "e" * 40,
        adapter="local/dpo",
        variant="dpo",
        digest="d" * 64,
        answer="Left.",
        tokens=2,
    )
