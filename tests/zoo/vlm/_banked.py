"""What the tests of the bank share: hidden states of drawn inputs, and PEFT's with one adapter alone."""

from collections.abc import Sequence
from pathlib import Path

import torch
from peft import PeftModel

from zoo.vlm.bank import AdapterBank
from zoo.vlm.model import VisionLanguageModel

TOKENS = 5


def inputs(vlm: VisionLanguageModel, rows: int, *, seed: int = 0) -> torch.Tensor:
    """Drawn embeddings, (rows, tokens, hidden)."""
    size = vlm.model.config.get_text_config().hidden_size
    drawn = torch.randn(rows, TOKENS, size, generator=torch.Generator().manual_seed(seed))
    return drawn.to(vlm.device, vlm.dtype)


@torch.no_grad()
def hidden(vlm: VisionLanguageModel, embeds: torch.Tensor) -> torch.Tensor:
    """The language model's final hidden states of those embeddings."""
    found: torch.Tensor = vlm.model.model.language_model(
        inputs_embeds=embeds, use_cache=False
    ).last_hidden_state
    return found


def mixed(bank: AdapterBank, slots: Sequence[int], embeds: torch.Tensor | None = None) -> torch.Tensor:
    """Those of a batch whose rows use these slots."""
    embeds = inputs(bank.vlm, len(slots)) if embeds is None else embeds
    with bank.rows(slots):
        return hidden(bank.vlm, embeds)


def alone(vlm: VisionLanguageModel, folder: Path | None, embeds: torch.Tensor) -> torch.Tensor:
    """Those of a bare base with one adapter through PEFT, or without."""
    if folder is None:
        return hidden(vlm, embeds)
    peft = PeftModel.from_pretrained(vlm.model, str(folder))
    found = hidden(vlm, embeds)
    peft.unload()
    return found
