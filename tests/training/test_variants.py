"""The variants: what each declares, that each trains, and that a new one is one file."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import training.variants
from training.cli.variants import variants as verb
from training.describe import in_full, summary
from training.objective import as_data
from training.stages import Job, Sources, run_stages
from training.variants import declarations, get_variant, variants
from zoo.bases import get_base
from zoo.datasets import Given, QuestionSet, load_questions
from zoo.errors import BadDeclaration, BadInput, UnknownName
from zoo.manifest import read_manifest
from zoo.vlm.bank import AdapterBank
from zoo.vlm.model import load_base

METHODS = {
    "sft", "text_hallu", "text_hallu_nll", "text_noise", "text_noise_nll", "irpo", "image_noise", "image_roi",
    "mdpo", "mmedpo", "mmedpo_joint", "targeted_dpo", "targeted_copo", "targeted_mdpo", "fire_mpo", "rrpo",
    "rrpo_phrase_kl", "mask_dpo", "mask_dpo_phrase", "self_rewarding", "povid", "sima", "stllava_med",
    "fisao_style", "dpo",
}  # fmt: skip
"""Every method of the three papers, and plain DPO."""


def questions_with_rejections(limit: int) -> QuestionSet:
    """Phantom questions, each with a rejected response and a weight, as released pairs have them."""
    found = load_questions("phantom", "train", limit=limit)
    given = {
        q.id: Given(rejected=f"not {q.answer}", weight=n % 11 / 10) for n, q in enumerate(found.questions)
    }
    return replace(found, given=given)


def test_the_folder_holds_every_method_and_a_near_name_is_suggested() -> None:
    assert set(variants()) >= METHODS
    with pytest.raises(UnknownName, match="did you mean 'mdpo'"):
        get_variant("mdop")


@pytest.mark.parametrize("name", sorted(variants()))
def test_every_variant_names_its_paper_and_its_pairs_hold_all_that_its_objective_reads(name: str) -> None:
    variant = get_variant(name)
    assert variant.lacks == ""
    assert variant.title
    assert "arXiv" in variant.paper
    json.dumps(in_full(variant))


@pytest.mark.parametrize("name", sorted(variants()))
def test_every_variant_trains_a_few_steps_and_reloads(name: str, tmp_path: Path) -> None:
    """From questions to an adapter that the bank takes, through every stage and round."""
    base = get_base("phantom")
    job = Job(
        sources=Sources(questions=questions_with_rejections(24), seed=0),
        seed=0,
        changes={"learning_rate": 1e-3, "epochs": 1, "batch_size": 8},
    )
    manifest = run_stages(load_base(base), get_variant(name), job, tmp_path / "adapter")
    assert manifest == read_manifest(tmp_path / "adapter")
    assert manifest.variant.objective == as_data(get_variant(name).objective)
    assert manifest.training.steps >= 1
    assert manifest.data.made_by or not get_variant(name).steps
    stages = len(get_variant(name).earlier) + get_variant(name).rounds
    assert len(manifest.earlier) == stages - 1
    if stages > 1:
        assert manifest.training.start_from.endswith(manifest.earlier[-1].weights_sha256[:12])
        assert manifest.training.reference == manifest.training.start_from
    vlm = load_base(base)
    bank = AdapterBank(vlm, slots=2)
    bank.load(1, tmp_path / "adapter", manifest)
    assert bank.resident[1] == manifest.weights_sha256
    logs = [json.loads(line) for line in (tmp_path / "adapter" / "log.jsonl").read_text().splitlines()]
    assert all(torch.isfinite(torch.tensor(entry["loss"])) for entry in logs)


def test_the_verb_lists_every_variant_with_objective_needs_paper_and_departures() -> None:
    text = CliRunner().invoke(verb, []).output
    for name in METHODS:
        row = summary(get_variant(name))
        for value in (name, row["objective"], row["needs"], row["paper"], *row["departures"]):
            assert value in text


def test_the_verb_prints_one_variant_in_full() -> None:
    text = CliRunner().invoke(verb, ["fire_mpo"]).output
    shown = (
        "term TokenKL",
        "weight 0.1",
        "name MinimalEdit",
        "sigma 45",
        "corruption: lesion",
        "one of v3, v1, v2",
    )
    for words in shown:
        assert words in text


def test_an_ablation_is_checked_against_the_declared_fields() -> None:
    without = get_variant("fire_mpo", {"kl": "none"})
    assert [term["term"] for term in as_data(without.objective)] == ["Prefer", "Prefer"]
    assert without.settings == {"kl": "none"}
    assert as_data(get_variant("mdpo", {"beta": "0.2"}).objective)[2]["beta"] == 0.2
    assert get_variant("sft", {"epochs": "1"}).numbers.epochs == 1
    with pytest.raises(BadInput, match="kl is 'no'"):
        get_variant("fire_mpo", {"kl": "no"})
    with pytest.raises(UnknownName, match="no field of this variant is named 'gama'"):
        get_variant("fire_mpo", {"gama": "1"})
    with pytest.raises(BadInput, match="beta is 'high', not float"):
        get_variant("dpo", {"beta": "high"})


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("epochs", "0", "epochs is 0"),
        ("batch_size", "0", "batch_size is 0"),
        ("rank", "-1", "rank is -1"),
        ("learning_rate", "0", "learning_rate is 0.0"),
        ("learning_rate", "nan", "learning_rate is 'nan', not a finite number"),
        ("beta", "inf", "beta is 'inf', not a finite number"),
        ("warmup_ratio", "3", "warmup_ratio is 3.0"),
        ("schedule", "linear", "schedule is 'linear'"),
    ],
)
def test_a_number_that_no_run_can_have_is_refused(field: str, value: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        get_variant("dpo", {field: value})


def test_what_only_the_likeliest_tokens_are_read_of_is_needed_too() -> None:
    """POVID's second stage teacher-forces the chosen response on a rejected image that it reads nothing else
    of."""
    povid = get_variant("povid")
    assert "rejected image" in summary(povid)["needs"]
    without = replace(povid, steps=povid.steps[:1])
    assert without.lacks == "its objective reads rejected_images, which no step makes"


def test_an_ablation_is_recorded_in_the_manifest(tmp_path: Path) -> None:
    job = Job(sources=Sources(questions=questions_with_rejections(16), seed=0), seed=0, changes={"epochs": 1})
    settings = {"halves": "text", "text": "given", "weights": "raw"}
    manifest = run_stages(
        load_base(get_base("phantom")), get_variant("mmedpo", settings), job, tmp_path / "a"
    )
    assert manifest.variant.settings == settings
    assert manifest.variant.objective[0]["weights"] == "raw"
    assert manifest.data.steps == [{"name": "Given"}]
    assert any("halves text" in departure for departure in manifest.variant.departures)


NEW = '''"""Anchored imitation, for a test."""

from training.grid import Branch
from training.objective import Anchor, Imitate
from training.variant import Variant

VARIANT = Variant(
    title="New", paper="arXiv 0000.00000", objective=(Imitate(Branch.CHOSEN), Anchor(Branch.CHOSEN))
)
'''


@pytest.fixture
def folder_of_variants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Callable[[str, str], None]":
    """Call it with a name and a file's text to add a variant in a temporary folder."""
    folder = tmp_path / "more"
    folder.mkdir()
    monkeypatch.setattr(training.variants, "__path__", [*training.variants.__path__, str(folder)])

    def add(name: str, text: str) -> None:
        (folder / f"{name}.py").write_text(text)
        declarations.cache_clear()
        variants.cache_clear()

    yield add
    for name in [name for name in sys.modules if name.startswith("training.variants.")]:
        if name.rpartition(".")[2] not in METHODS:
            del sys.modules[name]
    declarations.cache_clear()
    variants.cache_clear()


def test_a_new_variant_is_one_file(folder_of_variants: Callable[[str, str], None], tmp_path: Path) -> None:
    known = set(variants())
    folder_of_variants("quite_new", NEW)
    assert {"quite_new"} == set(variants()) - known
    job = Job(
        sources=Sources(questions=load_questions("phantom", "train", limit=16), seed=0),
        seed=0,
        changes={"epochs": 1},
    )
    manifest = run_stages(load_base(get_base("phantom")), get_variant("quite_new"), job, tmp_path / "adapter")
    assert manifest.variant.name == "quite_new"


def test_a_file_that_declares_nothing_or_lacks_its_pairs_is_refused(
    folder_of_variants: Callable[[str, str], None],
) -> None:
    folder_of_variants("quite_bare", NEW.replace("Anchor(Branch.CHOSEN))", "Anchor(Branch.REJECTED_IMAGE))"))
    with pytest.raises(BadDeclaration, match=r"quite_bare.*reads rejected_images, which no step makes"):
        variants()
    folder_of_variants("an_empty_one", "NAME = 1\n")
    with pytest.raises(BadDeclaration, match=r"an_empty_one.py declares no VARIANT"):
        declarations()
