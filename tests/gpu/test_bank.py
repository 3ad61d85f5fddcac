"""The adapter bank on a GPU as on the CPU: loads on a stream of their own, slots within a CUDA graph."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests._adapters import random_adapter
from tests.zoo.vlm._banked import inputs, mixed
from zoo.bases import get_base
from zoo.manifest import read_manifest
from zoo.vlm.bank import AdapterBank
from zoo.vlm.model import load_base

SLOTS = (2, 0, 1, 3)


def bank_on(device: str, folder: Path, **options: int) -> AdapterBank:
    """A bank with random adapters in slots 1 to 3."""
    vlm = load_base(get_base("phantom"), device=device, dtype="float32")
    for slot in (1, 2, 3):
        if not (folder / str(slot)).exists():
            random_adapter(folder / str(slot), vlm, seed=slot, rank=2 * slot)
    bank = AdapterBank(vlm, slots=5, max_rank=6, **options)
    for slot in (1, 2, 3):
        bank.load(slot, folder / str(slot), read_manifest(folder / str(slot)))
    return bank


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_rows_are_as_on_the_cpu_while_adapters_come_and_go(device: str, tmp_path: Path) -> None:
    bank, embeds = bank_on(device, tmp_path), inputs(bank_on("cpu", tmp_path).vlm, len(SLOTS))
    expected = mixed(bank_on("cpu", tmp_path), SLOTS, embeds)
    failed: list[BaseException] = []

    def churn() -> None:
        try:
            for number in range(9):
                folder = tmp_path / str(number % 3 + 1)
                bank.load(4, folder, read_manifest(folder))
                bank.clear(4)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=churn)
    thread.start()
    while thread.is_alive():
        found = mixed(bank, SLOTS, embeds.to(bank.vlm.device)).cpu()
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert not failed
    bank.load(4, tmp_path / "1", read_manifest(tmp_path / "1"))
    twice = embeds[:1].repeat(2, 1, 1).to(bank.vlm.device)
    torch.testing.assert_close(*mixed(bank, [1, 4], twice), atol=1e-5, rtol=1e-5)


@pytest.mark.gpu
def test_a_cuda_graph_runs_whatever_slots_are_placed_before_it_is_replayed(tmp_path: Path) -> None:
    graphed, plain = bank_on("cuda", tmp_path, graph_rows=4), bank_on("cuda", tmp_path)
    name = "model.language_model.layers.0.self_attn.q_proj"
    layers: list[Callable[[torch.Tensor], torch.Tensor]] = [
        bank.vlm.model.get_submodule(name) for bank in (graphed, plain)
    ]
    x = inputs(plain.vlm, 4)
    graph = torch.cuda.CUDAGraph()
    with torch.no_grad(), graphed.running(graphed.pick(SLOTS)):
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            layers[0](x)
        torch.cuda.current_stream().wait_stream(beside)
        with torch.cuda.graph(graph):
            out = layers[0](x)
    for bank in (graphed, plain):
        bank.clear(1)
        bank.load(4, tmp_path / "1", read_manifest(tmp_path / "1"))
    for slots in ([4, 4, 0, 3], [0, 2, 3, 4]):
        with graphed.running(graphed.pick(slots)):
            graph.replay()
        with torch.no_grad(), plain.rows(slots):
            torch.testing.assert_close(out, layers[1](x), atol=1e-5, rtol=1e-5)
