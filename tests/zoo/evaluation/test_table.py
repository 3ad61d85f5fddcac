"""Scores in a terminal, as people read them; and `medzoo score`, which needs no model."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.zoo.evaluation._answers import answers, verdict
from zoo.cli.report import report as report_verb
from zoo.cli.score import score as score_verb
from zoo.errors import BadInput, UnknownName
from zoo.evaluation.score import Difference, score_predictions
from zoo.evaluation.table import cut_lines, difference, score_table
from zoo.records import Prediction, write_jsonl


def lines(text: str) -> list[str]:
    """Without the spaces that align it."""
    return [" ".join(line.split()) for line in text.splitlines() if line]


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (None, "-"),
        (Difference(0.02, -0.01, 0.05, 9, 0.2, 0.2), "no difference (-1.0% to +5.0%)"),
        (Difference(0.04, 0.01, 0.07, 9, 0.01, 0.04), "+4.0% (+1.0% to +7.0%)"),
        (Difference(-0.04, -0.07, -0.01, 9, 0.01, 0.06), "-4.0% (-7.0% to -1.0%) †"),
    ],
)
def test_a_difference_is_shown_as_none_as_sure_or_as_one_that_the_correction_does_not_leave(
    found: Difference | None, text: str
) -> None:
    assert difference(found, percent=True) == text


def test_a_difference_that_is_no_share_has_three_digits() -> None:
    assert difference(Difference(0.04, 0.01, 0.07, 9), percent=False) == "+0.040 (+0.010 to +0.070) †"


def zoo() -> list[Prediction]:
    """40 questions, two an image; each adapter is right on another half of the images, or on more."""
    found = []
    for adapter, right in (
        ("base", "00" * 20),
        ("sft", "11" * 10 + "00" * 10),
        ("mdpo", "11" * 10 + "10" * 10),
    ):
        whole = answers(adapter, right, per_image=2)
        found += [replace(p, error_types=("SLC",) if n < 8 else ()) for n, p in enumerate(whole)]
        found += [replace(p, shown="noise", answer="right", error_types=("SLC",)) for p in whole[:8]]
    return found


def test_the_whole_table_by_hand() -> None:
    """SFT is right on all of ten images, so 50 %, the base on none; mdpo on half of each of the others too.
    Of ten images that differ alike by chance 2 in 2 ** 10 do: p is 0.002, times 3 at most."""
    said = lines(score_table(score_predictions(zoo(), names=["accuracy"])))
    assert said == [
        "phantom/test: 40 questions",
        "adapter accuracy 95 % interval n images over base over SFT",
        "base 0.0% 0.0% to 0.0% 40 20 - -",
        "sft 50.0% 30.0% to 70.0% 40 20 +50.0% (+30.0% to +70.0%) -",
        "mdpo 75.0% 65.0% to 85.0% 40 20 +75.0% (+65.0% to +85.0%) +25.0% (+15.0% to +35.0%)",
        "accuracy on n images base sft mdpo",
        "SLC 8 4 0.0% (0% to 0%) 100.0% (100% to 100%) 100.0% (100% to 100%)",
        "accuracy without its image n own images with noise lost",
        "base 8 0.0% 0.0% no difference (+0.0% to +0.0%)",
        "sft 8 100.0% 0.0% +100.0% (+100.0% to +100.0%) †",
        "mdpo 8 100.0% 0.0% +100.0% (+100.0% to +100.0%) †",
        "† does not survive Holm's correction for the 3 comparisons made here",
    ]


def test_four_lucky_images_prove_nothing_and_are_not_marked() -> None:
    """On the 4 images of SLC both adapters beat the base on all: 2 of 2 ** 4 swaps come as far, p 0.125."""
    slc = [s for s in score_predictions(zoo(), names=["accuracy"]) if s.subset == "SLC" and s.shown == "own"]
    over = [s.over_base for s in slc if s.over_base]
    assert [d.p for d in over] == pytest.approx([0.125, 0.125], abs=0.015)


def test_what_differs_on_a_part_after_the_correction_is_marked() -> None:
    kinds = [
        replace(p, question_type="even" if n % 2 else "odd")
        for right, adapter in (("0" * 80, "base"), ("1" * 60 + "0" * 20, "sft"), ("0" * 80, "mdpo"))
        for n, p in enumerate(answers(adapter, right))
    ]
    said = lines(score_table(score_predictions(kinds, names=["accuracy"])))
    odd = next(line for line in said if line.startswith("odd 40"))
    assert odd.startswith("odd 40 40 0.0% (0% to 0%) 75.0% (")
    assert odd.endswith(") b 0.0% (0% to 0%) s")
    assert "b, s: differs from base, from SFT, after Holm's correction for 9 comparisons" in said


def test_several_benchmarks_have_a_table_each_and_two_over_all() -> None:
    found = [p for name in ("slake", "vqa-rad") for p in answers("base", "1100", dataset=name)]
    said = lines(score_table(score_predictions(found, names=["accuracy"])))
    assert [line for line in said if " questions" in line] == [
        "slake/test: 4 questions",
        "vqa-rad/test: 4 questions",
        "All benchmarks, questions pooled (micro): 8 questions",
        "All benchmarks, mean of their scores (macro): 8 questions",
    ]


def test_a_judge_is_named_and_what_could_not_be_read_is_counted() -> None:
    found = answers("base", "1100")
    said = [verdict(p, p.answer == "left") for p in found]
    said[3] = verdict(found[3], "perhaps")
    text = lines(score_table(score_predictions(found, verdicts=said, names=["judge_accuracy"])))
    assert text[0] == "phantom/test: 4 questions"
    assert text[1] == (
        "adapter judge_accuracy by invented correct@1 95 % interval n images not read over base over SFT"
    )
    assert text[2].startswith("base 66.7%")
    assert text[2].endswith("3 3 1 - -")


def test_pools_show_how_many_seeds_and_how_far_they_lie_apart() -> None:
    found = [
        *answers("base", "0000"),
        *answers("a", "1110", variant="mdpo"),
        *answers("b", "1000", variant="mdpo", seed=1),
    ]
    said = lines(score_table(score_predictions(found, names=["accuracy"], pool=True)))
    assert said[1] == "adapter accuracy 95 % interval n images seeds sd over base over SFT"
    assert said[2].startswith("base 0.0% 0.0% to 0.0% 4 4 1 -")
    assert "4 4 2 35.4%" in said[3]


def test_answers_that_were_cut_are_counted() -> None:
    found = [
        replace(p, finish="length", tokens=64) if n < 3 else p for n, p in enumerate(answers("base", "11111"))
    ]
    assert cut_lines([*found, *answers("sft", "1")]) == [
        "3 of 5 answers of base to phantom/test were cut at 64 tokens."
    ]


def invoke(*words: object) -> Any:
    return CliRunner().invoke(score_verb, [str(word) for word in words], catch_exceptions=False)


def test_files_are_merged_lines_that_they_share_count_once_and_others_are_refused(tmp_path: Path) -> None:
    base = answers("base", "1100")
    for name, right in (("sft", "1110"), ("mdpo", "1111")):
        write_jsonl(tmp_path / f"{name}.jsonl", [*base, *answers(name, right)])
    write_jsonl(tmp_path / "again.jsonl", answers("sft", "0000"))
    done = invoke(tmp_path / "sft.jsonl", tmp_path / "mdpo.jsonl", "--metric", "accuracy", "--json")
    scores = json.loads(done.stdout)
    values = {s["adapter"]: (s["interval"]["value"], s["sft_value"]) for s in scores if s["subset"] == "all"}
    assert values == {"base": (0.5, 0.75), "sft": (0.75, 0.75), "mdpo": (1.0, 0.75)}
    with pytest.raises(BadInput, match="sft answers the question q0 twice"):
        invoke(tmp_path / "sft.jsonl", tmp_path / "again.jsonl")


def test_an_adapter_on_whom_a_judge_cannot_be_read_is_named_by_score_and_report(tmp_path: Path) -> None:
    found = [*answers("base", "1100"), *answers("sft", "1010")]
    files = [tmp_path / "p.jsonl", "--verdicts", tmp_path / "v.jsonl"]
    write_jsonl(tmp_path / "p.jsonl", found)
    write_jsonl(tmp_path / "v.jsonl", [verdict(p, "?" if p.adapter == "sft" else True) for p in found])
    line = (
        "NOT SCORED by judge_accuracy: invented correct@1 gave no reply on sft's answers to phantom/test "
        "that could be read: 4 answers."
    )
    done = invoke(*files)
    assert line in done.stderr.splitlines()
    assert "accuracy by invented correct@1" in done.stdout
    reported = CliRunner().invoke(report_verb, [*map(str, files), "--format", "markdown"])
    assert line in reported.stderr.splitlines()
    assert line in reported.stdout.replace("\\_", "_")
    write_jsonl(tmp_path / "v.jsonl", [verdict(p, "?") for p in found])
    with pytest.raises(BadInput, match="there are no verdicts on these answers that could be read"):
        invoke(*files, "--metric", "judge_accuracy")


def test_a_metric_that_gives_nothing_is_an_error_with_what_to_type(tmp_path: Path) -> None:
    file = tmp_path / "p.jsonl"
    write_jsonl(file, answers("base", "1100"))
    with pytest.raises(BadInput, match=r"judge_accuracy needs a judge(.|\n)*medzoo judge --task correct"):
        invoke(file, "--metric", "judge_accuracy")
    with pytest.raises(BadInput, match="bleu1 is for none of these questions"):
        invoke(file, "--metric", "bleu1")
    with pytest.raises(UnknownName, match=r"no metric is named 'acuracy'(.|\n)*did you mean 'accuracy'"):
        invoke(file, "--metric", "acuracy")


def test_scoring_needs_no_model_and_no_plots(tmp_path: Path) -> None:
    file = tmp_path / "p.jsonl"
    write_jsonl(file, zoo())
    code = f"""
import sys
from zoo.cli.score import score
score([{str(file)!r}], standalone_mode=False)
heavy = ("torch", "transformers", "peft", "matplotlib", "gradio", "fastapi", "pandas", "nltk", "sacrebleu")
print("LOADED", [name for name in heavy if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED []"
    assert "40 questions" in done.stdout
