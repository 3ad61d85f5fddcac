"""`medzoo merge`: a base with an adapter in its weights, in every architecture, under names that all read."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from peft import PeftModel
from safetensors.torch import load_file
from tqdm import tqdm

from model_cards.merged import card_files
from tests._adapters import random_adapter
from tests._stand_ins import REAL
from tests.conftest import MakeAdapter
from training.cli.merge import merge
from zoo.bases import Base, folder_revision, forget_base, get_base, keep_base, known_base
from zoo.errors import BadInput, DigestMismatch, WrongBase
from zoo.licences import LICENCES
from zoo.manifest import read_manifest, write_manifest
from zoo.vlm.builders.stand_in import build_stand_in
from zoo.vlm.model import load_base
from zoo.vlm.names import module_name

TARGETS = re.compile(r"model\.language_model\.layers\.\d+\.\w+\.(q_proj|up_proj)\.weight")


@pytest.fixture(scope="module", params=["phantom", *REAL])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Base]:
    """Phantom, and a small stand-in of each real base, kept as the user's own."""
    if request.param == "phantom":
        yield get_base("phantom")
        return
    folder = tmp_path_factory.mktemp("base") / "it"
    build_stand_in(known_base(request.param), folder)
    yield keep_base(request.param, revision=folder_revision(folder), folder=folder)
    forget_base(request.param)


@pytest.fixture
def phantom_adapter(tmp_path: Path) -> Path:
    """A random adapter on every layer of phantom."""
    random_adapter(tmp_path / "adapter", load_base(get_base("phantom"), device="cpu"), seed=1, rank=2)
    return tmp_path / "adapter"


def test_the_weights_are_those_that_peft_merges_and_all_else_is_the_bases_to_the_byte(
    base: Base, tmp_path: Path
) -> None:
    vlm = load_base(base, device="cpu", dtype="float32")
    random_adapter(tmp_path / "adapter", vlm, seed=1, rank=4, use_rslora=True, targets=("q_proj", "up_proj"))

    said = _merge(tmp_path / "adapter", tmp_path / "merged", "--shard-gb", "0.0002")

    assert said.exit_code == 0, said.output
    assert base.folder is not None
    before, after = _tensors(base.folder), _tensors(tmp_path / "merged")
    assert after.keys() == before.keys()
    differing = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert differing == {name for name in before if TARGETS.fullmatch(name)}
    assert f"{len(differing)} layers changed" in said.output
    changed = PeftModel.from_pretrained(vlm.model, str(tmp_path / "adapter")).merge_and_unload().state_dict()
    merged = load_base(base, device="cpu", dtype="float32", folder=tmp_path / "merged").model.state_dict()
    assert merged.keys() == changed.keys()
    for name, tensor in changed.items():
        torch.testing.assert_close(merged[name], tensor, atol=1e-6, rtol=2**-8)


def test_a_clip_tower_has_the_names_that_vllm_reads_also_where_the_base_has_not(
    phantom_adapter: Path, tmp_path: Path
) -> None:
    assert _merge(phantom_adapter, tmp_path / "merged").exit_code == 0

    towers = [name for name in load_file(tmp_path / "merged/model.safetensors") if "vision_tower" in name]
    assert len(towers) == 71
    assert all(name.startswith("vision_tower.vision_model.") for name in towers)


def test_card_and_record_say_what_was_merged(phantom_adapter: Path, tmp_path: Path) -> None:
    said = _merge(phantom_adapter, tmp_path / "merged")

    record = json.loads((tmp_path / "merged/merge.json").read_text())
    manifest = read_manifest(phantom_adapter)
    assert (record["base"], record["adapter"], record["adapter_sha256"], record["layers"]) == (
        get_base("phantom").pinned,
        "adapter",
        manifest.weights_sha256,
        21,
    )
    assert 0.99 < record["changed"] <= 1
    card = (tmp_path / "merged/README.md").read_text()
    assert manifest.weights_sha256 in card
    assert "never for diagnosis or treatment" in card
    assert "base_model: medvlm-zoo/phantom" in card
    assert "not evaluated" in card
    assert "next: hf upload" in said.output


def test_terms_that_go_along_lie_beside_the_weights_and_are_asked_for(
    phantom_adapter: Path, tmp_path: Path
) -> None:
    licence = "health-ai-developer-foundations"
    manifest = read_manifest(phantom_adapter)
    write_manifest(phantom_adapter, manifest.model_copy(update={"license": licence}))
    out = tmp_path / "merged"

    said = _merge(phantom_adapter, out).output

    assert (out / "NOTICE").read_text() == f"{LICENCES[licence].notice}\n"
    assert f"  its terms go along with it: save {LICENCES[licence].link} as {out / 'LICENSE'} first\n" in said
    card = (out / "README.md").read_text()
    assert f"> {LICENCES[licence].notice}" in card
    assert "the base's, with an adapter's change added" in card
    assert "a LoRA;" not in card


@pytest.mark.parametrize("name", REAL)
def test_the_card_says_what_the_licence_of_the_base_means_in_its_own_words(
    name: str, make_adapter: MakeAdapter
) -> None:
    base = known_base(name)
    card = card_files(base, read_manifest(make_adapter()), identity="x", title="merged")["README.md"]
    for term in base.terms:
        assert f"\n- {term.says} ({term.source})\n" in f"{card}\n"


def test_an_adapter_of_another_commit_or_of_other_bytes_is_refused_and_nothing_is_written(
    phantom_adapter: Path, tmp_path: Path
) -> None:
    manifest = read_manifest(phantom_adapter)
    other = manifest.model_copy(update={"base": manifest.base.model_copy(update={"revision": "0" * 40})})
    write_manifest(phantom_adapter, other)
    refused = _merge(phantom_adapter, tmp_path / "merged").exception
    assert isinstance(refused, WrongBase)
    assert refused.hint.startswith("install the version of medvlm-zoo that has that revision")
    write_manifest(phantom_adapter, manifest)
    weights = phantom_adapter / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    assert isinstance(_merge(phantom_adapter, tmp_path / "merged").exception, DigestMismatch)
    assert not (tmp_path / "merged").exists()


def test_what_was_stopped_goes_on(
    phantom_adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _merge(phantom_adapter, tmp_path / "whole", "--shard-gb", "0.0005").exit_code == 0
    with monkeypatch.context() as patched:
        patched.setattr("zoo.vlm.merge._share_changed", _stop)
        assert _merge(phantom_adapter, tmp_path / "merged", "--shard-gb", "0.0005").exit_code == 1
    with pytest.raises(BadInput, match="unfinished"):
        load_base(get_base("phantom"), device="cpu", folder=tmp_path / "merged")

    assert _merge(phantom_adapter, tmp_path / "merged", "--shard-gb", "0.0005").exit_code == 0

    whole, gone_on = (sorted((tmp_path / name).glob("*.safetensors")) for name in ("whole", "merged"))
    assert [path.read_bytes() for path in gone_on] == [path.read_bytes() for path in whole]


def test_what_is_finished_is_said_to_be_and_another_is_refused(phantom_adapter: Path, tmp_path: Path) -> None:
    out, base = tmp_path / "merged", get_base("phantom").pinned
    first = _merge(phantom_adapter, out)
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}

    again = _merge(phantom_adapter, out)

    assert (again.exit_code, again.stdout) == (0, first.stdout)
    assert again.stderr == f"{out} is finished already: {base} with adapter\n"
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before
    other = tmp_path / "other"
    random_adapter(other, load_base(get_base("phantom"), device="cpu"), seed=2, rank=2)
    refused = _merge(other, out).exception
    assert isinstance(refused, BadInput)
    assert (refused.message, refused.hint) == (
        f"{out} holds a finished merge of {base} with adapter",
        "choose a new folder",
    )
    (out / "merge.json").write_text("{}")
    broken = _merge(other, out).exception
    assert isinstance(broken, BadInput)
    assert broken.message == f"{out / 'merge.json'} cannot be read"
    (out / "merge.json").unlink()
    unknown = _merge(phantom_adapter, out).exception
    assert isinstance(unknown, BadInput)
    assert unknown.message == f"{out} is not empty"


def test_the_bar_ends_full_once_all_was_written_checked_and_compared(
    phantom_adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars = []

    class Noted(tqdm):  # type: ignore[type-arg]
        def close(self) -> None:
            bars.append((self.desc, self.n == self.total, self.total))
            super().close()

    monkeypatch.setattr("zoo.vlm.merge.tqdm", Noted)
    assert _merge(phantom_adapter, tmp_path / "merged").exit_code == 0
    size = (tmp_path / "merged/model.safetensors").stat().st_size
    ((desc, full, total),) = dict.fromkeys(bars)
    assert (desc, full) == ("merged (write, check, compare)", True)
    assert 2 * size < total < 4 * size


def _stop(*_: object) -> float:
    raise KeyboardInterrupt


def _merge(adapter: Path, out: Path, *options: str) -> Result:
    return CliRunner().invoke(merge, [str(adapter), "--out", str(out), *options])


def _tensors(folder: Path) -> dict[str, torch.Tensor]:
    """All weights in a folder by the names of the modules that take them."""
    kind = json.loads((folder / "config.json").read_text())["model_type"]
    found = [load_file(path) for path in sorted(folder.glob("*.safetensors"))]
    return {module_name(name, kind): tensor for one in found for name, tensor in one.items()}
