"""Where a base goes and in what precision, by what the machine has."""

import pytest
import torch

from zoo.errors import BadInput, UnknownName
from zoo.vlm.precision import choose_device, choose_dtype


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two GPUs that compute in bfloat16."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    monkeypatch.delenv("LOCAL_RANK", raising=False)


@pytest.fixture
def none(monkeypatch: pytest.MonkeyPatch) -> None:
    """No GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("none")
def test_without_a_gpu_auto_is_the_cpu_in_float32() -> None:
    assert choose_device("auto") == torch.device("cpu")
    assert choose_dtype("auto", torch.device("cpu")) == torch.float32
    with pytest.raises(BadInput, match="can use 0 GPUs here"):
        choose_device("cuda")


@pytest.mark.usefixtures("gpus")
def test_with_a_gpu_auto_is_this_process_own_in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_device("auto") == torch.device("cuda", 0)
    assert choose_dtype("auto", torch.device("cuda", 0)) == torch.bfloat16
    assert choose_dtype("auto", torch.device("cpu")) == torch.float32
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert choose_device("auto") == torch.device("cuda", 1)
    assert choose_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(BadInput, match=r"device cuda:2: torch .* can use 2 GPUs here"):
        choose_device("cuda:2")


@pytest.mark.usefixtures("gpus")
def test_a_gpu_without_bfloat16_of_its_own_gets_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation)
    assert choose_dtype("auto", torch.device("cuda")) == torch.float32


def test_a_word_that_is_no_device_or_precision_is_refused() -> None:
    with pytest.raises(BadInput, match="'gpu' is no device"):
        choose_device("gpu")
    with pytest.raises(UnknownName, match=r"no dtype is named 'bfloat61'\n.*did you mean 'bfloat16'"):
        choose_dtype("bfloat61", torch.device("cpu"))
