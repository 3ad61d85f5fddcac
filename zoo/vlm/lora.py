"""A trainable LoRA on a base's language model, in PEFT's own form, so that any PEFT program reads it."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from torch import nn

from zoo.errors import BadInput, TrainingFailed
from zoo.vlm.fused import FusedLoraLinear
from zoo.vlm.model import VisionLanguageModel


@dataclass(frozen=True, kw_only=True)
class LoraSpec:
    """Shape of a LoRA. Its dropout is 0 unless asked for, as the papers' trainers ran it."""

    r: int = 16
    alpha: int = 32
    use_rslora: bool = False
    dropout: float = 0.0


class TrainableLora:
    """One new LoRA on a loaded base; the base's own weights stay frozen."""

    def __init__(
        self,
        vlm: VisionLanguageModel,
        spec: LoraSpec,
        *,
        seed: int,
        start: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        """A new LoRA drawn from the seed, or one that goes on from the tensors `start` of another."""
        if vlm.bank is not None:
            raise BadInput("a model with an adapter bank serves; load the base anew to train")
        targets = "|".join(vlm.base.lora_targets)
        config = LoraConfig(
            r=spec.r,
            lora_alpha=spec.alpha,
            lora_dropout=spec.dropout,
            use_rslora=spec.use_rslora,
            target_modules=rf".*language_model\..*\.({targets})",
            task_type="CAUSAL_LM",
            revision=None if vlm.base.folder else vlm.base.revision,
        )
        config._register_custom_module({nn.Linear: FusedLoraLinear})
        self.vlm = vlm
        torch.manual_seed(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft's, about a name in transformers
            self._peft: Any = get_peft_model(vlm.model, config, autocast_adapter_dtype=True)
        self._peft.eval()  # dropout is at work in `zoo.vlm.gradients.gradient_pass` alone
        config.base_model_name_or_path = vlm.base.repo  # peft put the folder of this machine there
        self.parameters = [p for p in self._peft.parameters() if p.requires_grad]
        """The LoRA's tensors, in a fixed order; nothing else is trainable."""
        self._tensors: dict[str, torch.Tensor] = get_peft_model_state_dict(
            self._peft, save_embedding_layers=False
        )
        self._start: dict[str, torch.Tensor] | None = None
        if start is not None:
            self.restore(start)
            self._start = {name: tensor.clone() for name, tensor in self._tensors.items()}

    @contextmanager
    def at_start(self) -> Iterator[None]:
        """The model as it was when training began: the reference. Tensors are swapped in place, so no
        graph of the present state may be alive that is still to run backward."""
        if self._start is None:
            with self.disabled():
                yield
            return
        now = {name: tensor.clone() for name, tensor in self._tensors.items()}
        self.restore(self._start)
        try:
            yield
        finally:
            self.restore(now)

    def remove(self) -> None:
        """Take the LoRA off the base, which is as it was before."""
        self.vlm.model = self._peft.unload().eval().requires_grad_(False)

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """The base as it is without this LoRA."""
        with self._peft.disable_adapter():
            yield

    def state(self) -> dict[str, torch.Tensor]:
        """The LoRA's own tensors by PEFT's names, which training goes on to change."""
        return dict(self._tensors)

    @torch.no_grad()
    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        """Put tensors back that `state` gave.

        Raises:
            TrainingFailed: they are not exactly this LoRA's.
        """
        if {k: v.shape for k, v in state.items()} != {k: v.shape for k, v in self._tensors.items()}:
            raise TrainingFailed("the checkpoint's tensors are not those of this LoRA")
        for name, tensor in self._tensors.items():
            tensor.copy_(state[name])

    def save(self, folder: Path) -> None:
        """Write `adapter_model.safetensors` and `adapter_config.json`."""
        self._peft.save_pretrained(str(folder), save_embedding_layers=False)  # True would ask the Hub
        (folder / "README.md").unlink(missing_ok=True)  # the card is written from the manifest
