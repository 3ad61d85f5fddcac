"""Prompts run once: the numbers of plain sequences, for every family, in values and in gradients."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from PIL import Image

from zoo.vlm.encoded import ImageFeatures
from zoo.vlm.head import target_logps
from zoo.vlm.lora import LoraSpec, TrainableLora
from zoo.vlm.model import VisionLanguageModel
from zoo.vlm.shared import SharedRow, predict

Tuned = tuple[VisionLanguageModel, TrainableLora, list[SharedRow]]
SHOWN = ((0,), (1, 2), (2,))
"""Which pictures each row shows."""


@pytest.fixture
def tuned(
    kind: str, load_tiny: Callable[[str], VisionLanguageModel], pictures: Sequence[Image.Image]
) -> Tuned:
    """A tiny base, a LoRA on it away from zero, and three unlike rows."""
    vlm = load_tiny(kind)
    lora = TrainableLora(vlm, LoraSpec(r=4, alpha=8), seed=0)
    with torch.no_grad():
        for parameter in lora.parameters:
            parameter.normal_(std=0.2)
    encoded = vlm.encode_batch(pictures)
    responses = ([[9, 20, 31], [9, 21, 22, 40, 2]], [[33]], [[50, 51, 52, 53], [12], [60, 61]])
    questions = ("w1 w5", "w30 w31 w32 w33 w34", "w9")
    rows = []
    for shown, question, given in zip(SHOWN, questions, responses, strict=True):
        features = ImageFeatures(tuple(encoded[number] for number in shown))
        place = vlm.question_place(question, features)
        rows.append(SharedRow(features, vlm.prompt_ids(question, features), given, place))
    return vlm, lora, [replace(rows[0], read_prompt=None), *rows[1:]]


def shared_logps(vlm: VisionLanguageModel, rows: Sequence[SharedRow]) -> list[torch.Tensor]:
    """Log-probs of each response and prompt part."""
    predicted = predict(vlm, rows)
    return list(target_logps(vlm, predicted.hidden, predicted.targets).split(predicted.lengths))


def slopes(lora: TrainableLora, logps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Gradients of the LoRA's tensors of a sum in which every token has a weight of its own."""
    every = torch.cat(list(logps))
    weights = torch.randn(len(every), generator=torch.Generator().manual_seed(1))
    return list(torch.autograd.grad((every * weights).sum(), lora.parameters))


def assert_same_slopes(found: Sequence[torch.Tensor], expected: Sequence[torch.Tensor]) -> None:
    """Each tensor within 1e-4 of the other, relative to its length."""
    for one, other in zip(found, expected, strict=True):
        assert other.norm() > 0
        assert (one - other).norm() / other.norm() < 1e-4


@pytest.fixture
def plain(
    tuned: Tuned, plain_logits: Callable[..., torch.Tensor], pictures: Sequence[Image.Image]
) -> list[torch.Tensor]:
    """Log-probs of the same tokens, from a sequence for each response."""
    vlm, _, rows = tuned
    found = []
    for row, shown in zip(rows, SHOWN, strict=True):
        parts = [([*row.prompt_ids, *response], len(row.prompt_ids)) for response in row.responses]
        if row.read_prompt is not None:
            parts.append((list(row.prompt_ids[: row.read_prompt[1]]), row.read_prompt[0]))
        for ids, start in parts:
            logps = plain_logits(vlm, [pictures[number] for number in shown], ids).log_softmax(dim=-1)
            found.append(logps[:-1].gather(-1, torch.tensor(ids[1:])[:, None])[start - 1 :, 0])
    return found


def test_shared_prompts_give_the_log_probs_of_plain_sequences(
    tuned: Tuned, plain: list[torch.Tensor]
) -> None:
    vlm, _, rows = tuned
    found = shared_logps(vlm, rows)
    assert [len(logps) for logps in found] == [3, 5, 1, 5, 4, 1, 2, 1]
    torch.testing.assert_close(found, plain, atol=5e-5, rtol=0)


def test_shared_prompts_give_the_gradients_of_plain_sequences(
    tuned: Tuned, plain: list[torch.Tensor]
) -> None:
    vlm, lora, rows = tuned
    expected = slopes(lora, plain)
    assert_same_slopes(slopes(lora, shared_logps(vlm, rows)), expected)


def test_gradient_checkpointing_runs_layers_again_and_changes_nothing(tuned: Tuned) -> None:
    vlm, lora, rows = tuned
    expected = slopes(lora, shared_logps(vlm, rows))
    language = vlm.model.model.language_model
    language.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    language.train()
    runs = [0] * len(language.layers)

    def count(number: int) -> Callable[..., None]:
        def add(*_: object) -> None:
            runs[number] += 1

        return add

    for number, layer in enumerate(language.layers):
        layer.mlp.register_forward_pre_hook(count(number))
    logps = shared_logps(vlm, rows)
    assert runs == [1, 1, 1]
    assert_same_slopes(slopes(lora, logps), expected)
    assert runs == [2, 2, 2]


@torch.no_grad()
def test_rows_of_a_batch_do_not_see_each_other(tuned: Tuned) -> None:
    vlm, _, rows = tuned
    alone = [logps for row in rows for logps in shared_logps(vlm, [row])]
    torch.testing.assert_close(shared_logps(vlm, rows), alone, atol=5e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("other", [[40, 41, 42, 43, 44], [15], [16, 17, 18, 19, 20, 21, 22, 23]])
def test_a_response_does_not_see_its_sibling(tuned: Tuned, other: list[int]) -> None:
    vlm, _, rows = tuned
    first, second = rows[0].responses
    before = shared_logps(vlm, rows)
    for place, responses in enumerate(([other, second], [first, other])):
        after = shared_logps(vlm, [replace(rows[0], responses=responses), *rows[1:]])
        kept = [number for number in range(len(before)) if number != place]
        torch.testing.assert_close(
            [after[number] for number in kept], [before[number] for number in kept], atol=5e-5, rtol=0
        )
        assert (after[place][0] - before[place][0]).abs() > 1e-3


def test_the_last_layer_works_for_no_token_that_predicts_nothing(tuned: Tuned, kind: str) -> None:
    """Each response's tokens but the last, with the prompt's last one; the layers before see all tokens."""
    vlm, _, rows = tuned
    seen: list[int] = []
    layers = vlm.model.model.language_model.layers
    for layer in (layers[0], layers[-1]):
        layer.mlp.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].shape[1]))
    shared_logps(vlm, [replace(row, read_prompt=None) for row in rows])
    every = sum(row.length for row in rows)
    asking = sum(1 + sum(len(response) - 1 for response in row.responses) for row in rows)
    assert seen == [every, every if kind == "qwen3-vl deep" else asking]
