"""How far our training core and TRL's DPOTrainer are apart on the same model, pairs and LoRA, in one step.

Each side reads the images, renders, encodes, batches and differentiates by its own code.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from peft import set_peft_model_state_dict

from tests._losses import loss_of
from tests.benchmarks import _llava, _trl
from training.cache import ReferenceCache
from training.data import PairSet
from training.grid import Branch
from training.scoring import BranchScorer
from training.variants import get_variant
from zoo.vlm.features import FeatureCache
from zoo.vlm.lora import LoraSpec, TrainableLora
from zoo.vlm.store import TensorStore

AWAY = 0.02
"""Spread of what is added to a new LoRA, so that policy and reference differ."""
SIDES = (Branch.CHOSEN, Branch.REJECTED_RESPONSE)


@dataclass(frozen=True)
class Apart:
    """Differences between the two."""

    logps: float
    """Largest, of any response token's log-prob."""
    gradient: float
    """Largest, of any LoRA tensor's gradient: norm of the difference over the norm."""
    loss: float


def compare(shape: _llava.Shape, data: PairSet, folder: Path, *, rank: int) -> Apart:
    """Compare on all pairs as one batch, the LoRA away from its start; `folder` is for TRL's files."""
    processor, numbers = _llava.new_processor(shape), range(len(data.pairs))
    vlm = _llava.as_base(_llava.new_model(shape), processor)
    lora = TrainableLora(vlm, LoraSpec(r=rank, alpha=2 * rank), seed=0)
    weights = {name: tensor + AWAY * torch.randn_like(tensor) for name, tensor in lora.state().items()}
    lora.restore(weights)
    objective, store = get_variant("dpo").objective, TensorStore()
    scorer = BranchScorer(
        vlm,
        data,
        objective,
        features=FeatureCache(vlm, store),
        references=ReferenceCache(store, "base"),
    )
    batch = scorer.score(numbers, scorer.prepare(numbers, lora))
    ours = loss_of(objective, batch).mean()
    ours.backward()

    trainer = _trl.new_trainer(
        _llava.new_model(shape),
        processor,
        data,
        folder,
        batch=len(numbers),
        rank=rank,
        **_trl.UNCHECKED,
        bf16=False,
    )
    set_peft_model_state_dict(trainer.model, weights)
    inputs = trainer.data_collator([trainer.train_dataset[n] for n in numbers])
    theirs = trainer.compute_loss(trainer.model, trainer._prepare_inputs(dict(inputs)))
    theirs.backward()
    responses = inputs["completion_mask"].bool()
    labels = inputs["input_ids"].masked_fill(~responses, -100)
    with torch.no_grad():
        told = {name: value for name, value in inputs.items() if name != "completion_mask"}
        logps = trainer.model(**told, labels=labels, fused_lm_head=True).log_probs[responses[:, 1:]]

    own = torch.cat([batch.branches[side].logps[batch.branches[side].mask] for side in SIDES])
    gradients = [parameter.grad for parameter in trainer.model.parameters() if parameter.requires_grad]
    pairs = zip((parameter.grad for parameter in lora.parameters), gradients, strict=True)
    return Apart(
        logps=(own - logps).abs().max().item(),
        gradient=max(((one - other).norm() / other.norm()).item() for one, other in pairs),
        loss=abs(ours - theirs).item(),
    )
