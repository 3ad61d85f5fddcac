"""The training loop: batches of pairs through an objective into a LoRA, with checkpoints and a log.

Knows nothing of which variant it trains or where the adapter goes.
"""

import math
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from training.cache import ReferenceCache
from training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from training.data import PairSet, epoch_batches
from training.execution import Execution
from training.gradient import Outcome, batch_gradient, company, parts_of
from training.log import StepLog
from training.metrics import exploded
from training.objective import Objective, as_data
from training.plot import plot
from training.processes import Processes, known
from training.scoring import BranchScorer
from training.start import Start
from training.variant import Numbers
from zoo.errors import TrainingFailed
from zoo.run_log import read_log
from zoo.vlm.features import FeatureCache
from zoo.vlm.lora import LoraSpec, TrainableLora
from zoo.vlm.model import VisionLanguageModel

WORST = 5
"""Pairs that are named where a run is stopped."""
PLOT_EVERY_S = 60
"""Least time between two pictures of a run under way."""
PLAIN_WAY = "with dropout each response is run with a prompt of its own, which takes longer"


@dataclass(frozen=True, kw_only=True)
class Run:
    """All that decides a run's result, beside the pairs and the base themselves."""

    objective: Objective
    numbers: Numbers
    lora: LoraSpec
    seed: int
    start: Start | None = None
    """The adapter that the run goes on from, its reference too; None: the base is both."""

    @property
    def shared_prompts(self) -> bool:
        """Whether a prompt is run once for all of its responses: dropout has a mask of its own for each."""
        return self.lora.dropout == 0

    def settings(self, vlm: VisionLanguageModel, data: PairSet) -> dict[str, Any]:
        """The run's identity as JSON-ready data: two runs with equal settings give equal weights."""
        return {
            "base": vlm.identity,
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
    *,
    title: str = "Training",
) -> Trained:
    """Train a LoRA on the pairs, going on from `folder`'s checkpoint if it holds one. `title` is that of the
    bar, and of the picture which is drawn while the run is under way.

    Raises:
        TrainingFailed: a loss that has run away, or it or a gradient is not finite (the batch's worst pairs
            are named), a checkpoint of another run, or another process could not go on.
    """
    processes = execution.processes
    if processes.main:
        folder.mkdir(parents=True, exist_ok=True)
    settings = run.settings(vlm, data)
    checkpoint = load_checkpoint(folder, settings)
    lora = TrainableLora(vlm, run.lora, seed=run.seed, start=run.start.tensors if run.start else None)
    optimizer = torch.optim.AdamW(
        lora.parameters, lr=run.numbers.learning_rate, weight_decay=run.numbers.weight_decay
    )
    step, seconds, tokens = _restore(checkpoint, lora, optimizer, processes, folder)
    losses = [entry["loss"] for entry in read_log(folder, done=step) if "loss" in entry]
    scorer, batches = _scorer(vlm, data, run, execution), _batches(run, data)
    epoch = len(batches) // run.numbers.epochs
    if step and epoch < len(batches):
        _fill_caches(scorer, lora, batches[: min(step, epoch)], execution, title)
    drawn = time.monotonic()
    began = drawn - seconds
    with ExitStack() as stack:
        log = _log(folder, step, run, execution, title, stack)
        bar = stack.enter_context(_bar(title, batches, processes, done=step))
        for numbers in batches[step:]:
            rate = learning_rate(step, len(batches), run.numbers)
            found = batch_gradient(scorer, lora, run.objective, numbers, execution, seed=(run.seed, step))
            norm = torch.nn.utils.clip_grad_norm_(lora.parameters, run.numbers.max_grad_norm).item()
            metrics = found.tally.means()
            _refuse(found, metrics["loss"], norm, losses, step, data)
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            step, tokens, seconds = step + 1, tokens + found.tokens, time.monotonic() - began
            losses.append(metrics["loss"])
            if log is None:
                continue
            metrics |= {"learning_rate": rate, "grad_norm": norm, "seconds": round(seconds, 3)}
            log.write({"step": step, "of": len(batches), **metrics})
            bar.set_postfix(_shown(metrics), refresh=False)
            bar.update(len(numbers))
            if step % execution.checkpoint_every == 0 and step < len(batches):
                state = optimizer.state_dict()
                save_checkpoint(folder, Checkpoint(settings, step, seconds, tokens, lora.state(), state))
                if time.monotonic() - drawn >= PLOT_EVERY_S:
                    plot(folder, title=title)
                    drawn = time.monotonic()
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


def _restore(
    checkpoint: Checkpoint | None,
    lora: TrainableLora,
    optimizer: torch.optim.Optimizer,
    processes: Processes,
    folder: Path,
) -> tuple[int, float, int]:
    """Steps, seconds and response tokens that are done; the LoRA and the optimizer are as they were then."""
    if len(set(processes.gathered(lambda: checkpoint.step if checkpoint else 0))) > 1:
        raise TrainingFailed(
            f"the processes do not all see the checkpoint in {folder}", hint="share its disk"
        )
    if checkpoint is None:
        return 0, 0.0, 0
    lora.restore(checkpoint.lora)
    optimizer.load_state_dict(checkpoint.optimizer)
    return checkpoint.step, checkpoint.seconds, checkpoint.response_tokens


def _scorer(vlm: VisionLanguageModel, data: PairSet, run: Run, execution: Execution) -> BranchScorer:
    """The run's scorer, on the caches that it shares."""
    features = FeatureCache(vlm, execution.store)
    adapter = f"{run.start.digest} {run.start.lora}" if run.start else "base"
    return BranchScorer(
        vlm,
        data,
        run.objective,
        features=features,
        references=ReferenceCache(execution.store, f"{vlm.identity} {features.eyes} {adapter}"),
        shared_prompts=run.shared_prompts,
        together=execution.processes.together,
    )


def _batches(run: Run, data: PairSet) -> list[Sequence[int]]:
    """The pair numbers of each step of the run."""
    return [
        numbers
        for epoch in range(run.numbers.epochs)
        for numbers in epoch_batches(
            len(data.pairs), batch_size=run.numbers.batch_size, epoch=epoch, seed=run.seed
        )
    ]


def _log(
    folder: Path, step: int, run: Run, execution: Execution, title: str, stack: ExitStack
) -> StepLog | None:
    """The run's log, of the main process alone; it says where the run cannot share prompts."""
    if not execution.processes.main:
        return None
    log = stack.enter_context(StepLog(folder, done=step, tensorboard=execution.tensorboard))
    if not run.shared_prompts and step == 0:
        tqdm.write(f"{title}: {PLAIN_WAY}", file=sys.stderr)
        log.write({"event": "prompts are not shared", "step": 1, "why": PLAIN_WAY})
    return log


def _fill_caches(
    scorer: BranchScorer,
    lora: TrainableLora,
    batches: Sequence[Sequence[int]],
    execution: Execution,
    title: str,
) -> None:
    """Fill a resumed run's caches as its first epoch did: the last digits of what is kept hang on who was
    beside whom, and later epochs read all of it. What a folder has kept is only read."""
    with _bar(f"{title}, caches", batches, execution.processes) as bar:
        for numbers in batches:
            for part in parts_of(scorer, numbers, execution) + company(scorer, numbers, execution):
                scorer.kept(part, lora)
            bar.update(len(numbers))


def _bar(title: str, batches: Sequence[Sequence[int]], processes: Processes, *, done: int = 0) -> Any:
    """Progress in pairs, so that it tells pairs a second and the time left; of the main process alone."""
    past, pairs = sum(map(len, batches[:done])), sum(map(len, batches))
    silent: dict[str, Any] = {} if processes.main else {"disable": True}  # False would overrule TQDM_DISABLE
    return tqdm(total=pairs, initial=past, desc=title, unit="pair", **silent)


def _shown(metrics: Mapping[str, float]) -> dict[str, str]:
    """What the progress bar says of a step."""
    accuracy = next((value for name, value in metrics.items() if name.startswith("accuracy_over_")), None)
    shown = {"loss": f"{metrics['loss']:.4f}"}
    return shown if accuracy is None else shown | {"accuracy": f"{accuracy:.2f}"}


def _refuse(
    found: Outcome, loss: float, norm: float, losses: Sequence[float], step: int, data: PairSet
) -> None:
    """Stop a run that has gone astray, naming the pairs that are to be looked at."""
    if math.isfinite(loss) and math.isfinite(norm) and not exploded(loss, losses):
        return
    worst = sorted(
        found.losses, key=lambda n: -found.losses[n] if math.isfinite(found.losses[n]) else -math.inf
    )
    named = ", ".join(f"{data.pairs[n].id} ({found.losses[n]:.4g})" for n in worst[:WORST])
    failed = TrainingFailed(
        f"step {step + 1}: the loss is {loss:.4g} and the gradient norm {norm:.4g}; worst are, of "
        f"{len(worst)}, the pairs {named}",
        hint="lower --learning-rate, or look at these pairs",
    )
    raise known(failed)  # all have the same sums before them
