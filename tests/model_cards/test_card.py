"""Model cards: their notice, code, metadata, objective, licence, citation, and how they are written."""

import ast
import os
import re
import subprocess
import sys

import pytest
import yaml
from click.testing import CliRunner
from huggingface_hub import ModelCard, parse_eval_result_entries

from model_cards import licences, words
from model_cards.card import card_files, render, stale, write_card
from model_cards.citation import bibtex
from model_cards.cli import card
from training.variants import variants
from zoo.manifest import PICTURE_NAME, Bounds, read_manifest
from zoo.notice import NOTICE

CASES = {
    "evaluated": {},
    "not evaluated": {"evaluation": []},
    "published": {"repo": "zoo/phantom-mdpo"},
    "without a paper": {
        "variant": {"name": "sft", "title": "SFT", "paper": "", "objective": [], "departures": []}
    },
    "on a base that is not declared": {"base": {"name": "b", "repo": "o/b", "revision": "a" * 40}},
    "of an unusual licence": {"license": "Research Licence v2 (a|b)"},
    "of two licences": {"license": "apache-2.0 and cc-by-nc-4.0"},
    "with a term nobody knows": {
        "variant": {
            "name": "new",
            "title": "New | method",
            "paper": "P",
            "objective": [{"term": "Warp", "factor": 9}, {"term": "Prefer"}],
        }
    },
}


@pytest.fixture(params=CASES, ids=lambda name: name.replace(" ", "-"))
def any_manifest(request, make_adapter):
    return read_manifest(make_adapter(**CASES[request.param]))


def test_every_card_holds_the_notice_in_front_of_everything_else(any_manifest):
    body = ModelCard(render(any_manifest)).text
    assert f"> **{NOTICE}**" in body.strip().splitlines()[2]


def test_every_card_is_read_back_as_it_was_written_and_is_always_the_same(any_manifest):
    text = render(any_manifest, pictured=True)
    assert str(ModelCard(text)) == text == render(any_manifest, pictured=True)


def test_no_card_has_a_broken_table_or_an_unfilled_place(any_manifest):
    text = render(any_manifest, pictured=True)
    assert not re.search(r"\{\{|\{%|\bNone\b(?! is known)|Undefined", text)
    for table in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        columns = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(columns) == 1, table


def test_the_code_on_every_card_is_python(any_manifest):
    load, ask = re.findall(r"```python\n(.*?)```", render(any_manifest), flags=re.DOTALL)
    ast.parse(load + ask)
    declared = any_manifest.base.name == "phantom"  # one line more says where a base in a folder lies
    assert len([line for line in load.splitlines() if line]) == (5 if declared else 4)


@pytest.mark.slow
def test_the_code_on_a_card_answers_a_question(make_adapter, tmp_path):
    folder = make_adapter()
    block = "".join(re.findall(r"```python\n(.*?)```", render(read_manifest(folder)), flags=re.DOTALL))
    make = f"""
from peft import LoraConfig, get_peft_model
from PIL import Image
from transformers import AutoModelForImageTextToText
from zoo.bases import get_base
model = AutoModelForImageTextToText.from_pretrained(get_base("phantom").folder)
config = LoraConfig(r=2, target_modules=r".*language_model.*q_proj")
get_peft_model(model, config).save_pretrained({str(folder)!r})
Image.new("L", (64, 64), 90).save("scan.png")
"""
    program = make + block.replace("path/to/this/folder", str(folder))
    offline = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=offline, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_metadata_names_base_data_licence_and_tags(make_adapter):
    data = ModelCard(render(read_manifest(make_adapter(repo="zoo/phantom-mdpo")))).data
    assert {key: data.get(key) for key in ("base_model", "datasets", "license", "library_name")} == {
        "base_model": "medvlm-zoo/phantom",
        "datasets": ["medvlm-zoo/phantom"],
        "license": "apache-2.0",
        "library_name": "peft",
    }
    assert data.pipeline_tag == "image-text-to-text"
    assert data.tags[:3] == ["medvlm-zoo", "mdpo", "phantom"]


def test_the_scores_in_the_metadata_are_those_of_the_manifest(make_adapter):
    folder = make_adapter(repo="zoo/phantom-mdpo")
    write_card(folder)
    data, manifest = ModelCard.load(folder / "README.md").data, read_manifest(folder)
    assert data.model_name == "zoo/phantom-mdpo"
    read = [
        (
            r.metric_type,
            r.dataset_config,
            r.dataset_split,
            r.metric_value,
            r.metric_args["low"],
            r.metric_args["n"],
        )
        for r in data.eval_results
    ]
    first = manifest.evaluation[0]
    assert read == [("accuracy", "all", "test", 0.71, 0.67, 500)]
    assert (first.value, first.low, first.n) == read[0][3:]


def test_the_eval_results_are_read_by_the_hubs_own_parser(make_adapter):
    folder = make_adapter()
    write_card(folder)
    entries = parse_eval_result_entries(yaml.safe_load((folder / ".eval_results/phantom.yaml").read_text()))
    assert [(e.dataset_id, e.task_id, e.value) for e in entries] == [
        ("medvlm-zoo/phantom", "test-all-accuracy", 0.71),
        ("medvlm-zoo/phantom", "test-side-accuracy", 0.55),
    ]
    assert entries[0].notes == f"95 % interval 0.67 to 0.75, n 500, judge rules, benchmark sha256 {'b' * 64}"


def test_a_difference_whose_interval_holds_zero_is_called_no_difference(make_adapter):
    rows = [row for row in render(read_manifest(make_adapter())).splitlines() if "| accuracy |" in row]
    assert rows == [
        "| phantom/test | accuracy | all | 500 | 0.710 (0.670 to 0.750) | 0.620 | 0.700 "
        "| +0.090 (+0.050 to +0.130) | no difference (-0.020 to +0.040) |",
        "| phantom/test | accuracy | side | 100 | 0.550 (0.510 to 0.590) | 0.500 | – "
        "| +0.050, interval not computed | – |",
    ]


BASE_AND_SFT = {"base_value": 0.5, "sft_value": 0.5}


@pytest.mark.parametrize(
    ("compared", "said"),
    [
        (
            {"over_base": {"low": 0.1, "high": 0.3}, "over_sft": {"low": -0.1, "high": 0.3}},
            "higher than the base's and is not shown to differ from SFT's",
        ),
        (
            {"over_base": {"low": 0.1, "high": 0.3, "adjusted_p": 0.2}},
            "not shown to differ from the base's",
        ),
        (
            {"over_sft": {"low": -0.4, "high": -0.1}, "sft_value": 0.9},
            "lower than SFT's",
        ),
        (
            {"over_base": {"low": 0.01, "high": 0.09, "value": 0.05}, "base_value": 0.72},
            "higher than the base's",
        ),
        (
            {"over_base": {"low": 0.1, "high": 0.3, "adjusted_p": 0.05}},
            "not shown to differ from the base's",
        ),
    ],
)  # fmt: skip
def test_a_card_says_in_short_how_the_adapter_stands_beside_base_and_sft(make_adapter, compared, said):
    row = {
        "metric": "accuracy", "subset": "all", "dataset": "phantom", "split": "test", "value": 0.7,
        "low": 0.6, "high": 0.8, "n": 9, "fingerprint": "b" * 64,
    }  # fmt: skip
    text = render(read_manifest(make_adapter(evaluation=[row | BASE_AND_SFT | compared])))
    assert f"\nIn short, on phantom/test its accuracy is {said}.\n" in text
    alone = render(read_manifest(make_adapter("alone", evaluation=[row])))
    assert "In short" not in alone


def test_a_card_explains_the_short_names_of_error_types_that_it_has(make_adapter):
    row = {
        "metric": "accuracy", "dataset": "phantom", "split": "test", "value": 0.7, "low": 0.6, "high": 0.8,
        "n": 9, "fingerprint": "b" * 64,
    }  # fmt: skip
    text = render(
        read_manifest(make_adapter(evaluation=[row | {"subset": of} for of in ("all", "MM", "LAS")]))
    )
    assert "would be about: MM modality, LAS specificity. A question may count in several." in text
    assert "would be about" not in render(read_manifest(make_adapter("without")))


def test_a_learning_rate_is_printed_without_the_dust_of_a_sum(make_adapter):
    manifest = read_manifest(make_adapter())
    training = manifest.training.model_copy(update={"learning_rate": 9.999999999999999e-05})
    assert "| learning rate | 0.0001, cosine" in render(manifest.model_copy(update={"training": training}))


def test_a_card_says_that_lora_versions_have_no_published_numbers(make_adapter):
    assert "LoRA versions have no published numbers" in render(read_manifest(make_adapter()))


def test_a_card_holds_the_objective_as_words_with_every_number(make_adapter):
    text = render(read_manifest(make_adapter()))
    assert (
        "- Prefer the chosen response under the chosen image over the rejected response under the chosen "
        "image, each measured against the reference (beta 0.1)\n"
        "- Keep the chosen response under the chosen image at least as likely as the reference has it "
        "(beta 0.1, delta 0.0)\n"
    ) in text


def the_run(manifest):
    """What a card says of the picture of a run: the lines of its part and the first words of their list."""
    found = re.search(r"### The run\n(.*?)\n### ", render(manifest, pictured=True), flags=re.DOTALL)
    return found[1], re.findall(r"^- ([\w ,]+):", found[1], flags=re.MULTILINE)


def test_a_card_shows_the_picture_of_the_run_only_where_it_lies_beside(make_adapter):
    folder = make_adapter()
    write_card(folder)
    assert "### The run" not in (folder / "README.md").read_text()
    (folder / PICTURE_NAME).write_bytes(b"a picture")
    assert stale(folder) == ["README.md"] == write_card(folder)
    text = (folder / "README.md").read_text()
    assert re.search(r"^!\[[^]]+\]\(training\.png\)$", text, flags=re.MULTILINE)
    assert "[`log.jsonl`](log.jsonl) holds the numbers" in text


def test_a_card_explains_the_numbers_that_the_objective_has_and_no_others(make_adapter):
    def of(name, *objective):
        return read_manifest(make_adapter(name, variant={"name": name, "objective": list(objective)}))

    kl = {"term": "TokenKL", "branch": "chosen", "weight": 0.01}
    prefer = {"term": "Prefer", "preferred": "chosen", "over": "rejected_response", "beta": 0.1}
    assert the_run(of("sft", {"term": "Imitate", "branch": "chosen"}))[1] == ["Loss", "Gradient norm"]
    assert the_run(of("dpo", prefer))[1] == ["Loss", "Reward", "Margin", "KL, estimate", "Gradient norm"]
    assert the_run(of("rrpo", prefer, kl))[1] == [
        "Loss", "Reward", "Margin", "KL, estimate", "KL, over the vocabulary", "Gradient norm",
    ]  # fmt: skip
    assert the_run(of("fisao", {"term": "Reinforce", "branch": "chosen"}, kl))[1] == [
        "Loss", "KL, estimate", "KL, over the vocabulary", "Gradient norm",
    ]  # fmt: skip
    assert the_run(of("new", {"term": "Warp", "factor": 9}))[1] == ["Loss", "Gradient norm"]


def test_a_card_says_where_prompts_were_not_shared_and_how_the_base_was_kept(make_adapter):
    folder = make_adapter()
    plain = read_manifest(folder)
    assert "| prompts |" not in render(plain)
    assert "| precision, seed | float32, 0 |" in render(plain)
    training = {"shared_prompts": False, "dtype": "bfloat16", "quantization": "4bit"}
    text = render(plain.model_copy(update={"training": plain.training.model_copy(update=training)}))
    assert "| prompts | run anew with each response, which LoRA dropout calls for |" in text
    assert "| precision, seed | bfloat16, the base kept in 4bit, 0 |" in text


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        (None, "+0.100, interval not computed"),
        (Bounds(low=-0.01, high=0.2), "no difference (-0.010 to +0.200)"),
        (Bounds(low=0.01, high=0.2), "+0.100 (+0.010 to +0.200)"),
    ],
)
def test_a_difference_is_said_with_its_interval(interval, said):
    assert words.difference(0.6, 0.5, interval) == said


def test_an_adapter_is_not_compared_with_itself():
    assert words.difference(0.5, 0.5, None) == "–"


def test_a_licence_the_hub_does_not_know_is_named_and_linked():
    assert licences.metadata("LLaVA-Med Terms", link="https://example.org") == {
        "license": "other",
        "license_name": "llava-med-terms",
        "license_link": "https://example.org",
    }


def test_of_two_licences_both_are_told():
    told = licences.sentence("apache-2.0 and cc-by-nc-4.0")
    assert told.count("`apache-2.0`: ") == told.count("`cc-by-nc-4.0`: Forbids commercial use") == 1
    assert licences.sentence("apache-2.0 and mine") == licences.UNKNOWN


def test_a_card_is_written_once_and_then_up_to_date(make_adapter):
    folder = make_adapter()
    (folder / ".eval_results").mkdir()
    (folder / ".eval_results" / "gone.yaml").write_text("[]")
    every = [".eval_results/gone.yaml", ".eval_results/phantom.yaml", "README.md"]
    assert stale(folder) == every
    assert write_card(folder) == every
    assert (stale(folder), write_card(folder)) == ([], [])
    assert {name: (folder / name).read_text() for name in every[1:]} == card_files(folder)
    assert not (folder / ".eval_results" / "gone.yaml").exists()


def test_check_writes_nothing_and_exits_1_while_the_card_is_stale(recorded):
    folder = recorded()

    def run(*arguments):
        return CliRunner().invoke(card, [str(folder), *arguments], catch_exceptions=False)

    (folder / "README.md").unlink()
    assert (run("--check").exit_code, (folder / "README.md").exists()) == (1, False)
    assert (run().exit_code, run("--check").exit_code) == (0, 0)
    assert run().output == f"the card in {folder} is up to date\n"
    (folder / "README.md").write_text("mine")
    checked = run("--check")
    assert (checked.exit_code, "stale README.md" in checked.output) == (1, True)


@pytest.mark.parametrize(
    "arguments", [(), ("no-folder",), ("--overview", "zoo/a"), ("zoo/a", "--check", "--out", "x")]
)
def test_a_card_of_nothing_or_of_two_things_is_refused(arguments):
    assert CliRunner().invoke(card, arguments).exit_code == 2


def test_a_staged_ablation_tells_its_stages_and_what_was_set(make_adapter):
    stage = {
        "variant": "sft", "weights_sha256": "e" * 64, "pairs": 50, "pairs_fingerprint": "f" * 64,
        "learning_rate": 0.002, "epochs": 3, "steps": 12, "seconds": 4.0,
    }  # fmt: skip
    folder = make_adapter("staged", variant={"name": "mdpo", "settings": {"beta": "0.2"}}, earlier=[stage])
    text = render(read_manifest(folder))
    assert (
        "| stage 1 | sft: 50 pairs, 3 epochs, 12 steps, learning rate 0.002; weights `eeeeeeeeeeee` |" in text
    )
    assert "| set otherwise than declared | beta 0.2 |" in text


def test_every_paper_of_a_variant_is_cited_with_its_title_and_so_is_the_adapter(make_adapter):
    assert variants()
    for variant in variants().values():
        folder = make_adapter(variant.name, variant={"name": variant.name, "paper": variant.paper})
        cited = bibtex(read_manifest(folder))
        numbers = re.findall(r"\d{4}\.\d{5}", variant.paper)
        assert re.findall(r"eprint = \{(.*)\}", cited) == numbers
        assert cited.count("  title = {") == cited.count("@misc{") == len(numbers) + 1
        keys = re.findall(r"@misc\{(.*),", cited)
        assert len(set(keys)) == len(keys)


def test_a_citation_is_bibtex(make_adapter):
    paper = {"paper": "FiRe-MPO, arXiv 2606.12590; after Sarkar et al. 2025, arXiv 2504.12083"}
    manifest = read_manifest(make_adapter(repo="zoo/phantom-mdpo", variant=paper))
    assert bibtex(manifest) == (
        "@misc{firempo2026,\n"
        "  title = {Analyzing and Improving Fine-grained Preference Optimization in Medical LVLMs},\n"
        "  year = {2026},\n  eprint = {2606.12590},\n  archivePrefix = {arXiv}\n}\n\n"
        "@misc{sarkar2025,\n"
        "  author = {Sarkar and others},\n"
        "  title = {Self-alignment of Large Video Language Models with Refined Regularized Preference "
        "Optimization},\n"
        "  year = {2025},\n  eprint = {2504.12083},\n  archivePrefix = {arXiv}\n}\n\n"
        "@misc{medvlm_zoo_zoo_phantom_mdpo,\n"
        "  title = {zoo/phantom-mdpo: mdpo on phantom},\n  year = {2026},\n"
        f"  note = {{MedVLM Zoo, weights sha256 {manifest.weights_sha256}}}\n}}"
    )


@pytest.mark.parametrize(("rank", "room"), [(2, 8), (8, 8), (9, 16), (128, 128), (1000, 1000)])
def test_vllm_is_told_a_rank_that_it_knows(rank, room):
    assert words.vllm_rank(rank) == room
