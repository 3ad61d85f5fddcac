"""A compiled model on a bank: traced once, whole, whatever is loaded and whichever slots the rows pick."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch._dynamo.testing import CompileCounter

from tests._adapters import random_adapter
from tests.zoo.vlm._banked import hidden, inputs, mixed
from zoo.errors import BadInput
from zoo.manifest import read_manifest
from zoo.vlm.bank import AdapterBank
from zoo.vlm.model import VisionLanguageModel

LoadTiny = Callable[..., VisionLanguageModel]
RANKS = (8, 3, 5)


@pytest.fixture(autouse=True)
def afresh() -> Iterator[None]:
    """Nothing compiled stays from one test to the next."""
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def two_banks(kind: str, load_tiny: LoadTiny, folder: Path) -> tuple[AdapterBank, AdapterBank, list[Path]]:
    """One for graphs of up to 6 rows and a plain one, both with the first two adapters of three."""
    vlms = [load_tiny(kind), load_tiny(kind)]
    folders = [folder / str(rank) for rank in RANKS]
    for rank, each in zip(RANKS, folders, strict=True):
        random_adapter(each, vlms[0], seed=rank, rank=rank)
    graph, plain = (
        AdapterBank(vlm, slots=4, max_rank=8, graph_rows=rows) for vlm, rows in zip(vlms, (6, 0), strict=True)
    )
    for bank in (graph, plain):
        for slot in (1, 2):
            bank.load(slot, folders[slot - 1], read_manifest(folders[slot - 1]))
    return graph, plain, folders


def compiled(bank: AdapterBank) -> CompileCounter:
    """Compile the language model's forward in one graph; the counter tells how often that is done."""
    counter = CompileCounter()
    language = bank.vlm.model.model.language_model
    language.forward = torch.compile(language.forward, backend=counter, fullgraph=True, dynamic=False)
    return counter


def test_adapters_and_rows_change_and_nothing_is_compiled_again(
    kind: str, load_tiny: LoadTiny, tmp_path: Path
) -> None:
    graph, plain, folders = two_banks(kind, load_tiny, tmp_path)
    counter, embeds = compiled(graph), inputs(plain.vlm, 4)
    said = []
    for slots in ([0, 1, 2, 1], [2, 2, 2, 2], [0, 0, 0, 0]):
        said.append(mixed(plain, slots, embeds))
        torch.testing.assert_close(mixed(graph, slots, embeds), said[-1], atol=1e-5, rtol=1e-5)
    for bank in (graph, plain):
        bank.clear(1)
        bank.load(3, folders[0], read_manifest(folders[0]))
        bank.load(1, folders[2], read_manifest(folders[2]))
    for slots in ([0, 1, 2, 1], [3, 1, 0, 2]):
        said.append(mixed(plain, slots, embeds))
        torch.testing.assert_close(mixed(graph, slots, embeds), said[-1], atol=1e-5, rtol=1e-5)
    assert counter.frame_count == 1
    apart = [(one - other).abs().max() for n, one in enumerate(said) for other in said[:n]]
    assert min(apart) > 1e-2, "two batches said the same, so nothing was shown"


def test_batches_that_take_turns_keep_their_slots_in_a_compiled_model(
    load_tiny: LoadTiny, tmp_path: Path
) -> None:
    graph, plain, _ = two_banks("llava", load_tiny, tmp_path)
    compiled(graph)
    embeds = inputs(plain.vlm, 3)
    batches = ([0, 1, 2], [2, 1, 0])
    expected = [mixed(plain, slots, embeds) for slots in batches]
    picked = [graph.pick(slots) for slots in batches]
    for number in (0, 1, 1, 0, 1):
        with graph.running(picked[number]):
            torch.testing.assert_close(hidden(graph.vlm, embeds), expected[number], atol=1e-5, rtol=1e-5)


def test_a_compiled_model_does_not_run_without_saying_which_adapters(
    load_tiny: LoadTiny, tmp_path: Path
) -> None:
    graph, plain, _ = two_banks("llava", load_tiny, tmp_path)
    compiled(graph)
    embeds = inputs(plain.vlm, 3)
    mixed(graph, [1, 2, 0], embeds)
    with pytest.raises(Exception, match="a banked model runs only inside"):
        hidden(graph.vlm, embeds)
    with pytest.raises(Exception, match="3 rows came, 2 have a slot"):
        mixed(graph, [1, 2], embeds)
    with pytest.raises(BadInput, match="7 rows in a batch; the bank's graphs take 6"):
        graph.pick([0] * 7)
