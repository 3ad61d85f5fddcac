"""`medzoo ground` on phantom: rows worked out from the attention itself, and who is compared with whom."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests._adapters import random_adapter
from zoo.bases import get_base
from zoo.cli.ground import ground as verb
from zoo.datasets import QuestionSet, load_questions
from zoo.errors import BadInput
from zoo.evaluation.ground import Grounding, ground
from zoo.evaluation.report.grounded import grounding_tables, summed_up
from zoo.notice import NOTICE
from zoo.vlm.attention import layer_attention
from zoo.vlm.model import VisionLanguageModel, load_base


@pytest.fixture(scope="module")
def vlm() -> VisionLanguageModel:
    return load_base(get_base("phantom"))


def row(adapter: str, number: int, ratio: tuple[float, ...]) -> Grounding:
    return Grounding(
        question_id=f"q{number}", dataset="d", split="test", images=(f"{number}.png",), base="b@0",
        adapter=adapter, variant=adapter, digest="", suffix=True, patches=4, inside=1, ratio=ratio,
        kl=(1.0, 1.0), js=(0.5, 0.5),
    )  # fmt: skip


def test_a_row_is_what_the_two_prompts_attention_gives(vlm: VisionLanguageModel) -> None:
    questions = load_questions("phantom", "test", limit=8)
    marked = next(q for q in questions.questions if questions.regions(q.images[0]))
    found = ground(vlm, [], questions, suffix=False)
    features = vlm.encode_images([questions.open_image(marked.images[0])])
    own, general = (
        layer_attention(vlm, features, prompt)[0]
        for prompt in (marked.prompt, "Write a general description of the image.")
    )
    mask = questions.regions(marked.images[0])[0].mask.resize((64, 64), Image.Resampling.BICUBIC)
    share = (np.asarray(mask) / 255).reshape(8, 8, 8, 8).mean(axis=(1, 3))  # 8 x 8 tokens of 8 x 8 pixels
    inside = share >= min(0.5, share.max())
    relative = own / general
    (one,) = [r for r in found.rows if r.question_id == marked.id]
    assert (one.adapter, one.patches, one.inside, one.suffix) == ("base", 64, inside.sum(), False)
    expected = relative[:, inside].mean(axis=1) / relative.mean(axis=(1, 2))
    np.testing.assert_allclose(one.ratio, expected, rtol=1e-3)
    unmarked = sum(not questions.regions(q.images[0]) for q in questions.questions)
    assert len(found.rows) == 8 - unmarked
    assert found.notes == (
        (f"{unmarked} questions are about pictures without a marked finding: left out.",) if unmarked else ()
    )


def test_questions_without_a_picture_are_counted_among_those_left_out() -> None:
    questions = load_questions("phantom", "test", limit=8)
    marked = [q for q in questions.questions if questions.regions(q.images[0])][:3]
    text_alone = [replace(q, images=()) for q in marked[1:]]
    found = ground(load_base(get_base("phantom")), [], replace(questions, questions=(marked[0], *text_alone)))
    assert [r.question_id for r in found.rows] == [marked[0].id]
    assert found.notes == ("2 questions have no picture: left out.",)


def test_pictures_without_findings_are_refused(vlm: VisionLanguageModel) -> None:
    questions = load_questions("phantom", "test", limit=4)
    bare: QuestionSet = replace(questions, regions=lambda name: ())
    with pytest.raises(BadInput, match="no picture of phantom/test has a marked finding that phantom sees"):
        ground(load_base(get_base("phantom")), [], bare)


def test_adapters_are_compared_with_the_base_question_by_question() -> None:
    """The base's ratios in layer 0 are 1, 2, 3, the adapter's 0.5 more each: a difference without spread."""
    rows = [row("base", n, (float(n), 1.0)) for n in (1, 2, 3)]
    rows += [row("tuned", n, (n + 0.5, 1.0)) for n in (1, 2, 3)]
    found = {(one.adapter, one.layer): one for one in summed_up(rows, "ratio")}
    assert found["base", "0"].interval.value == 2.0
    assert found["base", "0"].over_base is None
    assert found["tuned", "mean"].interval.value == 1.75
    over = found["tuned", "0"].over_base
    assert over is not None
    assert (over.value, over.low, over.high, over.n) == (0.5, 0.5, 0.5, 3)
    tables = grounding_tables(rows)
    assert [str(cell) for cell in tables[1].rows[0].cells] == [
        "+0.250 (+0.250 to +0.250)",
        "+0.500 (+0.500 to +0.500)",
        "no difference (+0.000 to +0.000)",
    ]
    assert "3 questions about 3 images." in tables[0].notes
    assert [column.name for column in tables[0].columns] == ["mean", "layer 0", "layer 1"]


def test_the_verb_writes_a_line_a_question_and_adapter_and_a_picture(
    vlm: VisionLanguageModel, tmp_path: Path
) -> None:
    random_adapter(tmp_path / "adapter", load_base(get_base("phantom")), seed=1)
    out = tmp_path / "looks.jsonl"
    arguments = [str(tmp_path / "adapter"), "--limit", "6", "--out", str(out)]
    done = CliRunner().invoke(verb, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    questions = load_questions("phantom", "test", limit=6)
    marked = sum(bool(questions.regions(q.images[0])) for q in questions.questions)
    assert marked > 0
    assert [r["adapter"] for r in rows] == ["base"] * marked + ["random"] * marked
    assert all(len(r["ratio"]) == len(r["kl"]) == len(r["js"]) == 3 and r["suffix"] for r in rows)
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert NOTICE in done.stdout
    assert "over base" in done.stdout
    with pytest.raises(BadInput, match="File exists"):  # before anything is looked at
        CliRunner().invoke(verb, ["--out", str(out / "rows.jsonl")], catch_exceptions=False)
    with pytest.raises(BadInput, match="is to be a file of JSON lines"):
        CliRunner().invoke(verb, ["--out", str(tmp_path / "looks.png")], catch_exceptions=False)
