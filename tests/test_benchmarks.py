"""What the benchmarks rest on: which of them run, where their figures go, and the count of operations."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from tests.benchmarks import __main__ as benchmarks
from tests.benchmarks import _flops
from tests.benchmarks._llava import Shape


def test_only_named_benchmarks_run_and_the_figures_of_the_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = SimpleNamespace(measure=lambda: {"help_seconds": 2.0})
    monkeypatch.setattr(benchmarks.importlib, "import_module", {"tests.benchmarks.command_line": fake}.get)
    out = tmp_path / "bench.json"
    out.write_text('{"help_seconds": 1.0, "other": 3.0}')
    benchmarks.main(out, "command_line")
    assert json.loads(out.read_text()) == {"help_seconds": 2.0, "other": 3.0}


@pytest.mark.parametrize("name", ["_llava", "comand_line"])
def test_a_helper_or_a_misspelt_name_is_no_benchmark(name: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=f"no benchmark {name}; there are adapter_load, capacity,"):
        benchmarks.main(tmp_path / "bench.json", name)


def test_operations_are_counted_forward_and_backward_in_place_and_in_attention() -> None:
    """3 x 4 by 4 x 5: 2 * 60 = 120. Its gradient for one factor: as much. Added in place: as much.
    Attention of 6 tokens in 2 heads of size 4, causal: 21 pairs see each other, 2 * 2 * 4 * 21 = 336 for the
    scores and as much for the values; backward five such products, the scores made anew."""
    one, other = torch.randn(3, 4), torch.randn(4, 5, requires_grad=True)
    query = torch.randn(1, 2, 6, 4, requires_grad=True)
    assert _flops.counted(lambda: one @ other) == 120
    assert _flops.counted(lambda: (one @ other).sum().backward()) == 240
    assert _flops.counted(lambda: torch.zeros(3, 5).addmm_(one, other.detach())) == 120
    with torch.no_grad():
        attend = {"is_causal": True}
        assert _flops.counted(lambda: scaled_dot_product_attention(query, query, query, **attend)) == 672
    found = _flops.counted(
        lambda: scaled_dot_product_attention(query, query, query, is_causal=True).sum().backward()
    )
    assert found == 7 * 336


def test_what_nothing_counts_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"nothing counts aten\.dot"):
        _flops.counted(lambda: torch.dot(torch.ones(2), torch.ones(2)))


def test_the_unavoidable_operations_of_a_case_worked_by_hand() -> None:
    """One pair, an image of 1 token, a prompt of 1 more, two responses of 2: 4 distinct tokens are run,
    3 predict; 3 + 2 * (2 + 1) = 9 pairs of tokens see each other, of which the 3 that predict see
    2 + 2 * 3 = 8. Hidden 2, wide 3, vocabulary 5, rank 1, two layers, a vision tower of one layer, unread.

    A linear layer takes 2 * rows * in * out.
    First layer: 4 square ones over 4 tokens, 4 * 32 = 128; three wide ones, 3 * 48 = 144; attention 4 * 2 * 9
    = 72. Forward 344. Backward without q, k, v: 32 + 144 + 2 * 72 = 320.
    Last: k, v over 4 tokens, q, o over 3: 2 * 32 + 2 * 24 = 112; wide over 3: 3 * 36 = 108; attention 4 * 2 *
    8 = 64. Forward 284; backward 112 + 108 + 128 = 348. Head over 3: 60, and as much backward.
    LoRA, the cheaper of six thin products and of four with one sum of weights: with `once` = 2 * rows * 1 *
    (in + out), square over 4: once 32, min(96, 64 + 8) = 72, over 3: once 24, min(72, 48 + 8) = 56; wide over
    4: once 40, min(120, 80 + 12) = 92, over 3: once 30, min(90, 60 + 12) = 72. First: 4 * 72 + 3 * 92 = 564;
    last: 2 * 72 + 2 * 56 + 3 * 72 = 472.
    Vision, hidden 2, patch 1: 1 patch of 3 values into 2: 12; projector 2 * (2 * 2 + 2 * 2) = 16; 28 in all.
    Policy 344 + 284 + 60 + 320 + 348 + 60 + 564 + 472 = 2452; reference (344 + 284 + 60 + 28) / 2 = 358.
    """
    shape = Shape(
        hidden=2,
        layers=2,
        intermediate=3,
        vocabulary=5,
        vision_hidden=2,
        vision_layers=1,
        patch=1,
        patches=1,
    )
    found = _flops.unavoidable(shape, batch=1, prompt_tokens=1, response_tokens=2, rank=1, epochs=2)
    assert found == 2452 + 358
