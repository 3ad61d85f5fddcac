"""The loop closes: what raters preferred is what an adapter that is trained on their ratings prefers."""

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import torch
from click.testing import CliRunner

from serving.annotations.export import export
from tests.serving.annotations._rated_list import rated_list
from training.cli.train import train
from training.start import read_start
from zoo.bases import get_base
from zoo.images import open_image
from zoo.manifest import read_manifest
from zoo.records import PreferencePair, read_jsonl
from zoo.vlm.lora import TrainableLora
from zoo.vlm.model import VisionLanguageModel, load_base
from zoo.vlm.score import score, score_row

UNTRUE = {"bad": ("none", 1), "good": ("minor", 2), "base": ("cannot judge", None)}
STRICTER = {"bad": ("minor", 1), "good": ("severe", 2), "base": ("cannot judge", None)}
"""Both prefer what the base holds to be wrong, so that only their ratings can have taught it."""


def margins(vlm: VisionLanguageModel, pairs: Sequence[PreferencePair], folder: Path) -> torch.Tensor:
    """(pairs,): log-prob of the chosen response less that of the rejected one."""
    found = []
    for pair in pairs:
        features = vlm.encode_images([open_image(folder / name) for name in pair.images])
        assert pair.rejected is not None
        rows = [score_row(vlm, features, pair.prompt, text) for text in (pair.chosen, pair.rejected)]
        chosen, rejected = score(vlm, rows)[0].sum(dim=1)
        found.append(chosen - rejected)
    return torch.stack(found)


def test_an_adapter_trained_on_exported_pairs_prefers_what_the_raters_did(tmp_path: Path) -> None:
    desk, made = rated_list(tmp_path / "ratings.db", [(UNTRUE, STRICTER)] * 8)
    pairs_folder, out = tmp_path / "pairs", tmp_path / "adapter"
    with zipfile.ZipFile(io.BytesIO(export(desk, made.id, "pairs.zip"))) as archive:
        archive.extractall(pairs_folder)
    desk.close()
    asked = ("rated_dpo", "--dataset", "rated", "--data-dir", str(pairs_folder), "--out", str(out))
    done = CliRunner().invoke(
        train, [*asked, "--epochs", "6", "--batch-size", "8", "--learning-rate", "1e-2"]
    )
    assert done.exit_code == 0, done.output

    pairs = read_jsonl(pairs_folder / "pairs.jsonl", PreferencePair)
    assert sorted({pair.weight for pair in pairs}) == [0.75]
    manifest = read_manifest(out)
    assert (manifest.variant.name, manifest.data.dataset, manifest.data.split) == (
        "rated_dpo",
        "rated",
        "train",
    )
    assert manifest.data.pairs == len(pairs) == 8
    trained_on = read_jsonl(out / "pairs" / "pairs.jsonl", PreferencePair)
    assert {(p.question_id, p.weight) for p in trained_on} == {(p.id, p.weight) for p in pairs}
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert log[-1]["margin_over_rejected_response"] > log[0]["margin_over_rejected_response"]

    vlm = load_base(get_base("phantom"))
    start = read_start(vlm, out)
    with torch.no_grad():
        before = margins(vlm, pairs, pairs_folder)
        lora = TrainableLora(vlm, start.lora, seed=0, start=start.tensors)
        after = margins(vlm, pairs, pairs_folder)
        lora.remove()
    assert (before > 0).float().mean() < 0.5
    assert (after > 0).float().mean() > 0.5
    assert (after > before).float().mean() > 0.8
