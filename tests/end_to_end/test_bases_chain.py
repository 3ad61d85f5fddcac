"""Each real base goes the whole way as a stand-in of its exact architecture: check, pairs, training of SFT
and of a DPO-, a CoPO- and a FiRe-like variant, evaluate, publish, serve, compare. Each answer is PEFT's."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from click.testing import CliRunner
from huggingface_hub import HfApi
from peft import PeftModel

from serving.api import Zoo
from tests._stand_ins import REAL
from zoo.asking import Sampling
from zoo.bases import bases, get_base, known_base
from zoo.datasets import load_questions
from zoo.errors import BadInput
from zoo.licences import LICENCES, obliging, redistributable
from zoo.manifest import NOTICE_NAME, TERMS_NAME, read_manifest
from zoo.vlm.decode import Row
from zoo.vlm.generate import generate
from zoo.vlm.model import load_base

VARIANTS = ("sft", "text_hallu", "image_noise", "fire_mpo")
QUESTIONS, ASKED, TOKENS = 6, 3, 6
pytestmark = pytest.mark.slow

Verb = Callable[..., str]


@pytest.fixture
def verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Verb]:
    """Runs a verb in this process and gives what it says; what is kept of bases is the test's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    bases.cache_clear()

    def run(name: str, *words: object) -> str:
        (found,) = entry_points(group="medzoo.verbs", name=name)
        done = CliRunner().invoke(found.load(), [str(word) for word in words])
        if done.exception:
            raise done.exception
        return done.output

    yield run
    bases.cache_clear()


@pytest.mark.parametrize("name", REAL)
def test_a_base_is_checked_tuned_published_served_and_compared(
    name: str, verb: Verb, hub: str, tmp_path: Path
) -> None:
    folder, out = tmp_path / "base", tmp_path / "tuned"
    assert "RANDOM WEIGHTS" in verb("stand-in", name, "--out", folder)
    verb("bases", name, "--at", folder, "--any-size")
    assert "no fault" in verb("bases", name, "--check", "--any-size")
    base = get_base(name)

    train(verb, name, tmp_path)
    folders = [out / one for one in VARIANTS]
    few = ("--limit", ASKED, "--ablation", 0, "--max-tokens", TOKENS)
    verb("evaluate", *folders, "--base", name, *few, "--record", "--out", tmp_path / "answers")

    adapters = {one: f"local/{name}-{one}" for one in VARIANTS}
    pinned = {}
    for one, repo in adapters.items():
        if redistributable(base.license):
            for terms in obliging(base.license):
                with pytest.raises(BadInput, match=f"no copy of the {terms.title}"):
                    verb("publish", out / one, repo, "--hub", hub)
                (out / one / TERMS_NAME).write_text(f"{terms.title}: a stand-in for their text\n")
            said = verb("publish", out / one, repo, "--hub", hub)
            pinned[one] = next(word for word in said.split() if word.startswith(f"{repo}@"))
            pulled = tmp_path / "pulled" / one
            verb("pull", pinned[one], "--to", pulled, "--hub", hub)
            assert base.license in read_manifest(pulled).license.split(" and ")
            passed_on = LICENCES[base.license].notice
            beside = {file for file in (NOTICE_NAME, TERMS_NAME) if (pulled / file).is_file()}
            assert beside == ({NOTICE_NAME, TERMS_NAME} if name == "medgemma-4b" else set())
            assert not passed_on or passed_on in (pulled / NOTICE_NAME).read_text()
        else:
            with pytest.raises(BadInput, match=base.license):
                verb("publish", out / one, repo, "--hub", hub)
            pinned[one] = str(out / one)

    questions = load_questions("phantom", "test", limit=ASKED)
    said: dict[str, list[str]] = {}
    with Zoo(name, list(pinned.values()), hub=hub, max_new_tokens=TOKENS) as zoo:
        for question in questions.questions:
            image = questions.open_image(question.images[0])
            done = zoo.compare(image, question.prompt, ["base", *pinned.values()])
            assert {answer.base for answer in done.answers} == {base.pinned}
            for one, answer in zip(("base", *VARIANTS), done.answers, strict=True):
                said.setdefault(one, []).append(answer.text)
                if one != "base":
                    assert answer.adapter.digest == read_manifest(out / one).weights_sha256
                    assert pinned[one] in (str(answer.adapter), answer.asked)
    assert len({read_manifest(out / one).weights_sha256 for one in VARIANTS}) == len(VARIANTS)
    assert len({tuple(texts) for texts in said.values()}) >= 3, "adapters say the same"
    for one, texts in said.items():
        vlm = load_base(base)
        if one != "base":
            PeftModel.from_pretrained(vlm.model, str(out / one))
        for question, text in zip(questions.questions, texts, strict=True):
            features = vlm.encode_images([questions.open_image(question.images[0])])
            row = Row(features, question.prompt, sampling=Sampling(max_tokens=TOKENS))
            assert generate(vlm, [row])[0].text == text


def test_a_base_that_nobody_could_cite_a_commit_of_is_asked_for_there_and_answers_as_its_folder(
    verb: Verb, hub: str, tmp_path: Path
) -> None:
    """Pinned and fetched from a Hub, by a process of its own, as a user's."""
    name, folder = "huatuo-vision-7b-qwen2.5vl", tmp_path / "base"
    with pytest.raises(BadInput, match="no commit of") as refused:
        get_base(name)
    assert refused.value.hint == f"medzoo bases {name} --pin"
    verb("stand-in", name, "--out", folder)
    api = HfApi(endpoint=hub, token="local")
    api.create_repo(known_base(name).repo)
    sha = api.upload_folder(repo_id=known_base(name).repo, folder_path=folder).oid
    assert sha in verb("bases", name, "--pin", "--hub", hub)
    assert get_base(name).pinned == f"{name}@{sha}"
    few = ("--base", name, "--limit", str(ASKED), "--ablation", "0", "--max-tokens", str(TOKENS), "--out")
    command = [sys.executable, "-m", "zoo", "evaluate", *few, str(tmp_path / "of the Hub")]
    environment = {**os.environ, "HF_ENDPOINT": hub, "HF_HOME": str(tmp_path / "cache"), "HF_TOKEN": "local"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    verb("bases", name, "--at", folder, "--any-size")
    verb("evaluate", *few, tmp_path / "of the folder")
    said = [
        [
            json.loads(line)["answer"]
            for line in (tmp_path / of / "predictions.jsonl").read_text().splitlines()
        ]
        for of in ("of the Hub", "of the folder")
    ]
    assert said[0] == said[1]
    assert len(set(said[0])) > 1


def train(verb: Verb, name: str, within: Path) -> None:
    """Tune every variant in a few large steps; the base's own answers, which mean nothing, are replaced by
    true ones, which rules make false."""
    questions = load_questions("phantom", "train", limit=QUESTIONS).questions
    true = within / "true.jsonl"
    true.write_text(
        "".join(json.dumps({"question_id": q.id, "answers": [q.answer]}) + "\n" for q in questions)
    )
    how = ("--epochs", 1, "--batch-size", 2, "--rank", 4, "--learning-rate", "1e-2")
    first, *others = VARIANTS[1:]
    verb("pairs", first, "--base", name, "--limit", QUESTIONS, "--out", within / "pairs")
    verb("train", first, "--base", name, "--pairs", within / "pairs", *how, "--out", within / "tuned" / first)
    options = ("--base", name, "--limit", QUESTIONS, "--answers", true)
    verb("train", VARIANTS[0], *others, *options, *how, "--out", within / "more")
    for one in (VARIANTS[0], *others):
        (within / "more" / one).rename(within / "tuned" / one)
