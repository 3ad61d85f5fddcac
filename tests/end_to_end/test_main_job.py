"""The whole chain as a user types it: hub, pairs, train, evaluate, publish, pull, serve, compare."""

import base64
import io
import itertools
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from zoo.asking import Sampling
from zoo.datasets import load_questions

VARIANTS = ("sft", "text_hallu", "mdpo")
pytestmark = pytest.mark.slow


class Chain:
    """Verbs as child processes in one folder, with one embedded Hub."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hub = ""

    @property
    def environment(self) -> dict[str, str]:
        mine = {"HF_HOME": str(self.folder / "cache"), "HF_TOKEN": "local", "PYTHONUNBUFFERED": "1"}
        return {**os.environ, **mine, "HF_ENDPOINT": self.hub or "http://127.0.0.1:9"}

    def verb(self, *words: str) -> str:
        """Run a verb and give what it printed."""
        command = [sys.executable, "-m", "zoo", *words]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, f"medzoo {' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    @contextmanager
    def server(self, *words: str) -> Iterator[str]:
        """Run a verb that serves; its address."""
        command = [sys.executable, "-m", "zoo", *words]
        with subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, text=True) as child:
            try:
                assert child.stdout is not None
                yield next(w for line in child.stdout for w in line.split() if w.startswith("http://"))
            finally:
                child.terminate()


def ask(url: str, image: bytes, question: str, adapters: Sequence[str]) -> list[dict[str, Any]]:
    body = {
        "images": [f"data:image/png;base64,{base64.b64encode(image).decode()}"],
        "question": question,
        "adapters": list(adapters),
        "max_tokens": Sampling().max_tokens,
    }
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/compare", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=300) as reply:
        answers: list[dict[str, Any]] = json.load(reply)["answers"]
        return answers


def test_three_adapters_trained_published_and_served_give_their_own_answers_equal_to_peft(
    tmp_path: Path,
) -> None:
    chain = Chain(tmp_path)
    questions = load_questions("phantom", "test", limit=24)
    images = {}
    for question in questions.questions:
        buffer = io.BytesIO()
        questions.open_image(question.images[0]).save(buffer, "PNG")
        images[question.id] = buffer.getvalue()
    with chain.server("hub", "serve", "--root", str(tmp_path / "hub"), "--port", "0") as hub:
        chain.hub = hub
        for name in VARIANTS:
            chain.verb("pairs", name, "--limit", "96", "--out", str(tmp_path / "pairs" / name))
            chain.verb(
                *("train", name, "--pairs", str(tmp_path / "pairs" / name), "--out", str(tmp_path / name)),
                *("--epochs", "4", "--learning-rate", "1e-2"),
            )
        folders = [str(tmp_path / name) for name in VARIANTS]
        said = chain.verb("evaluate", *folders, "--limit", "40", "--out", str(tmp_path / "ev"), "--record")
        table = chain.verb("score", str(tmp_path / "ev" / "predictions.jsonl"))
        assert "95 % interval" in table
        assert table.strip() in said
        pinned, pulled = {}, {}
        for name in VARIANTS:
            said = chain.verb("publish", str(tmp_path / name), f"local/phantom-{name}")
            pinned[name] = next(word for word in said.split() if word.startswith(f"local/phantom-{name}@"))
            chain.verb("pull", pinned[name], "--to", str(tmp_path / "pulled" / name))
            pulled[name] = tmp_path / "pulled" / name
        listed = chain.verb("ls")
        assert all(f"local/phantom-{name}" in listed for name in VARIANTS)
        options = [word for name in VARIANTS for word in ("--adapter", pinned[name])]
        with chain.server("serve", *options, "--port", "0", "--no-page") as url:
            served = {
                q.id: ask(url, images[q.id], q.prompt, ["base", *VARIANTS]) for q in questions.questions
            }
    for answers in served.values():
        assert [a["variant"] for a in answers[1:]] == list(VARIANTS)
        assert [a["id"] for a in answers[1:]] == [pinned[name] for name in VARIANTS]
    texts = {
        name: [served[q.id][i]["text"] for q in questions.questions]
        for i, name in enumerate(("base", *VARIANTS))
    }
    for a, b in itertools.combinations(texts, 2):
        assert texts[a] != texts[b], f"{a} and {b} gave the same answer to every question"
    for name in VARIANTS:
        _equals_peft(pulled[name], questions, texts[name])


def _equals_peft(folder: Path, questions: Any, texts: list[str]) -> None:
    """What was served is what PEFT gives with the pulled folder; log-probs through the bank too."""
    from peft import PeftModel

    from zoo.bases import get_base
    from zoo.manifest import read_manifest
    from zoo.vlm.bank import AdapterBank
    from zoo.vlm.decode import Row
    from zoo.vlm.generate import generate
    from zoo.vlm.model import load_base
    from zoo.vlm.score import score, score_row

    alone, banked = load_base(get_base("phantom")), load_base(get_base("phantom"))
    PeftModel.from_pretrained(alone.model, str(folder))
    AdapterBank(banked, slots=2, max_rank=16).load(1, folder, read_manifest(folder))
    for question, text in zip(questions.questions, texts, strict=True):
        features = alone.encode_images([questions.open_image(question.images[0])])
        assert generate(alone, [Row(features, question.prompt)])[0].text == text
        with torch.no_grad():
            expected, _ = score(alone, [score_row(alone, features, question.prompt, question.answer)])
            row = score_row(banked, features, question.prompt, question.answer, slot=1)
            torch.testing.assert_close(score(banked, [row])[0], expected, atol=1e-4, rtol=1e-4)
