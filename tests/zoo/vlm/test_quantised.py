"""Bases in 4 and 8 bits: what is quantised, that it computes what its weights say, that a LoRA trains."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from bitsandbytes.functional import dequantize_4bit
from bitsandbytes.nn.modules import Linear4bit
from torch import nn

from zoo.bases import get_base
from zoo.datasets import QuestionSet
from zoo.errors import BadInput
from zoo.vlm import quantised
from zoo.vlm.bank import AdapterBank
from zoo.vlm.encoded import ImageFeatures
from zoo.vlm.head import target_logps
from zoo.vlm.lora import LoraSpec, TrainableLora
from zoo.vlm.model import VisionLanguageModel, load_base
from zoo.vlm.quantised import Int8Linear, Quantization
from zoo.vlm.score import ScoreRow, score
from zoo.vlm.shared import SharedRow, predict
from zoo.vlm.weights import target_layers

HOW: tuple[Quantization, ...] = ("4bit", "8bit")
RESPONSES = ("There is a nodule in the left upper lobe.", "no", "There is no mass.")
SPEC = LoraSpec(r=4, alpha=8)


def rows(vlm: VisionLanguageModel, features: Sequence[ImageFeatures]) -> list[SharedRow]:
    """Two images and prompts of unlike lengths, with three responses and one."""
    asked = [("What does this scan show?", RESPONSES), ("Mass?", RESPONSES[:1])]
    return [
        SharedRow(f, vlm.prompt_ids(prompt, f), [vlm.response_ids(text) for text in texts])
        for f, (prompt, texts) in zip(features, asked, strict=False)
    ]


def shared_logps(vlm: VisionLanguageModel, asked: Sequence[SharedRow]) -> torch.Tensor:
    """Log-probs of all responses' tokens end to end."""
    found = predict(vlm, asked)
    return target_logps(vlm, found.hidden, found.targets)


def plain_logps(vlm: VisionLanguageModel, asked: Sequence[SharedRow]) -> torch.Tensor:
    """The same, each response in a padded sequence of its own."""
    each = [ScoreRow(row.features, row.prompt_ids, ids) for row in asked for ids in row.responses]
    logps, mask = score(vlm, each)
    return logps[mask]


def encoded(vlm: VisionLanguageModel, questions: QuestionSet) -> list[ImageFeatures]:
    """Features of two images."""
    return [vlm.encode_images([questions.open_image(q.images[0])]) for q in questions.questions[:2]]


def moved(lora: TrainableLora) -> TrainableLora:
    """The LoRA away from zero."""
    with torch.no_grad():
        for tensor in lora.parameters:
            tensor.add_(torch.randn(tensor.shape, generator=torch.Generator().manual_seed(1)) * 0.05)
    return lora


def whole_weight(layer: nn.Module) -> torch.Tensor:
    """The weights that a quantised layer stands for, in float32."""
    if isinstance(layer, Linear4bit):
        weight: Any = layer.weight
        return dequantize_4bit(weight.data, weight.quant_state).float()
    assert isinstance(layer, Int8Linear)
    return layer.weight.float() * layer.scale[:, None] / 128


@pytest.mark.parametrize("how", HOW)
def test_the_linear_layers_that_a_lora_sits_on_are_quantised_and_no_others(how: Quantization) -> None:
    vlm = load_base(get_base("phantom"), quantize=how)
    small = {name for name, m in vlm.model.named_modules() if isinstance(m, (Linear4bit, Int8Linear))}
    assert len(small) == 21
    assert small == set(target_layers(vlm))
    others = {p.dtype for name, p in vlm.model.named_parameters() if name.rpartition(".")[0] not in small}
    assert others == {torch.float32}


@pytest.mark.parametrize("how", HOW)
def test_the_file_of_a_quantised_base_is_not_held(how: Quantization, tmp_path: Path) -> None:
    base = get_base("phantom")
    folder = shutil.copytree(base.folder, tmp_path / "base")
    vlm = load_base(base, folder=folder, device="cpu", quantize=how)
    assert str(folder) not in Path("/proc/self/maps").read_text()
    assert vlm.quantization == how


@pytest.mark.parametrize("how", HOW)
def test_a_quantised_base_says_what_a_whole_one_with_its_weights_says(
    how: Quantization, questions: QuestionSet
) -> None:
    vlm, whole = load_base(get_base("phantom"), quantize=how), load_base(get_base("phantom"))
    features = encoded(vlm, questions)
    before = shared_logps(whole, rows(whole, features))
    with torch.no_grad():
        for name, layer in target_layers(whole).items():
            layer.weight.copy_(whole_weight(vlm.model.get_submodule(name)))
        expected = shared_logps(whole, rows(whole, features))
        found = shared_logps(vlm, rows(vlm, features))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    lost = (found - before).abs().mean()
    assert 1e-3 < lost < 1, "quantising changed nothing, or everything"


@pytest.mark.parametrize("how", HOW)
def test_shared_prompts_are_exact_on_a_quantised_base_with_a_lora(
    how: Quantization, questions: QuestionSet
) -> None:
    vlm = load_base(get_base("phantom"), quantize=how)
    lora = moved(TrainableLora(vlm, SPEC, seed=0))
    asked = rows(vlm, encoded(vlm, questions))
    gradients = []
    for logps in (shared_logps(vlm, asked), plain_logps(vlm, asked)):
        weights = torch.linspace(-1, 1, len(logps))
        gradients.append((logps, torch.autograd.grad((logps * weights).sum(), lora.parameters)))
    (shared, by_shared), (plain, by_plain) = gradients
    torch.testing.assert_close(shared, plain, atol=1e-4, rtol=1e-4)
    for one, other in zip(by_shared, by_plain, strict=True):
        assert (one - other).norm() <= 1e-3 * other.norm()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("how", [None, *HOW])
def test_training_lowers_the_loss_and_moves_the_lora_alone(
    how: Quantization | None, dtype: str, questions: QuestionSet
) -> None:
    vlm = load_base(get_base("phantom"), quantize=how, dtype=dtype)
    frozen = {name: tensor.detach().clone() for name, tensor in vlm.model.state_dict().items()}
    features = encoded(vlm, questions)
    lora = TrainableLora(vlm, SPEC, seed=0)
    assert {p.dtype for p in lora.parameters} == {torch.float32}
    optimizer = torch.optim.AdamW(lora.parameters, lr=5e-3)
    losses = []
    for _ in range(4):
        asked = rows(vlm, features)
        with torch.no_grad(), lora.at_start():  # a pass without gradients must not take them from the next
            reference = shared_logps(vlm, asked)
        ratio = shared_logps(vlm, asked) - reference
        assert ratio.dtype == torch.float32
        count = len(asked[0].responses[0])
        loss = -nn.functional.logsigmoid(0.1 * (ratio[:count].sum() - ratio[count:].sum()))
        optimizer.zero_grad()
        loss.backward()
        moving = [bool(p.grad is not None and p.grad.abs().sum() > 0) for p in lora.parameters]
        assert sum(moving) == (len(moving) if losses else len(moving) // 2), "a layer gets no gradient"
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(0.6931, abs=1e-3)
    assert losses[-1] < 0.2
    lora.remove()
    after = vlm.model.state_dict()
    assert after.keys() == frozen.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in frozen.items())


@pytest.mark.parametrize("how", HOW)
def test_the_adapter_bank_serves_on_a_quantised_base_what_the_lora_says(
    how: Quantization, questions: QuestionSet, tune: Any
) -> None:
    from training.start import read_start
    from zoo.manifest import read_manifest

    folder = tune("sft")
    vlm, banked = (load_base(get_base("phantom"), quantize=how) for _ in range(2))
    start = read_start(vlm, folder)
    TrainableLora(vlm, start.lora, seed=0, start=start.tensors)
    AdapterBank(banked, slots=2, max_rank=4).load(1, folder, read_manifest(folder))
    features = encoded(vlm, questions)
    each = [
        ScoreRow(row.features, row.prompt_ids, ids, slot=1)
        for row in rows(vlm, features)
        for ids in row.responses
    ]
    with torch.no_grad():
        served, mask = score(banked, each)
        torch.testing.assert_close(served[mask], plain_logps(vlm, rows(vlm, features)), atol=1e-4, rtol=1e-4)


def test_a_token_in_8_bits_does_not_hang_on_the_tokens_beside_it() -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randint(-127, 128, (6, 8), dtype=torch.int8, generator=generator)
    scale = torch.rand(6, generator=generator) + 0.5
    layer = Int8Linear(weight, scale, torch.arange(6.0))
    x = torch.randn(3, 8, generator=generator)
    x[2] *= 1000
    x.requires_grad_(True)
    out = layer(x)
    whole = weight.float() * scale[:, None] / 127
    torch.testing.assert_close(out, x @ whole.T + torch.arange(6.0))
    assert torch.equal(layer(x[:2]), out[:2])
    (gradient,) = torch.autograd.grad(out.sum(), x)
    torch.testing.assert_close(gradient, whole.sum(dim=0).expand(3, -1))
    small = Int8Linear(torch.full((1, 8), 127, dtype=torch.int8), torch.tensor([0.01]), None)
    assert small(torch.full((1, 8), 100.0, dtype=torch.float16)).item() == 8.0, "an integer sum overflowed"


def test_the_identity_of_a_base_names_its_precision_and_its_quantisation() -> None:
    base = get_base("phantom")
    found = {
        load_base(base, dtype=dtype, quantize=how).identity.removeprefix(base.pinned)
        for dtype in ("float32", "bfloat16")
        for how in (None, *HOW)
    }
    assert found == {
        " float32",
        " bfloat16",
        " float32 4bit",
        " bfloat16 4bit",
        " float32 8bit",
        " bfloat16 8bit",
    }


@pytest.mark.parametrize("how", ["4bit", "8bit"])
def test_a_quantised_base_is_not_shared_out(how: Quantization) -> None:
    with pytest.raises(BadInput, match=f"a base in {how} cannot be shared out"):
        load_base(get_base("phantom"), quantize=how, sharded=True)


def test_quantising_without_bitsandbytes_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantised, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"a base in 4bit needs bitsandbytes\n.*pip install"):
        load_base(get_base("phantom"), quantize="4bit")
