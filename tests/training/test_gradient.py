"""A batch's gradient, however it is divided up."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import pytest
import torch

from tests._losses import loss_on
from training.cache import ReferenceCache
from training.data import PairSet, read_pair_set
from training.execution import Execution
from training.gradient import Outcome, batch_gradient, parts_of
from training.grid import Branch
from training.objective import Imitate, Prefer, TokenKL
from training.pairs.build import build_pairs
from training.pairs.step import Tools
from training.processes import Processes
from training.scoring import BranchScorer
from training.variants import get_variant
from zoo.bases import get_base
from zoo.datasets import load_questions
from zoo.vlm.features import FeatureCache
from zoo.vlm.lora import LoraSpec, TrainableLora
from zoo.vlm.model import load_base
from zoo.vlm.store import TensorStore

OBJECTIVE = (
    Prefer(Branch.CHOSEN, over=Branch.REJECTED_RESPONSE),
    Imitate(Branch.REJECTED_RESPONSE),
    TokenKL(Branch.CHOSEN),
)
BATCH = [3, 11, 0, 7, 5, 9, 2]
Found = TypeVar("Found")


@dataclass(frozen=True, kw_only=True)
class Apart(Processes):
    """A process that does its share and meets no other."""

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor

    def gathered(self, act: Callable[[], Found]) -> list[Found]:
        return [act()]


@dataclass
class Setting:
    """A policy away from its reference, and a scorer on it."""

    scorer: BranchScorer
    lora: TrainableLora
    data: PairSet

    def gradient(self, numbers: list[int], execution: Execution) -> tuple[Outcome, torch.Tensor]:
        found = batch_gradient(self.scorer, self.lora, OBJECTIVE, numbers, execution, seed=(0, 0))
        return found, self.flat()

    def flat(self) -> torch.Tensor:
        return torch.cat(
            [(p.grad if p.grad is not None else torch.zeros_like(p)).flatten() for p in self.lora.parameters]
        )


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    variant, folder = get_variant("text_hallu"), tmp_path_factory.mktemp("data") / "pairs"
    tools = Tools(questions=load_questions("phantom", "train", limit=24), seed=0)
    build_pairs("text_hallu", variant.steps, tools, folder, base="phantom@0")
    data = read_pair_set(folder, variant, base="phantom@0")
    vlm, store = load_base(get_base("phantom")), TensorStore()
    lora = TrainableLora(vlm, LoraSpec(r=4, alpha=8), seed=0)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in lora.parameters:
            parameter += 0.1 * torch.randn_like(parameter)
    scorer = BranchScorer(
        vlm, data, OBJECTIVE, features=FeatureCache(vlm, store), references=ReferenceCache(store, "base")
    )
    return Setting(scorer, lora, data)


@pytest.fixture(scope="module")
def whole(setting: Setting) -> torch.Tensor:
    """The gradient of the mean over the batch, by autograd alone."""
    for parameter in setting.lora.parameters:
        parameter.grad = None
    loss_on(OBJECTIVE, setting.scorer, BATCH, setting.lora).mean().backward()
    return setting.flat()


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("micro_batch", [None, 1, 3])
def test_parts_add_up_to_the_gradient_of_the_mean(
    setting: Setting, whole: torch.Tensor, micro_batch: int | None, checkpointing: bool
) -> None:
    execution = Execution(micro_batch=micro_batch, gradient_checkpointing=checkpointing)
    found, gradient = setting.gradient(BATCH, execution)
    assert whole.norm() > 1e-3
    assert (gradient - whole).norm() < 1e-5 * whole.norm()
    assert found.losses.keys() == set(BATCH)
    assert found.tally.means()["loss"] == pytest.approx(sum(found.losses.values()) / 7, rel=1e-5)


@pytest.mark.parametrize("count", [2, 3, 9])
def test_the_shares_of_processes_add_up_to_it_too(setting: Setting, whole: torch.Tensor, count: int) -> None:
    """Of nine, two have nothing to do."""
    total, pairs, tokens = torch.zeros_like(whole), list[int](), 0
    for rank in range(count):
        execution = Execution(processes=Apart(rank=rank, count=count), micro_batch=2)
        found, gradient = setting.gradient(BATCH, execution)
        total += gradient
        pairs += found.losses
        tokens += found.tokens
    assert (total - whole).norm() < 1e-5 * whole.norm()
    assert sorted(pairs) == sorted(BATCH)
    assert tokens == setting.gradient(BATCH, Execution())[0].tokens


def test_where_layers_are_shared_out_all_run_as_many_passes_and_add_up_to_it_too(
    setting: Setting, whole: torch.Tensor
) -> None:
    """Of nine processes two have nothing to do, and run for company's sake; one of three has a part more."""
    layer, runs = setting.lora.vlm.model.model.language_model.layers[0], list[int]()
    setting.gradient(BATCH, Execution())  # what the reference says is kept from here on
    hook = layer.register_forward_pre_hook(lambda *_: runs.append(1))
    for count, passes in ((9, 1), (3, 2)):
        total, pairs = torch.zeros_like(whole), list[int]()
        for rank in range(count):
            runs.clear()
            execution = Execution(processes=Apart(rank=rank, count=count, sharded=True), micro_batch=2)
            found, gradient = setting.gradient(BATCH, execution)
            total += gradient
            pairs += found.losses
            assert len(runs) == passes
        assert (total - whole).norm() < 1e-5 * whole.norm()
        assert sorted(pairs) == sorted(BATCH)
    hook.remove()


def test_a_part_holds_pairs_of_like_length_and_the_first_the_longest(setting: Setting) -> None:
    parts = parts_of(setting.scorer, BATCH, Execution(micro_batch=3))
    lengths = [setting.scorer.tokens(number) for part in parts for number in part]
    assert [len(part) for part in parts] == [3, 3, 1]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > lengths[-1]
    assert parts_of(setting.scorer, BATCH, Execution(micro_batch=7)) == [BATCH]


def test_a_pair_takes_its_question_once_and_each_response_once(setting: Setting) -> None:
    pair = setting.data.pairs[0]
    ids = setting.lora.vlm.response_ids
    assert setting.scorer.tokens(0) == len(ids(pair.prompt)) + len(ids(pair.chosen)) + len(
        ids(pair.rejected or "")
    )


def test_the_model_answers_as_before_when_the_gradient_is_there(setting: Setting) -> None:
    setting.gradient(BATCH, Execution(gradient_checkpointing=True))
    language = setting.lora.vlm.model.model.language_model
    assert not any(module.training for module in setting.lora.vlm.model.modules())
    assert not any(getattr(module, "gradient_checkpointing", False) for module in language.modules())


def test_layers_run_twice_only_where_asked(setting: Setting) -> None:
    """Each of the language model's layers once forward, and once more on the way back."""
    layers = setting.lora.vlm.model.model.language_model.layers
    runs = list[int]()
    hooks = [layer.mlp.register_forward_pre_hook(lambda *_: runs.append(1)) for layer in layers]
    counts = []
    for checkpointing in (False, True):
        runs.clear()
        setting.gradient(BATCH, Execution(gradient_checkpointing=checkpointing))
        counts.append(len(runs))
    for hook in hooks:
        hook.remove()
    assert counts == [len(layers), 2 * len(layers)]


def test_dropout_is_at_work_where_a_gradient_is_asked_for_and_nowhere_else(setting: Setting) -> None:
    """Two answers of one policy are the same, two draws of its gradient are not, but of one seed."""
    vlm = load_base(get_base("phantom"))
    lora = TrainableLora(vlm, LoraSpec(r=4, alpha=8, dropout=0.5), seed=0)
    with torch.no_grad():
        for parameter in lora.parameters:
            parameter += 0.1
    store = TensorStore()
    scorer = BranchScorer(
        vlm,
        setting.data,
        OBJECTIVE,
        features=FeatureCache(vlm, store),
        references=ReferenceCache(store, "base"),
        shared_prompts=False,
    )
    with torch.no_grad():
        first, second = (loss_on(OBJECTIVE, scorer, BATCH, lora) for _ in range(2))
    assert torch.equal(first, second)
    drawn = [
        batch_gradient(scorer, lora, OBJECTIVE, BATCH, Execution(), seed=(0, step)).losses
        for step in (0, 1, 0)
    ]
    assert drawn[0] != drawn[1]
    assert drawn[0] == drawn[2]
    with torch.no_grad():
        assert torch.equal(loss_on(OBJECTIVE, scorer, BATCH, lora), first)
