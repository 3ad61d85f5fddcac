"""The fused LoRA layer against PEFT's own: the same numbers, gradients, switches and files."""

import copy
import json
from pathlib import Path

import pytest
import torch
from bitsandbytes.nn import Linear4bit
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn

from zoo.vlm.fused import FusedLoraLinear
from zoo.vlm.lora import LoraSpec, TrainableLora
from zoo.vlm.model import VisionLanguageModel

SPEC = {"r": 4, "lora_alpha": 12, "target_modules": ["0"], "init_lora_weights": False}


def with_lora(layer: nn.Module, *, fused: bool, **more: object) -> nn.Module:
    """A LoRA of fixed values on a copy of the layer, with our forward or PEFT's."""
    config = LoraConfig(**SPEC, **more)
    if fused:
        config._register_custom_module({nn.Linear: FusedLoraLinear})
    torch.manual_seed(3)
    model = get_peft_model(nn.Sequential(copy.deepcopy(layer)), config).eval()
    (made,) = (m for m in model.modules() if hasattr(m, "lora_A"))
    assert isinstance(made, FusedLoraLinear) is fused
    return model


def run(model: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    """Output, and gradients of the input and of the LoRA."""
    x = x.clone().requires_grad_()
    out = model(x)
    (out.float() * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
    grads = [p.grad for name, p in model.named_parameters() if "lora_" in name]
    assert all(grad is not None and grad.norm() > 0 for grad in grads)
    return [out, x.grad, *grads]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rslora", [True, False])
def test_output_and_gradients_are_those_of_pefts_layer(bias: bool, rslora: bool) -> None:
    torch.manual_seed(0)
    layer, x = nn.Linear(16, 24, bias=bias).requires_grad_(False), torch.randn(2, 5, 16)
    ours, theirs = (run(with_lora(layer, fused=f, use_rslora=rslora), x) for f in (True, False))
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-5, atol=1e-5)


def test_in_bfloat16_the_lora_stays_in_float32_and_the_output_does_not() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(16, 24).requires_grad_(False).to(torch.bfloat16)
    x = torch.randn(6, 16, dtype=torch.bfloat16)
    ours, theirs = (run(with_lora(layer, fused=f), x) for f in (True, False))
    assert [t.dtype for t in ours] == [t.dtype for t in theirs]
    assert ours[0].dtype == torch.bfloat16
    assert ours[2].dtype == torch.float32
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=0.05, atol=0.1)


def test_on_a_layer_in_4_bits_it_is_what_peft_makes_of_the_same_bits() -> None:
    torch.manual_seed(0)
    plain = nn.Linear(64, 64, bias=False)
    layer = Linear4bit(64, 64, bias=False, compute_dtype=torch.float32, quant_type="nf4")
    layer.load_state_dict(plain.state_dict())
    layer = layer.to("cpu").requires_grad_(False)
    x = torch.randn(3, 64)
    ours, theirs = (run(with_lora(layer, fused=f), x) for f in (True, False))
    assert (ours[0] - plain(x)).abs().max() > 0.01  # it was quantised, and has a LoRA
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-4, atol=1e-4)


def test_disabled_it_is_the_bare_layer_and_with_dropout_it_drops() -> None:
    torch.manual_seed(0)
    layer, x = nn.Linear(16, 24).requires_grad_(False), torch.randn(40, 16)
    model = with_lora(layer, fused=True, lora_dropout=0.5)
    with model.disable_adapter():
        assert torch.equal(model(x), layer(x))
    assert torch.equal(model(x), model(x))
    model.train()
    assert not torch.equal(model(x), model(x))


def test_the_files_of_an_adapter_name_nothing_that_peft_alone_lacks(
    vlm: VisionLanguageModel, tmp_path: Path
) -> None:
    """PEFT loads the folder onto a bare model, which then says what ours does."""
    bare = copy.deepcopy(vlm.model)
    lora = TrainableLora(vlm, LoraSpec(r=4, alpha=8), seed=0)
    lora.restore({name: tensor + 0.1 * torch.randn_like(tensor) for name, tensor in lora.state().items()})
    lora.save(tmp_path)
    assert "custom" not in json.dumps(json.loads((tmp_path / "adapter_config.json").read_text()))
    theirs = PeftModel.from_pretrained(bare, str(tmp_path))
    ids = torch.arange(10, 30)[None]
    with torch.no_grad():
        torch.testing.assert_close(vlm.model(input_ids=ids).logits, theirs(input_ids=ids).logits)
