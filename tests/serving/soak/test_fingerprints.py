"""The fingerprint adapters are what the soak takes them for."""

import itertools

import pytest
import torch
from peft import PeftModel
from PIL import Image
from safetensors.torch import load_file

from tests.serving.soak.fingerprints import PROMPTS, Forge
from zoo.asking import Sampling
from zoo.bases import get_base
from zoo.manifest import read_manifest
from zoo.phantom.scans import make_scan
from zoo.vlm.bank import AdapterBank
from zoo.vlm.generate import Row, generate
from zoo.vlm.model import load_base

UNSEEN = "Which organ is this, and is it a normal one?"
SHAPES = ((1, 1), (3, 2), (8, 16))


@pytest.fixture(scope="module")
def forged(tmp_path_factory):
    """Three adapters of different ranks and scales."""
    forge = Forge(load_base(get_base("phantom")))
    folder = tmp_path_factory.mktemp("forged")
    return [
        forge.make(folder / str(number), rank=rank, alpha=alpha)
        for number, (rank, alpha) in enumerate(SHAPES)
    ]


def _rows(vlm, slots=(0,)):
    features = [vlm.encode_images([Image.fromarray(make_scan(seed).pixels)]) for seed in range(4)]
    drawn = Sampling(max_tokens=9), Sampling(max_tokens=9, temperature=0.3, top_p=0.5, seed=5)
    return [
        Row(features[number % 4], prompt, slot, sampling)
        for number, prompt in enumerate((UNSEEN, *PROMPTS))
        for slot in slots
        for sampling in drawn
    ]


def test_a_fingerprint_says_its_word_alone_under_any_image_question_and_sampling_by_plain_peft(forged):
    assert len({one.word.strip() for one in forged}) == len({one.digest for one in forged}) == len(SHAPES)
    for one in forged:
        vlm = load_base(get_base("phantom"))
        PeftModel.from_pretrained(vlm.model, str(one.folder))
        assert {said.text for said in generate(vlm, _rows(vlm))} == {one.says(9)}


def test_a_fingerprint_says_its_word_alone_in_a_mixed_batch_of_the_bank_too(forged):
    vlm = load_base(get_base("phantom"))
    bank = AdapterBank(vlm, slots=len(forged) + 1, max_rank=8)
    for slot, one in enumerate(forged, start=1):
        bank.load(slot, one.folder, read_manifest(one.folder))
    rows = _rows(vlm, slots=(0, *range(1, len(forged) + 1)))
    for row, said in zip(rows, generate(vlm, rows), strict=True):
        words = [one.says(9) for one in forged]
        assert (said.text == words[row.slot - 1]) if row.slot else (said.text not in words)


def test_layers_of_two_fingerprints_say_the_word_of_neither(forged):
    said = {}
    for mixture in itertools.product((0, 1), repeat=3):
        vlm = load_base(get_base("phantom"))
        parts = [_pushes(one) for one in forged[:2]]
        layers = vlm.model.model.language_model.layers
        with torch.no_grad():
            for layer, whose in enumerate(mixture):
                layers[layer].mlp.down_proj.weight += parts[whose][layer]
        said[mixture] = {one.text for one in generate(vlm, _rows(vlm))}
    assert said.pop((0, 0, 0)) == {forged[0].says(9)}
    assert said.pop((1, 1, 1)) == {forged[1].says(9)}
    assert len(said) == 6
    for mixture, texts in said.items():
        assert not texts & {one.says(9) for one in forged}, mixture


def _pushes(one):
    """What each layer's weight gains, in order."""
    tensors = load_file(one.folder / "adapter_model.safetensors")
    lora = read_manifest(one.folder).lora
    names = sorted(name for name in tensors if ".lora_A." in name)
    return [lora.alpha / lora.r * tensors[name.replace("lora_A", "lora_B")] @ tensors[name] for name in names]
