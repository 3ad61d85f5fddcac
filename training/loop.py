"""The training loop: batches of pairs through an objective into a LoRA, with checkpoints and a log.

Knows nothing of which variant it trains or where the adapter goes.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from training.cache import ReferenceCache
from training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from training.data import PairSet, epoch_batches
from training.execution import Execution
from training.log import StepLog, read_log
from training.metrics import Tally, exploded
from training.objective import Objective, as_data, losses_of
from training.scoring import BranchScorer
from training.start import Start
from training.variant import Numbers
from zoo.errors import TrainingFailed
from zoo.vlm.features import FeatureCache
from zoo.vlm.lora import LoraSpec, TrainableLora
from zoo.vlm.model import VisionLanguageModel


@dataclass(frozen=True, kw_only=True)
class Run:
    """All that decides a run's result, beside the pairs and the base themselves."""

    objective: Objective
    numbers: Numbers
    lora: LoraSpec
    seed: int
    start: Start | None = None
    """The adapter that the run goes on from, its reference too; None: the base is both."""

    def settings(self, vlm: VisionLanguageModel, data: PairSet) -> dict[str, Any]:
        """The run's identity as JSON-ready data: two runs with equal settings give equal weights."""
        return {
            "base": vlm.base.pinned,
            "start": self.start.digest if self.start else "base",
            "pairs": data.report.fingerprint,
            "objective": as_data(self.objective),
            "numbers": asdict(self.numbers),
            "lora": asdict(self.lora),
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Trained:
    """A finished run."""

    lora: TrainableLora
    steps: int
    seconds: float
    response_tokens: int


def train(
    vlm: VisionLanguageModel,
    data: PairSet,
    run: Run,
    folder: Path,
    execution: Execution,
) -> Trained:
    """Train a LoRA on the pairs, going on from `folder`'s checkpoint if it holds one.

    Raises:
        TrainingFailed: a loss that has run away, or it or a gradient is not finite (the pairs of the batch
            are named), or a checkpoint of another run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = run.settings(vlm, data)
    resumed = load_checkpoint(folder, settings)
    reference = f"{vlm.identity} {run.start.digest if run.start else 'base'}"
    scorer = BranchScorer(
        vlm,
        data,
        run.objective,
        features=FeatureCache(vlm, execution.store),
        references=ReferenceCache(execution.store, reference),
    )
    lora = TrainableLora(vlm, run.lora, seed=run.seed, start=run.start.tensors if run.start else None)
    optimizer = torch.optim.AdamW(
        lora.parameters, lr=run.numbers.learning_rate, weight_decay=run.numbers.weight_decay
    )
    step, seconds, tokens = 0, 0.0, 0
    if resumed:
        lora.restore(resumed.lora)
        optimizer.load_state_dict(resumed.optimizer)
        step, seconds, tokens = resumed.step, resumed.seconds, resumed.response_tokens
    before = [entry["loss"] for entry in read_log(folder, done=step) if "loss" in entry]
    batches = [
        numbers
        for epoch in range(run.numbers.epochs)
        for numbers in epoch_batches(
            len(data.pairs), batch_size=run.numbers.batch_size, epoch=epoch, seed=run.seed
        )
    ]
    began = time.monotonic() - seconds
    with (
        StepLog(folder, done=step, tensorboard=execution.tensorboard) as log,
        tqdm(total=len(batches), initial=step, desc="train", unit="step") as bar,
    ):
        for numbers in batches[step:]:
            rate = learning_rate(step, len(batches), run.numbers)
            metrics = _step(scorer, lora, optimizer, run, data, numbers, rate, before)
            step += 1
            before.append(metrics["loss"])
            tokens += metrics.pop("tokens")
            seconds = time.monotonic() - began
            log.write({"step": step, "of": len(batches), **metrics, "seconds": round(seconds, 3)})
            bar.set_postfix(loss=f"{metrics['loss']:.4f}", refresh=False)
            bar.update()
            if step % execution.checkpoint_every == 0 and step < len(batches):
                state = optimizer.state_dict()
                save_checkpoint(folder, Checkpoint(settings, step, seconds, tokens, lora.state(), state))
    return Trained(lora, step, seconds, tokens)


def learning_rate(step: int, steps: int, numbers: Numbers) -> float:
    """The rate of step `step` (from 0): linear warm-up, then a cosine to 0, or constant."""
    warmup = math.ceil(numbers.warmup_ratio * steps)
    if step < warmup:
        return numbers.learning_rate * (step + 1) / warmup
    if numbers.schedule == "constant":
        return numbers.learning_rate
    share = (step - warmup) / max(1, steps - warmup)
    return numbers.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


def _step(
    scorer: BranchScorer,
    lora: TrainableLora,
    optimizer: torch.optim.Optimizer,
    run: Run,
    data: PairSet,
    numbers: Sequence[int],
    rate: float,
    before: Sequence[float],
) -> dict[str, Any]:
    """One optimiser step, behind steps of the losses `before`; its metrics."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    batch = scorer.batch(numbers, lora)
    losses = losses_of(run.objective, batch)
    loss = losses.sum(dim=0).mean()
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(lora.parameters, run.numbers.max_grad_norm)
    metrics = Tally.of(run.objective, batch, losses).means()
    if not torch.isfinite(loss) or not torch.isfinite(norm) or exploded(metrics["loss"], before):
        ids = ", ".join(data.pairs[n].id for n in numbers)
        raise TrainingFailed(
            f"the loss is {loss.item()} and the gradient norm {norm.item()} on the pairs {ids}",
            hint="lower --learning-rate, or look at these pairs",
        )
    optimizer.step()
    tokens = int(sum(s.mask.sum() for s in batch.branches.values()))
    return metrics | {"learning_rate": rate, "grad_norm": norm.item(), "tokens": tokens}
