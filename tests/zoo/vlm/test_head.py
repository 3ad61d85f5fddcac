"""Values of tokens from hidden states: what plain log-softmax and autograd give, a few logits at a time."""

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from zoo.vlm import head
from zoo.vlm.head import argmax, fold, target_logps
from zoo.vlm.model import VisionLanguageModel

TOKENS = 23


@pytest.fixture
def hidden(vlm: VisionLanguageModel) -> torch.Tensor:
    width = vlm.model.config.text_config.hidden_size
    return torch.randn(TOKENS, width, generator=torch.Generator().manual_seed(0)).requires_grad_()


@pytest.fixture
def targets(vlm: VisionLanguageModel) -> torch.Tensor:
    return torch.randint(vlm.vocabulary, (TOKENS,), generator=torch.Generator().manual_seed(1))


@pytest.fixture(params=[1, 5, 1000], ids="{} tokens at a time".format)
def chunk(request: pytest.FixtureRequest, vlm: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(head, "CHUNK_BYTES", request.param * 4 * vlm.vocabulary)
    return int(request.param)


def slope(value: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    weights = torch.linspace(-1, 2, TOKENS)
    (found,) = torch.autograd.grad((weights * value).sum(), hidden)
    return found


def test_log_probs_and_gradient_are_those_of_whole_logits(
    vlm: VisionLanguageModel, hidden: torch.Tensor, targets: torch.Tensor, chunk: int
) -> None:
    plain = vlm.model.lm_head(hidden).log_softmax(-1).gather(1, targets[:, None])[:, 0]
    ours = target_logps(vlm, hidden, targets)
    torch.testing.assert_close(ours, plain)
    torch.testing.assert_close(slope(ours, hidden), slope(plain, hidden))


def test_a_function_of_two_distributions_and_its_gradient_are_those_of_whole_logits(
    vlm: VisionLanguageModel, hidden: torch.Tensor, targets: torch.Tensor, chunk: int
) -> None:
    other = torch.randn(hidden.shape, generator=torch.Generator().manual_seed(2))

    def function(policy: torch.Tensor, reference: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return (reference.exp() * (reference - policy)).sum(-1) + rows / 640 * policy.exp().square().sum(-1)

    plain = function(
        vlm.model.lm_head(hidden).log_softmax(-1), vlm.model.lm_head(other).log_softmax(-1), targets
    )
    ours = fold(vlm, hidden, (other,), function, targets)
    torch.testing.assert_close(ours, plain)
    torch.testing.assert_close(slope(ours, hidden), slope(plain, hidden))


def test_the_likeliest_tokens_are_those_of_whole_logits(
    vlm: VisionLanguageModel, hidden: torch.Tensor, chunk: int
) -> None:
    assert torch.equal(argmax(vlm, hidden), vlm.model.lm_head(hidden).argmax(-1))
    assert argmax(vlm, hidden[:0]).tolist() == []


def test_no_more_logits_are_ever_held_than_a_chunk(
    vlm: VisionLanguageModel, hidden: torch.Tensor, targets: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every tensor that any operation makes, forward and backward, is looked at."""
    largest = 0

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal largest
            made = func(*args, **(kwargs or {}))
            if (
                isinstance(made, torch.Tensor)
                and made.shape[-1:] == (vlm.vocabulary,)
                and made.data_ptr() != vlm.model.lm_head.weight.data_ptr()
            ):
                largest = max(largest, made.numel() // vlm.vocabulary)
            return made

    monkeypatch.setattr(head, "CHUNK_BYTES", 4 * 4 * vlm.vocabulary)
    with Watch():
        target_logps(vlm, hidden, targets).sum().backward()
    assert largest == 4
    with Watch():
        vlm.model.lm_head(hidden)
    assert largest == TOKENS  # the watch sees what it should


def test_without_gradients_none_are_worked_out(
    vlm: VisionLanguageModel, hidden: torch.Tensor, targets: torch.Tensor
) -> None:
    with torch.no_grad():
        assert not target_logps(vlm, hidden, targets).requires_grad
    assert not target_logps(vlm, hidden.detach(), targets).requires_grad
