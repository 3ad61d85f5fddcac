"""What all rests on, on the architecture of every real base: one prompt for several responses, one look at an
image, many adapters in a batch give what transformers and PEFT give of whole sequences from pixels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from PIL import Image
from transformers.modeling_outputs import BaseModelOutputWithPooling

from tests._adapters import random_adapter
from tests._scales import projected, seen
from tests._stand_ins import REAL, stand_in
from tests.zoo.vlm.test_quantised import whole_weight
from zoo.asking import Sampling
from zoo.bases import Base, bases
from zoo.manifest import read_manifest
from zoo.vlm.bank import AdapterBank
from zoo.vlm.decode import Decoding, Row
from zoo.vlm.features import FeatureCache
from zoo.vlm.head import target_logps
from zoo.vlm.lora import LoraSpec, TrainableLora
from zoo.vlm.model import VisionLanguageModel, load_base
from zoo.vlm.quantised import Quantization
from zoo.vlm.score import ScoreRow, score
from zoo.vlm.shared import SharedRow, predict
from zoo.vlm.store import TensorStore
from zoo.vlm.weights import target_layers

RESPONSES = (("A nodule.", "No."), ("There is an effusion on the left.",))
QUESTIONS = ("What is seen?", "Is it normal or not?")
ADAPTERS, TOKENS = 3, 4
SEEN: dict[bytes, torch.Tensor] = {}
"""What goes into the projector of the one base that transformers shows no picture to."""
BIASED = {"huatuo-vision-7b", "huatuo-vision-7b-qwen2.5vl"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the stand-ins lie."""
    return tmp_path_factory.mktemp("stand-ins")


@pytest.fixture(params=[name for name in REAL if not name.endswith("-hf")])
def base(request: pytest.FixtureRequest, folder: Path) -> Base:
    """A stand-in of each architecture; `-hf` has that of the base that it was converted from."""
    return stand_in(request.param, folder / request.param)


@pytest.fixture(scope="module")
def scans() -> list[Image.Image]:
    """A wide picture and a high one, of many patches."""
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in ((170, 250), (260, 90))
    ]


def load(base: Base, **settings: Any) -> VisionLanguageModel:
    return load_base(base, device="cpu", **{"dtype": "float32", **settings})


def transformers_inputs(vlm: VisionLanguageModel, image: Image.Image, ids: Sequence[int]) -> dict[str, Any]:
    """What transformers' own model takes of one whole sequence, from pixels."""
    tokens = torch.tensor([list(ids)])
    pictures = {
        k: v for k, v in vlm.image_processor(images=[image], return_tensors="pt").items() if k != "num_crops"
    }
    if vlm.base.scales > 1:  # which transformers does not do of pixels
        inner: Any = vlm.model.model
        square = pictures.pop("pixel_values").to(vlm.dtype)
        key = square.numpy().tobytes()  # seconds each, and always the same
        if key not in SEEN:
            SEEN[key] = seen(inner.vision_tower, square, inner.config.vision_config.image_size)
        features: Any = [projected(inner.multi_modal_projector, SEEN[key].to(vlm.dtype))]
        pictures = {"mm_encoder_outputs": {"image": BaseModelOutputWithPooling(pooler_output=features)}}
    types = {"qwen-vl": "mm_token_type_ids", "gemma3": "token_type_ids"}.get(vlm.base.family)
    kinds = {types: (tokens == vlm.model.config.image_token_id).int()} if types else {}
    return {"input_ids": tokens, "attention_mask": torch.ones_like(tokens), **pictures, **kinds}


def whole_logps(
    vlm: VisionLanguageModel, image: Image.Image, prompt: Sequence[int], answer: Sequence[int]
) -> torch.Tensor:
    """Log-probs of an answer's tokens by transformers' own forward."""
    inputs = transformers_inputs(vlm, image, [*prompt, *answer])
    logits = vlm.model(**inputs, use_cache=False, logits_to_keep=len(answer) + 1).logits[0, :-1]
    return logits.float().log_softmax(-1).gather(-1, torch.tensor(answer)[:, None])[:, 0]


def rows(vlm: VisionLanguageModel, scans: Sequence[Image.Image]) -> list[SharedRow]:
    """A question to each scan, with two responses and one."""
    found = []
    for image, question, said in zip(scans, QUESTIONS, RESPONSES, strict=True):
        features = vlm.encode_images([image])
        answers = [vlm.response_ids(text) for text in said]
        found.append(SharedRow(features, vlm.prompt_ids(question, features), answers))
    return found


def test_there_is_a_stand_in_of_every_base_that_has_to_be_fetched() -> None:
    fetched = {name for name, base in bases().items() if base.config}
    assert fetched - {"pocket"} == set(REAL)


def test_shared_prompts_give_what_transformers_gives_of_each_sequence_in_values_and_slopes(
    base: Base, scans: list[Image.Image]
) -> None:
    """In double precision, in which what is left is the difference of the ways."""
    vlm = load(base)
    lora = TrainableLora(vlm, LoraSpec(r=4, alpha=8), seed=0)
    vlm.model.double()
    with torch.no_grad():
        for number, parameter in enumerate(lora.parameters):
            parameter.normal_(std=0.1, generator=torch.Generator().manual_seed(number))
    asked = rows(vlm, scans)
    predicted = predict(vlm, asked)
    shared = target_logps(vlm, predicted.hidden, predicted.targets)
    whole = torch.cat(
        [
            whole_logps(vlm, image, row.prompt_ids, answer)
            for row, image in zip(asked, scans, strict=True)
            for answer in row.responses
        ]
    )
    torch.testing.assert_close(shared, whole, atol=1e-5, rtol=1e-5)
    weights = torch.linspace(-1, 1, len(whole))
    slopes, expected = (
        torch.autograd.grad((logps * weights).sum(), lora.parameters) for logps in (shared, whole)
    )
    for one, other in zip(slopes, expected, strict=True):
        assert other.norm() > 0
        assert (one - other).norm() / other.norm() < 1e-5


@torch.no_grad()
def test_features_from_the_disk_are_the_towers_to_the_bit(
    base: Base, scans: list[Image.Image], tmp_path: Path
) -> None:
    vlm = load(base)
    images = {"a": lambda: scans[0], "b": lambda: scans[1]}
    FeatureCache(vlm, TensorStore(tmp_path / "kept")).of(images)
    never = dict.fromkeys(images, lambda: pytest.fail("an image was opened again"))
    kept = FeatureCache(vlm, TensorStore(tmp_path / "kept")).of(never)
    for digest, fresh in zip("ab", vlm.encode_batch(scans), strict=True):
        assert kept[digest].grid == fresh.grid
        assert torch.equal(kept[digest].tokens, fresh.tokens)
        assert len(kept[digest].deepstack) == len(fresh.deepstack)
        assert all(map(torch.equal, kept[digest].deepstack, fresh.deepstack))


@torch.no_grad()
def test_a_mix_of_adapters_says_what_each_says_alone_in_peft_and_transformers(
    base: Base, scans: list[Image.Image], tmp_path: Path
) -> None:
    banked = load(base)
    folders = [tmp_path / str(number) for number in range(ADAPTERS)]
    for number, folder in enumerate(folders):
        random_adapter(folder, banked, seed=number, rank=2 + 3 * number, spread=0.2)
    features = [banked.encode_images([image]) for image in scans]
    prompts = [banked.prompt_ids(*one) for one in zip(QUESTIONS, features, strict=True)]
    expected = [_alone(base, folder, scans, prompts) for folder in (None, *folders)]
    bank = AdapterBank(banked, slots=ADAPTERS + 1, max_rank=16)
    for slot, folder in enumerate(folders, 1):
        bank.load(slot, folder, read_manifest(folder))
    mix = [(slot, number) for number in (1, 0) for slot in (2, 0, 1, 3)]
    decoding = Tokens(
        banked,
        [Row(features[n], QUESTIONS[n], slot, Sampling(max_tokens=TOKENS)) for slot, n in mix],
    )
    while decoding.open:
        decoding.step()
    assert decoding.said == [expected[slot][number] for slot, number in mix]
    assert len({tuple(answers[0]) for answers in expected}) == ADAPTERS + 1, "adapters say the same"


class Tokens(Decoding):
    """Answers whose tokens are noted."""

    def __init__(self, vlm: VisionLanguageModel, asked: Sequence[Row]) -> None:
        super().__init__(vlm, asked)
        self.said: list[list[int]] = [[] for _ in asked]

    def _say(self, row: int, token: int) -> Any:
        self.said[row].append(token)
        return super()._say(row, token)


def _alone(
    base: Base, folder: Path | None, scans: Sequence[Image.Image], prompts: Sequence[list[int]]
) -> list[list[int]]:
    """Tokens of greedy answers as transformers' own `generate` makes them from pixels."""
    vlm = load(base)
    model: Any = vlm.model if folder is None else PeftModel.from_pretrained(vlm.model, str(folder))
    found = []
    for image, prompt in zip(scans, prompts, strict=True):
        output = model.generate(
            **transformers_inputs(vlm, image, prompt),
            do_sample=False,
            max_new_tokens=TOKENS,
            eos_token_id=[vlm.tokenizer.convert_tokens_to_ids(end) for end in vlm.base.ends],
            pad_token_id=vlm.tokenizer.pad_token_id,
        )
        found.append(output[0, len(prompt) :].tolist())
    return found


def test_an_adapter_changes_the_language_model_alone_with_its_biases_or_without(base: Base) -> None:
    vlm = load(base)
    layers = target_layers(vlm)
    names = [f"model.language_model.layers.{n}" for n in range(4)]
    assert {name.split(".self_attn")[0].split(".mlp")[0] for name in layers} == set(names)
    assert len(layers) == 7 * 4
    biased = {name.rpartition(".")[2] for name, layer in layers.items() if layer.bias is not None}
    assert biased == ({"q_proj", "k_proj", "v_proj"} if base.name in BIASED else set())
    lora = TrainableLora(vlm, LoraSpec(r=2, alpha=4), seed=0)
    adapted = {name.partition(".lora_")[0] for name in lora.state()}
    assert adapted == {f"base_model.model.{name}" for name in layers}


@pytest.mark.parametrize("how", ["4bit", "8bit"])
@pytest.mark.parametrize("base", ["huatuo-vision-7b-qwen2.5vl", "medgemma-4b", "qwen3-vl-4b"], indirect=True)
def test_shared_prompts_are_plain_ones_in_4_and_8_bits(
    base: Base, how: Quantization, scans: list[Image.Image]
) -> None:
    vlm, whole = load(base, quantize=how), load(base)
    asked = rows(vlm, scans)
    lora = TrainableLora(vlm, LoraSpec(r=4, alpha=8), seed=0)
    predicted = predict(vlm, asked)
    shared = target_logps(vlm, predicted.hidden, predicted.targets)
    each = [ScoreRow(row.features, row.prompt_ids, ids) for row in asked for ids in row.responses]
    with torch.no_grad():
        logps, mask = score(vlm, each)
        torch.testing.assert_close(shared, logps[mask], atol=1e-4, rtol=1e-4)
        before, _ = score(whole, each)
        for name, layer in target_layers(whole).items():
            layer.weight.copy_(whole_weight(vlm.model.get_submodule(f"{name}.base_layer")))
        after, _ = score(whole, each)
    torch.testing.assert_close(shared, after[mask], atol=1e-4, rtol=1e-4)
    assert (before - after)[mask].abs().mean() > 1e-3, "quantising changed nothing"
    shared.sum().backward()
    assert sum(bool(p.grad is not None and p.grad.norm() > 0) for p in lora.parameters) == 7 * 4
