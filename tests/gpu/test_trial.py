"""The trial of `make gpu` on a tiny model and the CPU: the same code, so that it runs where a GPU is."""

import json
import math
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*words: str, **environment: str) -> str:
    """What the trial prints."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.gpu", *words],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_trial_measures_every_way_of_training_and_trl(tmp_path: Path) -> None:
    pytest.importorskip("trl")
    out = tmp_path / "gpu.json"
    assert run(str(out), "--tiny").endswith(f"written to {out}\n")
    figures = json.loads(out.read_text())
    bases = ("float32", "float32_4bit", "float32_8bit")
    of_a_run = ("pairs_per_s", "tokens_per_s", "cold_pairs_per_s", "peak_gib")
    ways = ("", "checkpointed_")
    expected = {f"{base}_load_s" for base in bases}
    expected |= {
        f"{b}_{variant}_{way}{figure}"
        for b, variant, way, figure in product(bases, ("dpo", "mdpo"), ways, of_a_run)
    }
    expected |= {f"trl_{way}{figure}" for way, figure in product(ways, ("pairs_per_s", "peak_gib"))}
    expected |= {f"dpo_{way}speedup_over_trl" for way in ways}
    compared = ("seconds", "over_base_batch", "base_rows_over_base_batch")
    compared += ("speedup_vs_peft_sequential", "speedup_vs_peft_mixed")
    expected |= {f"{base}_compare8_{figure}" for base, figure in product(bases[:2], compared)}
    loads = ("seconds", "over_copy", "over_bytes", "over_digest", "from_memory_over_copy")
    loads += ("speedup_vs_peft", "speedup_vs_peft_undrawn")
    expected |= {f"adapter_load_{figure}" for figure in loads}
    numbers = {name: value for name, value in figures.items() if isinstance(value, float)}
    assert numbers.keys() == expected
    assert all(value > 0 and math.isfinite(value) for value in numbers.values())
    assert figures["device"].startswith("CPU")


@pytest.mark.slow
def test_without_a_gpu_the_trial_says_that_it_is_skipped(tmp_path: Path) -> None:
    assert run(str(tmp_path / "gpu.json"), CUDA_VISIBLE_DEVICES="") == "no GPU here: skipped\n"
    assert not (tmp_path / "gpu.json").exists()
