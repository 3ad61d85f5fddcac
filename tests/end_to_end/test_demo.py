"""`medzoo demo` as a newcomer runs it: once from nothing, once more with a picture of one's own; and what it
has published, as a stranger takes it: by plain PEFT, and checked."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from zoo.evaluation.score import score_predictions
from zoo.localhub.server import serving
from zoo.phantom.scans import make_scan
from zoo.records import Prediction, read_jsonl

pytestmark = pytest.mark.slow
VARIANTS = ("sft", "text_hallu", "mdpo")


def demo(folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "zoo", "demo", "--once", "--port", "0", "--dir", str(folder), *words]
    behind_a_proxy = {**os.environ, "HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(command, env=behind_a_proxy, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def demoed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a demo that has run once, and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    return folder, demo(folder)


@pytest.fixture(scope="module")
def hub(demoed: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The demo's Hub, as the environment of a child process that has never seen it."""
    root = next(demoed[0].glob("*/hub"))
    with serving(root) as url:
        home = str(tmp_path_factory.mktemp("home"))
        yield {**os.environ, "HF_ENDPOINT": url, "HF_HOME": home, "HF_TOKEN": "local"}


def medzoo(hub: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "zoo", *words], env=hub, capture_output=True, text=True)


def test_the_demo_ends_in_a_comparison_and_sft_is_better_than_the_base(demoed: tuple[Path, str]) -> None:
    folder, said = demoed
    table = said.rpartition("variant")[2]
    assert [line.split()[0] for line in table.splitlines()[1:5]] == ["base", *VARIANTS]
    predictions = read_jsonl(next(folder.glob("*/evaluation/predictions.jsonl")), Prediction)
    scores = {
        s.adapter: s
        for s in score_predictions(predictions)
        if (s.metric, s.subset, s.shown) == ("accuracy", "all", "own")
    }
    assert set(scores) == {"base", *VARIANTS}
    sft = scores["sft"]
    assert sft.interval.n >= 500
    assert sft.over_base is not None
    assert sft.over_base.low > 0
    picture = folder / "it's my scan.png"
    Image.fromarray(make_scan(1).pixels).resize((300, 200)).save(picture)
    again = demo(folder, "--image", str(picture), "--question", "What's the main finding?")
    assert "medzoo pairs and medzoo train" in again
    assert "What's the main finding?" in again
    assert "step" not in again  # nothing was trained again


def test_a_demo_with_a_ward_names_who_may_sign_in_and_what_waits_to_be_rated(
    demoed: tuple[Path, str],
) -> None:
    said = demo(demoed[0], "--rate").rpartition("the work list")[2]
    assert "'Twelve drawn scans' waits" in said
    named = dict(line.split()[::2] for line in said.splitlines() if line.endswith(("rater", "administrator")))
    assert named == {"chief": "administrator", "anna": "rater", "boris": "rater"}


ALONE = """
import json, sys
from PIL import Image
from peft import PeftModel
from transformers import AutoModelForImageTextToText, AutoProcessor
from zoo.bases import get_base
from zoo.datasets import load_questions

base, repo, sha, asked = get_base("phantom").folder, *sys.argv[1:3], json.loads(sys.argv[3])
processor = AutoProcessor.from_pretrained(base)
model = AutoModelForImageTextToText.from_pretrained(base)
model = PeftModel.from_pretrained(model, repo, revision=sha).eval()

questions = load_questions("phantom", "test", limit=1000)
for question in questions.questions:
    if question.id in asked:
        turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question.prompt}]}
        prompt = processor.apply_chat_template([turn], add_generation_prompt=True)
        picture = questions.open_image(question.images[0]).convert("RGB")
        inputs = processor(images=picture, text=prompt, return_tensors="pt")
        tokens = model.generate(**inputs, max_new_tokens=64, do_sample=False)
        text = processor.decode(tokens[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True)
        print(json.dumps([question.id, text]))
"""
"""Four lines load base, processor and adapter, with nothing of the zoo but the tiny base's folder."""


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_published_adapter_loads_with_plain_peft_by_revision_and_answers_as_published(
    hub: dict[str, str], tmp_path: Path, variant: str
) -> None:
    repo = f"local/phantom-{variant}"
    told = medzoo(hub, "pull", repo, "--to", str(tmp_path / "pulled"))
    assert told.returncode == 0, told.stderr
    sha = next(word for word in told.stdout.split() if word.startswith(f"{repo}@")).partition("@")[2]
    published = read_jsonl(tmp_path / "pulled" / "predictions" / "phantom-test.jsonl", Prediction)
    answers = {p.question_id: p.answer for p in published if p.variant == variant and p.shown == "own"}
    asked = list(answers)[:48]
    words = [sys.executable, "-c", ALONE, repo, sha, json.dumps(asked)]
    done = subprocess.run(words, env=hub, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    alone = dict(json.loads(line) for line in done.stdout.splitlines())
    assert alone == {name: answers[name] for name in asked}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_adapter_of_the_demo_is_verified(hub: dict[str, str], variant: str) -> None:
    done = medzoo(hub, "verify", f"local/phantom-{variant}")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("harm", ["number", "weights", "truncated"])
def test_a_harmed_adapter_of_the_demo_is_not_verified_and_the_fault_is_named(
    hub: dict[str, str], tmp_path: Path, harm: str
) -> None:
    folder, other = tmp_path / "mdpo", tmp_path / "sft"
    for name in (folder, other):
        assert medzoo(hub, "pull", f"local/phantom-{name.name}", "--to", str(name)).returncode == 0
    if harm == "number":
        card = folder / "README.md"
        value = next(e["value"] for e in json.loads((folder / "zoo.json").read_text())["evaluation"])
        card.write_text(card.read_text().replace(f"{value:.3f}", "0.999"))
        check = "evidence"
    elif harm == "weights":
        shutil.copyfile(other / "adapter_model.safetensors", folder / "adapter_model.safetensors")
        check = "weights"
    else:
        answers = folder / "predictions" / "phantom-test.jsonl"
        answers.write_bytes(answers.read_bytes()[:-200])
        check = "scores"
    done = medzoo(hub, "verify", str(folder))
    assert done.returncode == 1
    faults = [line.split()[1] for line in done.stdout.splitlines() if line.split()[:1] == ["FAULT"]]
    assert check in faults, done.stdout
