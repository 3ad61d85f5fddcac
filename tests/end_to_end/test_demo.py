"""`medzoo demo` as a newcomer runs it: once from nothing, once more with a picture of one's own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from zoo.evaluation.score import score_predictions
from zoo.phantom.scans import make_scan
from zoo.records import Prediction, read_jsonl

pytestmark = pytest.mark.slow


def demo(folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "zoo", "demo", "--once", "--port", "0", "--dir", str(folder), *words]
    behind_a_proxy = {**os.environ, "HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(command, env=behind_a_proxy, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_demo_ends_in_a_comparison_and_sft_is_better_than_the_base(tmp_path: Path) -> None:
    said = demo(tmp_path)
    table = said.rpartition("variant")[2]
    assert [line.split()[0] for line in table.splitlines()[1:5]] == ["base", "sft", "text_hallu", "mdpo"]
    predictions = read_jsonl(next(tmp_path.glob("*/evaluation/predictions.jsonl")), Prediction)
    scores = {
        s.adapter: s for s in score_predictions(predictions) if (s.metric, s.subset) == ("accuracy", "all")
    }
    assert set(scores) == {"base", "sft", "text_hallu", "mdpo"}
    sft = scores["sft"]
    assert sft.interval.n >= 500
    assert sft.over_base is not None
    assert sft.over_base.low > 0
    picture = tmp_path / "it's my scan.png"
    Image.fromarray(make_scan(1).pixels).resize((300, 200)).save(picture)
    again = demo(tmp_path, "--image", str(picture), "--question", "What's the main finding?")
    assert "medzoo pairs and medzoo train" in again
    assert "What's the main finding?" in again
    assert "step" not in again  # nothing was trained again
