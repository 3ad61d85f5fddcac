"""`medzoo verify` and `medzoo card --check`: no change goes unseen, and each fault is named."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import save_file

from model_cards.card import VERSION, write_card
from model_cards.check import check
from model_cards.claims import claims
from model_cards.cli import card as card_verb
from model_cards.cli import verify as verify_verb
from model_cards.repo import read_repo
from model_cards.verify import verify
from model_cards.words import WRITTEN_BY
from zoo.bases import get_base
from zoo.hub_publish import publish_folder
from zoo.notice import NOTICE

ANSWERS = "predictions/phantom-test.jsonl"


def faults(folder: Path, looks: Callable[..., Any] = verify) -> set[str]:
    """What is wrong, with the check that found it."""
    return {f"{one.name}: {fault.what}" for one in looks(read_repo(folder)) for fault in one.faults}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, path
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def change(folder: Path, alter: Callable[[dict[str, Any]], None], *, carded: bool = True) -> None:
    """Change the manifest, and write the card that follows from it."""
    raw = json.loads((folder / "zoo.json").read_text())
    alter(raw)
    (folder / "zoo.json").write_text(json.dumps(raw))
    if carded:
        write_card(folder)


def in_the_index(folder: Path) -> None:
    edit(folder / "README.md", "value: 0.85\n", "value: 0.95\n")


def in_the_table(folder: Path) -> None:
    edit(folder / "README.md", "| 20 | 0.850 (", "| 20 | 0.950 (")


def in_the_results(folder: Path) -> None:
    edit(folder / ".eval_results/phantom.yaml", "value: 0.85\n", "value: 0.95\n")


def another_weights_file(folder: Path) -> None:
    name = "base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_A.weight"
    save_file({name: np.zeros((2, 8), np.float32)}, folder / "adapter_model.safetensors")


def truncated(folder: Path) -> None:
    content = (folder / ANSWERS).read_bytes()
    (folder / ANSWERS).write_bytes(content[: len(content) // 2])


def one_answer_less(folder: Path) -> None:
    lines = (folder / ANSWERS).read_text().splitlines(keepends=True)
    (folder / ANSWERS).write_text("".join(lines[:-1]))


def one_answer_edited(folder: Path) -> None:
    edit(folder / ANSWERS, '"no, *it* seems"', '"yes, *it* seems"')


def one_answer_edited_with_its_digest(folder: Path) -> None:
    """The first wrong answer of the adapter is put right, and nobody could tell by the digests."""
    lines = (folder / ANSWERS).read_text().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if json.loads(line)["adapter"] == "mdpo")
    lines[at] = lines[at].replace('"no, *it* seems"', '"yes, *it* seems"')
    (folder / ANSWERS).write_text("".join(lines))
    digest = hashlib.sha256((folder / ANSWERS).read_bytes()).hexdigest()
    change(folder, lambda raw: raw["benchmarks"][0].update(predictions_sha256=digest))


def a_score_of_the_manifest(folder: Path) -> None:
    change(folder, lambda raw: raw["evaluation"][0].update(value=0.95))


def an_interval_of_the_manifest(folder: Path) -> None:
    change(folder, lambda raw: raw["evaluation"][0].update(low=0.8))


def answers_gone(folder: Path) -> None:
    (folder / ANSWERS).unlink()


def benchmarks_gone(folder: Path) -> None:
    change(folder, lambda raw: raw.update(benchmarks=[]))


def a_wider_licence(folder: Path) -> None:
    change(folder, lambda raw: raw.update(license="cc0-1.0"))


def data_under_a_narrower_licence(folder: Path) -> None:
    change(folder, lambda raw: raw["data"].update(license="cc-by-nc-4.0"))


def another_revision_of_the_base(folder: Path) -> None:
    change(folder, lambda raw: raw["base"].update(revision="a" * 40))


def a_base_nobody_knows(folder: Path) -> None:
    change(folder, lambda raw: raw["base"].update(name="b", repo="o/b"))


def two_bases(folder: Path) -> None:
    edit(folder / "adapter_config.json", "{", '{"base_model_name_or_path": "o/b", ')


def no_revision(folder: Path) -> None:
    change(folder, lambda raw: raw["base"].update(revision=""))


def a_pickle_beside(folder: Path) -> None:
    (folder / "adapter_model.bin").write_bytes(b"")


def the_notice_gone(folder: Path) -> None:
    text = (folder / "README.md").read_text().replace(NOTICE, "")
    (folder / "README.md").write_text(text)


def the_manifest_broken(folder: Path) -> None:
    (folder / "zoo.json").write_text("{")


def another_rank(folder: Path) -> None:
    edit(folder / "adapter_config.json", '"r": 2', '"r": 4')


def another_scale(folder: Path) -> None:
    edit(folder / "adapter_config.json", '"lora_alpha": 4', '"lora_alpha": 64')


def answers_of_another_revision_of_the_base(folder: Path) -> None:
    text = (folder / ANSWERS).read_text().replace(get_base("phantom").pinned, f"phantom@{'a' * 40}")
    (folder / ANSWERS).write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    change(folder, lambda raw: raw["benchmarks"][0].update(predictions_sha256=digest))


def answers_of_another_adapter(folder: Path) -> None:
    digest = json.loads((folder / "zoo.json").read_text())["weights_sha256"]
    text = (folder / ANSWERS).read_text().replace(digest, "f" * 64)
    (folder / ANSWERS).write_text(text)
    mine = hashlib.sha256(text.encode()).hexdigest()
    change(folder, lambda raw: raw["benchmarks"][0].update(predictions_sha256=mine))


def withheld_without_need(folder: Path) -> None:
    (folder / ANSWERS).unlink()
    change(folder, lambda raw: raw["benchmarks"][0].update(publishable=False))


def the_licence_of_the_card_alone(folder: Path) -> None:
    edit(folder / "README.md", "license: apache-2.0", "license: cc0-1.0")


def a_number_in_a_sentence(folder: Path) -> None:
    edit(folder / "README.md", "## Use\n", "Its accuracy is 97.5 %.\n\n## Use\n")


CHANGES: dict[Callable[[Path], None], set[str]] = {
    in_the_index: {"card: stale README.md", "evidence: changed number"},
    in_the_table: {"card: stale README.md", "evidence: changed number"},
    in_the_results: {"card: stale .eval_results/phantom.yaml", "evidence: changed number"},
    another_weights_file: {
        "weights: adapter_model.safetensors is not the file that was scored",
        "vllm: vLLM needs both halves",
        "vllm: vLLM cannot put a tensor into its module",
    },
    truncated: {"card: the card cannot be made again", "scores: scores and answers do not agree"},
    one_answer_less: {"scores: scores and answers do not agree"},
    one_answer_edited: {"card: stale README.md", "scores: scores and answers do not agree"},
    one_answer_edited_with_its_digest: {"scores: scores and answers do not agree"},
    a_score_of_the_manifest: {"scores: scores and answers do not agree"},
    an_interval_of_the_manifest: {"scores: scores and answers do not agree"},
    answers_gone: {"card: stale README.md", "scores: scores and answers do not agree"},
    benchmarks_gone: {"evidence: claim without evidence", "scores: scores and answers do not agree"},
    a_wider_licence: {"licence: licence wider than allowed"},
    data_under_a_narrower_licence: {"licence: licence wider than allowed"},
    another_revision_of_the_base: {
        "revision: made for another revision of the base",
        "scores: scores and answers do not agree",
    },
    a_base_nobody_knows: {"base: base unknown", "scores: scores and answers do not agree"},
    two_bases: {"base: several bases"},
    no_revision: {
        "base: missing base revision",
        "revision: made for another revision of the base",
        "scores: scores and answers do not agree",
    },
    a_pickle_beside: {"weights: weights that can run code when they are loaded"},
    the_notice_gone: {
        "card: stale README.md",
        "notice: no notice that it is research software and not for patients",
    },
    another_rank: {
        "config: adapter_config.json does not fit",
        "vllm: vLLM cannot put a tensor into its module",
    },
    another_scale: {"config: adapter_config.json does not fit"},
    answers_of_another_revision_of_the_base: {"scores: scores and answers do not agree"},
    answers_of_another_adapter: {"scores: scores and answers do not agree"},
    withheld_without_need: {"evidence: answers withheld without need"},
    the_licence_of_the_card_alone: {"card: stale README.md", "licence: several licences"},
    a_number_in_a_sentence: {"card: stale README.md", "evidence: claim without evidence"},
    the_manifest_broken: {
        "manifest: broken zoo.json",
        "base: missing base revision",
        "evidence: claim without evidence",
        "scores: no valid zoo.json",
    },
}
"""What somebody may do to an adapter's folder, and all that is then found wrong."""


def test_an_adapter_as_it_was_recorded_has_no_fault_and_nothing_unknown(recorded: Any) -> None:
    checks = verify(read_repo(recorded()))
    assert [(one.name, one.faults, one.unknown, one.withheld) for one in checks] == [
        (name, (), "", "")
        for name in (
            *("manifest", "weights", "config", "base", "licence", "terms", "notice", "card", "evidence"),
            *("revision", "vllm", "scores"),
        )
    ]
    assert checks[-1].told == "12 made again from the stored answers"


@pytest.mark.parametrize("tamper", CHANGES, ids=lambda one: one.__name__.replace("_", "-"))
def test_whatever_is_changed_is_found_and_named(tamper: Callable[[Path], None], recorded: Any) -> None:
    folder = recorded()
    tamper(folder)
    assert faults(folder) == CHANGES[tamper]


def test_a_fault_tells_the_value_that_was_found_and_the_one_that_should_be(recorded: Any) -> None:
    folder = recorded()
    in_the_table(folder)
    in_the_results(folder)
    values = [fault.value for one in check(read_repo(folder)) for fault in one.faults]
    assert any("| 20 | 0.950 (" in v and "| 20 | 0.850 (" in v for v in values)
    assert any(
        v == "phantom/test accuracy all: 0.950 in a table of README.md, 0.850 in zoo.json" for v in values
    )
    said = "accuracy: 0.95 in .eval_results/phantom.yaml, 0.85 in zoo.json"
    assert any(v.endswith(said) for v in values), values


def in_the_bounds_of_the_index(folder: Path) -> None:
    edit(folder / "README.md", "low: 0.7\n", "low: 0.8\n")


def in_the_bounds_of_the_results(folder: Path) -> None:
    edit(folder / ".eval_results/phantom.yaml", "interval 0.7 to", "interval 0.8 to")


def base_and_sft_in_each_others_place(folder: Path) -> None:
    edit(folder / "README.md", "| 0.700 | 0.850 |", "| 0.850 | 0.700 |")


def a_number_of_another_row(folder: Path) -> None:
    edit(folder / "README.md", "| 20 | 0.850 (", "| 20 | 0.700 (")


IN_THE_CARD = (
    *(in_the_index, in_the_table, in_the_results, in_the_bounds_of_the_index, in_the_bounds_of_the_results),
    *(base_and_sft_in_each_others_place, a_number_of_another_row, a_number_in_a_sentence),
    the_licence_of_the_card_alone,
)
STALE = {"card: stale README.md", "card: stale .eval_results/phantom.yaml"}


def test_a_card_of_another_version_is_held_to_its_numbers_and_its_licence(
    recorded: Any, tmp_path: Path
) -> None:
    folder = recorded()
    edit(folder / "README.md", f"{WRITTEN_BY} {VERSION}.", f"{WRITTEN_BY} 0.0.9.")
    edit(folder / "README.md", "One of the adapters of", "An adapter of")
    (card,) = (one for one in verify(read_repo(folder)) if one.name == "card")
    assert (card.faults, card.unknown[:24]) == ((), "written by version 0.0.9")
    assert faults(folder) == set()
    for tamper in IN_THE_CARD:
        copy = shutil.copytree(folder, tmp_path / tamper.__name__)
        tamper(copy)
        assert faults(copy) == CHANGES.get(tamper, {"evidence: changed number"}) - STALE, tamper.__name__


def test_a_judges_name_with_a_number_in_it_is_no_claim(make_adapter: Any) -> None:
    row = {
        "metric": "completeness", "subset": "all", "dataset": "phantom", "split": "test", "value": 0.5,
        "low": 0.4, "high": 0.6, "n": 9, "fingerprint": "b" * 64, "judge": "model 4.1 facts@1",
    }  # fmt: skip
    folder = make_adapter(evaluation=[row])
    write_card(folder)
    assert [claim for claim in claims(read_repo(folder)) if not claim.backed] == []


def test_a_card_whose_lines_end_as_windows_has_them_is_the_same_card(recorded: Any) -> None:
    folder = recorded()
    for path in (folder / "README.md", folder / ".eval_results/phantom.yaml"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert faults(folder) == set()


def test_without_scoring_anew_the_check_of_a_card_sees_what_digests_show(recorded: Any) -> None:
    folder = recorded()
    one_answer_less(folder)
    assert faults(folder, check) == {f"answers: {ANSWERS} is not the file that was scored"}
    answers_gone(folder)
    assert faults(folder, check) == {"answers: claim without evidence", "card: stale README.md"}


def test_what_may_not_be_published_is_withheld_and_no_fault(recorded: Any) -> None:
    folder = recorded(datasets=("phantom", "mimic-cxr"), withheld=("mimic-cxr",))
    for looks in (check, verify):
        checks = looks(read_repo(folder))
        assert [fault for one in checks for fault in one.faults] == []
        assert "mimic-cxr" in "".join(one.withheld for one in checks)
    text = (folder / "README.md").read_text()
    assert "Answers to mimic-cxr/test are withheld" in text
    assert "| `predictions/mimic-cxr-test.jsonl` | withheld |" in text
    assert "`mimic-cxr/test/0" not in text


def foreign(folder: Path, *, readme: str = "", config: dict[str, Any] | None = None) -> Path:
    """An adapter of somebody who never heard of the zoo."""
    folder.mkdir()
    save_file({"lora_A": np.zeros((2, 8), np.float32)}, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", **(config or {})}))
    (folder / "README.md").write_text(readme)
    return folder


PLAIN = """---
base_model: some/model
license: mit
model-index:
- name: mine
  results:
  - dataset: {type: vqa-rad, name: VQA-RAD}
    metrics:
    - {type: accuracy, value: 0.93}
---
# Mine

## Evaluation results

| data | closed | open |
|---|---|---|
| VQA-RAD | 93.1 | 55.2 |

## Ranks

| r | 16 |
|---|---|
| alpha | 32 |
"""


def test_of_a_strangers_adapter_what_can_be_checked_is_and_the_rest_is_called_unknown(tmp_path: Path) -> None:
    checks = check(read_repo(foreign(tmp_path / "a", readme=PLAIN)))
    assert {f"{one.name}: {fault.what}: {fault.value}" for one in checks for fault in one.faults} == {
        "base: missing base revision: some/model at whatever commit its main branch has",
        "notice: no notice that it is research software and not for patients: README.md",
        "evidence: claim without evidence: accuracy on vqa-rad: 0.93 in model-index of README.md",
        "evidence: claim without evidence: a table under 'Evaluation results': "
        "93.1 and 1 numbers more in README.md",
    }
    assert {one.name for one in checks if one.unknown} == {
        "manifest", "weights", "config", "base", "licence", "terms", "card", "answers",
    }  # fmt: skip


def test_a_strangers_licence_is_held_against_a_base_and_data_that_are_known(tmp_path: Path) -> None:
    readme = (
        "---\nbase_model: medvlm-zoo/phantom\ndatasets: [BoKelvin/SLAKE]\nlicense: mit\n---\n"
        "For research. Not intended for clinical use.\n"
    )
    config = {"base_model_name_or_path": "medvlm-zoo/phantom", "revision": "a" * 40}
    assert faults(foreign(tmp_path / "a", readme=readme, config=config), check) == {
        "licence: licence wider than allowed"
    }
    fit = readme.replace("mit", "other\nlicense_name: apache-2.0 and cc-by-4.0")
    assert faults(foreign(tmp_path / "b", readme=fit, config=config), check) == set()
    both = readme.replace("license: mit", "license: [apache-2.0, cc-by-4.0]")
    assert faults(foreign(tmp_path / "c", readme=both, config=config), check) == set()


@pytest.mark.parametrize("readme", ["", "---\n[\n---\n", "---\n- a\n---\nx", "---\nmodel-index: 3\n---\n"])
def test_a_card_that_is_nonsense_is_a_fault_and_no_crash(readme: str, tmp_path: Path) -> None:
    assert "notice: no notice that it is research software and not for patients" in faults(
        foreign(tmp_path / "a", readme=readme), check
    )


def run(verb: Any, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(verb, arguments, catch_exceptions=False)
    return done.exit_code, done.stdout


def test_the_verbs_print_green_and_red_and_exit_with_1_on_any_fault(recorded: Any) -> None:
    folder = recorded()
    code, told = run(verify_verb, str(folder))
    assert (code, told.splitlines()[-1]) == (0, "no fault")
    assert told.count("  ok  ") == 12
    assert run(card_verb, "--check", str(folder))[0] == 0
    in_the_table(folder)
    for verb, options in ((verify_verb, ()), (card_verb, ("--check",))):
        code, told = run(verb, str(folder), *options)
        assert (code, told.splitlines()[-1]) == (1, "2 faults")
        assert "FAULT     card      stale README.md: line" in told
        assert f"next: medzoo card {folder}" in told
    code, told = run(verify_verb, str(folder), "--json")
    assert (code, json.loads(told)["faults"]) == (1, 2)
    assert run(card_verb, str(folder))[0] == 0
    assert run(verify_verb, str(folder))[0] == 0


def test_a_published_adapter_is_verified_at_its_commit(recorded: Any, hub: str) -> None:
    folder = recorded(repo="zoo/phantom-mdpo")
    shas = [publish_folder(folder, "zoo/phantom-mdpo", message="one", endpoint=hub, token="local")]
    change(folder, lambda raw: raw["evaluation"][0].update(value=0.95))
    shas.append(publish_folder(folder, "zoo/phantom-mdpo", message="two", endpoint=hub, token="local"))
    code, told = run(verify_verb, f"zoo/phantom-mdpo@{shas[0]}", "--hub", hub)
    assert (code, told.splitlines()[0]) == (0, f"zoo/phantom-mdpo@{shas[0]}")
    code, told = run(verify_verb, "zoo/phantom-mdpo", "--hub", hub)
    assert (code, "scores and answers do not agree" in told) == (1, True)


def test_a_strangers_repo_is_checked_from_the_hub_with_the_pickles_it_lists(tmp_path: Path, hub: str) -> None:
    from huggingface_hub import HfApi

    folder = foreign(tmp_path / "a", readme=PLAIN)
    a_pickle_beside(folder)
    api = HfApi(endpoint=hub, token="local")
    api.create_repo("zoo/theirs")
    api.upload_folder(repo_id="zoo/theirs", folder_path=folder)
    code, told = run(card_verb, "--check", "zoo/theirs", "--hub", hub)
    assert (code, "weights that can run code when they are loaded: adapter_model.bin" in told) == (1, True)
    code, told = run(verify_verb, "zoo/theirs", "--hub", hub)
    assert (code, "no valid zoo.json" in told) == (1, True)
