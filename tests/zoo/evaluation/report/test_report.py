"""`medzoo report` on invented answers: who stands first, what is said, what the papers' layouts hold."""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import run

import pytest
from click.testing import CliRunner
from PIL import Image

from tests.zoo.evaluation.report._invented import ADAPTERS, answers
from tests.zoo.evaluation.report.conftest import Invent
from zoo.cli.report import report
from zoo.errors import BadInput, UnknownName
from zoo.evaluation.metrics import metrics
from zoo.evaluation.report.curves import curves
from zoo.evaluation.report.layouts import layouts
from zoo.evaluation.report.papers import paper_tables
from zoo.evaluation.report.scored import NOT_RECORDED, score_files
from zoo.evaluation.report.table import DASH, Table
from zoo.evaluation.report.usual import NO_SFT, usual_tables
from zoo.notice import NOTICE
from zoo.records import write_jsonl


def named(tables: list[Table], title: str) -> Table:
    return next(table for table in tables if table.title == title)


def printed(*arguments: object) -> str:
    done = CliRunner().invoke(report, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_base_and_sft_stand_first_and_every_column_says_how_many_questions(invent: Invent) -> None:
    shuffled = sorted(answers(), key=lambda p: p.adapter != "acme/dpo")
    (scored,) = score_files([invent(shuffled)])
    tables = usual_tables(scored)
    assert [row.name for row in tables[0].rows] == ["base", "acme/sft (SFT)", "acme/dpo", "acme/mdpo"]
    assert [str(column) for column in tables[0].columns] == [
        "accuracy, % (n 120)",
        "open_recall, % (n 60)",
        "open_f1, % (n 60)",
    ]
    over_sft = named(tables, "phantom/test: over SFT (acme/sft)")
    assert [row.name for row in over_sft.rows] == ["acme/dpo", "acme/mdpo"]
    assert str(over_sft.rows[0].cells[0]) == "no difference (+0.0 to +0.0)"
    assert over_sft.rows[1].cells[0].figure == "+26.7"  # of 120 draws 32 are in [0.7, 0.95)
    assert [str(c) for c in named(tables, "phantom/test: accuracy by error type").columns] == [
        "AM, % (n 80)",
        "SLC, % (n 40)",
    ]


def test_answers_that_were_cut_are_counted_under_the_table(invent: Invent) -> None:
    cut = [replace(p, finish="length", tokens=64) if p.question_id.endswith("/7") else p for p in answers()]
    (scored,) = score_files([invent(cut)])
    assert (
        "1 of 120 answers of acme/dpo to phantom/test were cut at 64 tokens." in usual_tables(scored)[0].notes
    )


def test_answers_to_other_images_alone_are_no_report(invent: Invent) -> None:
    (scored,) = score_files([invent(answers(shown="noise"))])
    with pytest.raises(BadInput, match="no question was answered with its own image"):
        usual_tables(scored)


def test_what_leaks_and_how_the_answers_were_made_stand_under_the_table(invent: Invent) -> None:
    (scored,) = score_files([invent(answers())])
    notes = usual_tables(scored)[0].notes
    assert (
        "120 questions about 40 images (cc0-1.0); answers of at most 64 tokens; base phantom@aaaaaaaaaaaa in "
        "float32."
    ) in notes
    assert (
        "Leak: 3 of the 40 pictures of test are in train too, 1 more have a near duplicate there."
    ) in notes


def test_answers_without_a_record_and_without_sft_say_so(invent: Invent) -> None:
    found = [p for p in answers() if p.adapter != "acme/sft"]
    (scored,) = score_files([invent(found, recorded=False)])
    tables = usual_tables(scored)
    assert {NOT_RECORDED, NO_SFT} <= set(tables[0].notes)
    assert not [table.title for table in tables if "over SFT" in table.title]


def test_answers_in_an_adapters_folder_are_described_by_its_manifest(
    invent: Invent, make_adapter: Callable[..., Path]
) -> None:
    file = invent(answers())
    benchmark = {
        "dataset": "phantom", "split": "test", "questions": 120, "images": 40, "fingerprint": "b" * 64,
        "license": "cc0-1.0", "publishable": True, "notes": ["no leak"], "max_tokens": 9,
        "predictions_sha256": "c" * 64, "created": "2026-11-22T10:00:00+00:00",
    }  # fmt: skip
    folder = make_adapter(benchmarks=[benchmark])
    (folder / "predictions").mkdir()
    moved = file.rename(folder / "predictions" / "phantom-test.jsonl")
    (scored,) = score_files([moved])
    assert scored.made["phantom", "test"] == (
        "120 questions about 40 images (cc0-1.0); answers of at most 9 tokens; base phantom@aaaaaaaaaaaa.",
        "No leak.",
    )


def test_the_bases_lines_that_stand_in_several_files_count_once(invent: Invent) -> None:
    every = answers()
    one = invent([p for p in every if p.adapter != "acme/dpo"], name="one")
    two = invent([p for p in every if p.adapter in ("base", "acme/dpo")], name="two")
    (merged,) = score_files([one, two])
    (whole,) = score_files([invent(every, name="three")])
    assert sorted(merged.scores, key=repr) == sorted(whole.scores, key=repr)


def test_adapters_of_two_bases_are_reported_apart(invent: Invent) -> None:
    other = [replace(p, base="huatuo@" + "b" * 40) for p in answers({"base": 0.4, "acme/other": 0.6})]
    found = score_files([invent([*answers(), *other])])
    assert [(one.base, one.adapters) for one in found] == [
        ("phantom@aaaaaaaaaaaa", ("base", "acme/sft", "acme/mdpo", "acme/dpo")),
        ("huatuo@bbbbbbbbbbbb", ("base", "acme/other")),
    ]
    assert usual_tables(found[1])[0].title == "huatuo@bbbbbbbbbbbb, phantom/test"


def test_seeds_are_pooled_and_their_spread_is_shown(invent: Invent) -> None:
    base = answers({"base": 0.5})
    tuned = answers({"sft": 0.7, "mdpo": 0.9}, seeds=(0, 1, 2))
    (scored,) = score_files([invent([*base, *tuned])], pool=True, metrics=["accuracy"])
    rows = usual_tables(scored)[0].rows
    assert [row.name for row in rows] == ["base", "sft", "mdpo"]
    assert "over 3 seeds" in rows[1].cells[0].aside
    assert "sd" not in rows[0].cells[0].aside


def test_an_adapter_that_does_not_look_loses_nothing_without_its_image(invent: Invent) -> None:
    own = answers()
    blind = [replace(p, shown="noise") for p in own if p.adapter == "acme/dpo"]
    noise = [p for p in answers(shown="noise") if p.adapter != "acme/dpo"]
    (scored,) = score_files([invent([*own, *blind, *noise])])
    table = named(usual_tables(scored), "phantom/test: accuracy with noise in the image's place")
    lost = {row.name: str(row.cells[2]) for row in table.rows}
    assert lost["acme/dpo"] == "no difference (+0.0 to +0.0)"
    assert lost["acme/mdpo"].startswith("+53.3 (")


def test_every_layout_names_metrics_that_there_are() -> None:
    assert set(layouts()) == {"fire-mpo", "kim", "mmedpo"}
    for layout in layouts().values():
        assert layout.parts
        for place in (place for part in layout.parts for place in part.places):
            assert place.metric in metrics(), place


def test_a_papers_table_has_a_dash_where_the_data_has_nothing(invent: Invent) -> None:
    layout = layouts()["mmedpo"]
    (scored,) = score_files([invent(answers(dataset="slake"))], layout=layout)
    tables = paper_tables(layout, scored)
    assert [table.title for table in tables] == [
        "MMedPO, table 1",
        "MMedPO, table 1: over base",
        "MMedPO, table 1: over SFT (acme/sft)",
    ]
    groups = [(column.group, column.name, column.n) for column in tables[0].columns]
    assert groups[:3] == [
        ("SLAKE", "open, %", "n 60"), ("SLAKE", "closed, %", "n 60"), ("VQA-RAD", "open, %", "")
    ]  # fmt: skip
    assert [cell.figure == DASH for cell in tables[0].rows[0].cells] == [False] * 2 + [True] * 8


def test_a_mean_over_data_sets_is_of_those_at_hand_and_says_which_are_not(invent: Invent) -> None:
    layout = layouts()["kim"]
    two = [*answers(dataset="slake"), *answers(ADAPTERS | {"base": 0.9}, dataset="vqa-rad", questions=60)]
    (scored,) = score_files([invent(two)], layout=layout)
    tables = paper_tables(layout, scored)
    vqa = {row.name: row.cells[0].figure for row in tables[0].rows}
    of = {(s.adapter, s.dataset): s.interval.value for s in scored.scores if s.subset == "all"}
    assert vqa["base"] == f"{50 * (of['base', 'slake'] + of['base', 'vqa-rad']):.1f}"
    assert "VQA is without path-vqa, to which no answers are here." in tables[0].notes
    types = named(tables, "Kim et al. 2026, table 5")
    assert [column.n for column in types.columns] == ["n 180", "", "n 60", "n 120", ""]


def test_a_layout_without_any_of_its_data_sets_is_refused(invent: Invent) -> None:
    (scored,) = score_files([invent(answers())], layout=layouts()["kim"])
    with pytest.raises(BadInput, match=r"needs answers to slake, .*here are phantom"):
        paper_tables(layouts()["kim"], scored)
    splits = [*answers(dataset="slake"), *(replace(p, split="dev") for p in answers(dataset="slake"))]
    (scored,) = score_files([invent(splits, name="two")], layout=layouts()["kim"])
    with pytest.raises(BadInput, match="slake is here with the splits dev, test"):
        paper_tables(layouts()["kim"], scored)


def test_the_verb_prints_each_form_with_the_notice(invent: Invent) -> None:
    file = invent(answers())
    assert printed(file).endswith(f"\n\n{NOTICE}\n")
    assert printed(file, "--format", "markdown").startswith(
        f"# Evaluation\n\n> {NOTICE}\n\n## phantom/test\n"
    )
    assert "\\caption{phantom/test. " in printed(file, "--format", "latex")
    assert printed(file, "--format", "csv").startswith("adapter,variant,base,metric,")
    with pytest.raises(UnknownName, match="no layout is named 'kimm'"):
        printed(file, "--layout", "kimm")
    with pytest.raises(BadInput, match="--log draws pictures"):
        printed(file, "--log", file.parent)


def test_a_folder_holds_every_text_and_every_picture_that_it_shows(
    invent: Invent, run_folder: Callable[[str, int], Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    file = invent([*answers(), *answers(shown="noise")])
    logs = ["--log", run_folder("one", 30), "--log", run_folder("two", 3)]
    printed(file, "--metric", "accuracy", "--out", out, *logs)
    pictures = [
        "ablation-phantom-test-accuracy.png",
        "differences-phantom-test-accuracy.png",
        "error-types-phantom-test-accuracy.png",
        "learning-curves.png",
    ]
    assert sorted(p.name for p in out.iterdir()) == sorted(
        [*pictures, "report.md", "report.tex", "scores.csv"]
    )
    text = (out / "report.md").read_text()
    for name in pictures:
        assert f"]({name})" in text
        with Image.open(out / name) as image:
            assert image.width == 1500


def test_a_runs_loss_is_the_sum_of_its_terms_and_not_a_mean_over_them(
    run_folder: Callable[[str, int], Path],
) -> None:
    loss = curves([run_folder("one", 4)]).axes[0]
    assert loss.lines[0].get_ydata() == pytest.approx([1.0, 0.5, 1 / 3, 0.25])


def test_the_same_answers_give_the_same_pictures(invent: Invent, tmp_path: Path) -> None:
    file = invent(answers())
    for name in ("a", "b"):
        printed(file, "--metric", "accuracy", "--out", tmp_path / name)
    for one in (tmp_path / "a").iterdir():
        assert one.read_bytes() == (tmp_path / "b" / one.name).read_bytes()


def test_a_missing_matplotlib_names_the_extra(
    invent: Invent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.evaluation.report.pictures.find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"need matplotlib(.|\n)*medvlm-zoo\[evaluate\]"):
        printed(invent(answers()), "--out", tmp_path / "out")


def test_a_folder_without_a_log_is_named(invent: Invent, tmp_path: Path) -> None:
    file = invent(answers())
    with pytest.raises(BadInput, match=r"answers/log\.jsonl has no steps of a run"):
        printed(file, "--out", tmp_path / "out", "--log", file.parent)


def test_reporting_loads_no_torch(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "p.jsonl", answers())
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[4])}
    code = (
        "import sys; from zoo.cli.report import report; "
        "report(['p.jsonl', '--out', 'out'], standalone_mode=False); "
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert (
        run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, timeout=120).returncode
        == 0
    )
