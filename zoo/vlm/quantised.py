"""Bases whose language model is kept in 4 or 8 bits by bitsandbytes: how they are loaded and compute.

Only the linear layers of the language model's blocks are quantised; vision tower, projector, embeddings,
norms and head stay in the base's precision, and so does all arithmetic. A token's numbers never depend on the
tokens beside it, for else a prompt could not be shared nor the reference's log-probs kept.
"""

import ctypes
import gc
import sys
from importlib.util import find_spec
from typing import Any, Literal

import torch
from torch import nn
from transformers import BitsAndBytesConfig

from zoo.errors import BadInput

Quantization = Literal["4bit", "8bit"]
_ELSEWHERE = r"(?!.*\blanguage_model\.).*"
"""Full names, as transformers matches them, of the modules that are not quantised."""
_UNIT = 2**-7
"""What an integer of 1 is taken for until the scale comes in, lest a sum overflow float16."""


def quantising(how: Quantization, dtype: torch.dtype) -> dict[str, Any]:
    """What `from_pretrained` takes to quantise while it loads.

    4 bits are NF4 in blocks of 64 with the blocks' scales quantised too (QLoRA, Dettmers et al. 2023); 8 bits
    are integers with a scale a row.

    Raises:
        BadInput: bitsandbytes is not installed.
    """
    if find_spec("bitsandbytes") is None:
        raise BadInput(f"a base in {how} needs bitsandbytes", hint="pip install 'medvlm-zoo[train]'")
    return {
        "quantization_config": BitsAndBytesConfig(
            load_in_4bit=how == "4bit",
            load_in_8bit=how == "8bit",
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
            llm_int8_skip_modules=[_ELSEWHERE],
        )
    }


def settle(model: nn.Module) -> None:
    """Make the quantised layers of a loaded model compute each token by itself, with gradients.

    bitsandbytes' own 8-bit layer rounds activations and picks the columns that it spares by all tokens of a
    batch together. Its 4-bit layer, on a CPU with bfloat16 instructions, repacks its weights at the first
    pass without gradients, after which it gives none.
    """
    from bitsandbytes.nn.modules import Linear4bit, Linear8bitLt

    for name, module in list(model.named_modules()):
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False
        elif isinstance(module, Linear8bitLt):
            weight: Any = module.weight
            model.set_submodule(name, Int8Linear(weight.data, weight.SCB, module.bias))


def let_go(model: nn.Module) -> None:
    """Give back what loading took on a CPU: the file's pages, of which all stay mapped for the sake of those
    tensors that were not quantised, and what the C library keeps of the copies that were."""
    gc.collect()
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):  # glibc's
        trim(0)
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point():
            tensor.data = tensor.data.clone()


class Int8Linear(nn.Linear):
    """A frozen linear layer whose weights are integers of 8 bits, with a scale a row."""

    def __init__(self, weight: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None) -> None:
        """`weight` (out, in) is of 8 bits, -127 to 127; `scale` (out,) is what 127 stands for."""
        nn.Module.__init__(self)  # nn.Linear's would make weights of its own
        self.out_features, self.in_features = weight.shape
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.scale = nn.Buffer(scale.float() / 127 / _UNIT, persistent=False)
        self.bias = bias  # type: ignore[assignment]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x` (..., in) to (..., out), in the precision of `x`."""
        out: torch.Tensor = _Int8.apply(x, self.weight, self.scale)  # type: ignore[no-untyped-call]
        return out if self.bias is None else out + self.bias


class _Int8(torch.autograd.Function):
    """x (W scale)^T. Keeps no activations, and makes W of `x`'s precision only while it multiplies."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(weight, scale)
        return (x @ _unscaled(weight, x.dtype).T).mul_(scale)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        weight, scale = ctx.saved_tensors
        return (gradient * scale).to(gradient.dtype) @ _unscaled(weight, gradient.dtype), None, None


def _unscaled(weight: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Integers of 8 bits as numbers below 1, exactly."""
    return weight * torch.tensor(_UNIT, dtype=dtype)
