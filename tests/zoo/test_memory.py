"""The arithmetic of memory and work: parameters against transformers, everything else by hand."""

import json
from dataclasses import replace

import pytest
import torch
from transformers import CONFIG_MAPPING, AutoModelForImageTextToText

from zoo.bases import bases
from zoo.errors import BadInput
from zoo.memory.peak import HEAP_BLOCK, Peak, Precision, hole_bytes, loading_bytes, weight_bytes
from zoo.memory.serving import Serving, serving_peak
from zoo.memory.shape import Language, Shape, Tower, shape_of
from zoo.memory.training import Lengths, Step, training_peak
from zoo.memory.work import Rates, step_operations, step_seconds, token_seconds

PLANNED = [*bases()]
TARGETS = ("q_proj", "v_proj")
SHAPE = Shape(
    language=Language(
        hidden=4,
        layers=2,
        heads=2,
        kv_heads=1,
        head_dim=2,
        intermediate=6,
        vocabulary=10,
        tied=False,
        qkv_bias=False,
        head_norms=False,
        norms=2,
        window=None,
    ),
    tower=Tower(
        hidden=2,
        layers=1,
        intermediate=3,
        pixels=12,
        patches=1,
        extra=1,
        keeps_all=True,
        weights=50,
        projector=20,
        deepstack=0,
    ),
    image_tokens=4,
    stored=4,
)
CPU = Precision(bytes=4, lazy=True)
STEP = Step(
    precision=CPU,
    rank=1,
    targets=TARGETS,
    responses=(2,),
    batch=1,
    micro_batch=1,
    checkpointing=False,
    lengths=Lengths(image=4, prompt=2, response=3),
    pairs=1,
)
SERVING = Serving(
    precision=CPU,
    targets=TARGETS,
    slots=2,
    max_rank=8,
    rank=3,
    rows=2,
    image=4,
    prompt=2,
    answer=5,
    features=100,
)


def test_a_gpu_has_no_holes_and_a_large_block_leaves_none() -> None:
    """Blocks of 6 numbers of 4 bytes a token."""
    one_less = HEAP_BLOCK // 24
    found = [hole_bytes(SHAPE, CPU, tokens=tokens, a_layer=3) for tokens in (one_less, one_less + 1)]
    assert found == [2 * 3 * one_less * 24, 0]
    assert hole_bytes(SHAPE, Precision(bytes=2), tokens=1, a_layer=3) == 0


def test_weights_that_are_not_as_stored_lie_there_twice_while_they_load() -> None:
    weights = {how: sum(weight_bytes(SHAPE, replace(CPU, quantize=how)).values()) for how in (None, "8bit")}
    stored = 4 * sum(SHAPE.parameters.values())
    assert loading_bytes(SHAPE, CPU) == 0
    assert loading_bytes(SHAPE, replace(CPU, quantize="8bit")) == stored + weights["8bit"]
    assert loading_bytes(replace(SHAPE, stored=2), CPU) == stored // 2 + weights[None]
    assert loading_bytes(SHAPE, Precision(bytes=2, quantize="8bit")) == 0
    assert Peak({"a": 1}, {"b": 2, "c": 3}, 5).total == 5


@pytest.mark.parametrize("name", PLANNED)
def test_parameters_are_those_of_transformers_own_modules(name: str) -> None:
    base = bases()[name]
    config = dict(base.config) or json.loads((base.folder / "config.json").read_text())
    kind = config.pop("model_type")
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(
            CONFIG_MAPPING[kind](**json.loads(json.dumps(config)))
        )
    shape, language = shape_of(base), model.model.language_model
    found = shape.parameters
    assert sum(found.values()) == sum(p.numel() for p in model.parameters())
    assert found["language model"] + found["embeddings"] == sum(p.numel() for p in language.parameters())
    linears = {name: model.get_submodule(f"model.language_model.layers.0.{path}") for name, path in _PATHS}
    assert shape.language.linears == {n: (m.in_features, m.out_features) for n, m in linears.items()}


_PATHS = [
    *((name, f"self_attn.{name}") for name in ("q_proj", "k_proj", "v_proj", "o_proj")),
    *((name, f"mlp.{name}") for name in ("gate_proj", "up_proj", "down_proj")),
]


def test_a_base_whose_architecture_nobody_says_is_not_planned() -> None:
    unknown = replace(bases()["llava-med++"], family="llava", config={})
    with pytest.raises(BadInput, match=r"nothing can be planned for llava-med\+\+: it says nothing"):
        shape_of(unknown)


def test_weights_in_each_precision_by_hand() -> None:
    """Linear: 4 x 4 twice, 4 x 2 twice, 4 x 6 three times: 120 a layer, 240; norms 2 * 2 * 4 + 4 = 20.
    8 bits: 240 and a float32 for each of 2 * (4 + 2 + 2 + 4 + 6 + 6 + 4) = 56 rows, norms of 2 bytes: 504.
    4 bits: 240 * (0.5 + 1/64 + 4/16384) = 123.8 and 40: 164."""
    rest = {"embeddings": 80, "head": 80, "vision tower": 100, "projector": 40}
    found = {how: weight_bytes(SHAPE, Precision(bytes=2, quantize=how)) for how in (None, "8bit", "4bit")}
    assert found == {
        None: {"language model": 520, **rest},
        "8bit": {"language model": 504, **rest},
        "4bit": {"language model": 164, **rest},
    }


def test_a_training_step_by_hand() -> None:
    """One pair: prompt 4 + 2 = 6, two responses of 3 run 2 tokens each: 10 tokens, 5 at which is predicted, 6
    scored. LoRA of rank 1 on q (4 + 4) and v (4 + 2), 2 layers: 28 parameters.

    A token of a layer, float32: norms 2 * 4 * 4 = 32; attention 4 * 4 * 4 and a sum for 2 heads: 72; three
    of 6: 72; into q and v once 4 * 4 and two of rank 1: 24; 200 in all. Masks: 4 responses' tokens see a row
    of 10: 40 * 4 = 160. A full layer 10 * 200 + 160 = 2160. The last: 6 prompt tokens 16 + (16 + 4) = 216;
    keys and values of 10, 2 * 4 * 4 = 320; 5 that predict 5 * (200 - 32) = 840; masks 5 * 10 * 4 = 200;
    1576. The first norm keeps nothing, 10 * 16 less, the embeddings 10 * 16 more.
    Head: 6 * 10 * 4 = 240 three times, and 6 * 16 * 2: 912. Before: 2160 + 1576 + 912 = 4648; on the way
    back 2160 + 10 * 4 * (12 + 8) = 2960. Cosines and sines 10 * 2 * 2 * 4 = 160. Sum 4808.
    Holes: 3 blocks of 10 * 6 * 4 in each of 2 layers. Libraries: 6 MiB.
    Images: 5 tokens, block 4 * (6 + 3 * 4) = 72, states 4 * 2 * 2 = 16, pixels 12 * 8 = 96: 920."""
    peak = training_peak(SHAPE, STEP)
    assert peak.held == {
        "language model": 1040,
        "embeddings": 160,
        "head": 160,
        "vision tower": 200,
        "projector": 80,
        "LoRA": 112,
        "optimiser": 224,
        "kept features": 64,
        "libraries": 6 << 20,
        "holes in the heap": 1440,
    }
    assert peak.passes == {"images": 920, "forward and backward": 4808, "update": 112}
    assert peak.total == 2040 + (6 << 20) + 1440 + 4808
    assert peak.highest == "forward and backward"


def test_layers_that_are_shared_out_by_hand() -> None:
    """Of 1040 bytes of the language model 16 are the last norm's; a third of 1024, rounded up, is 342, and
    both layers are whole when the first of them runs. One of a batch of three pairs each; a LoRA's gradient
    of 28 numbers three times."""
    three = training_peak(SHAPE, replace(STEP, batch=3, micro_batch=3, processes=3))
    one = training_peak(SHAPE, STEP)
    assert three.held == {**one.held, "language model": 342 + 16, "layers that run": 1024}
    assert three.passes == {**one.passes, "exchange": 3 * 112}


def test_a_server_by_hand() -> None:
    """A slot of rank 8: 224 numbers, 896 bytes. Rows gather at rank 3 rounded to 8. Keys and values of a
    token: 2 * 2 * 2 layers * 4 = 32; 2 rows of 6 are there when prompts run, 4 columns more come after.
    Holes: 0.75 * 12 * 6 * 4 in each of 2 layers. Libraries: 8 MiB. Images: 920 and features of 64. Prompts:
    12 tokens * 4 * (16 + max(18, 20)) = 1728. Answers: 256 and 8 * 4 * 2 * 10 = 640."""
    peak = serving_peak(SHAPE, SERVING)
    weights = {"language model": 1040, "embeddings": 160, "head": 160, "vision tower": 200, "projector": 80}
    held = {"adapter bank": 1792, "kept features": 100, "gathered adapters": 1792, "keys and values": 384}
    held |= {"holes in the heap": 432, "libraries": 8 << 20}
    assert peak.held == weights | held
    assert peak.passes == {"images": 984, "prompts": 1728, "answers": 896}


def test_a_step_takes_its_operations_over_the_rate_that_is_reached() -> None:
    """Linear 2 * 240 * 10 = 4800; 6 * 7 / 2 + 2 * (2 * 6 + 3) = 51 pairs of tokens see each other, 4 * 2 * 4
    * 51 = 1632; LoRA 2 * 28 * 10 = 560; head 2 * 40 * 6 = 480. Policy 2 * 5280 + 3 * 2192 = 17136. Once:
    6912 and the image: 2 * (50 * 5 + 20 * 4) + 4 * 2 * 25 = 860; half of it in two epochs, 3886."""
    assert step_operations(SHAPE, STEP, epochs=2) == 17136 + 3886
    rates = Rates(operations=1000, bytes=1, source="told")
    assert step_seconds(SHAPE, STEP, rates, epochs=2) == pytest.approx(21022 / 630)


def test_a_token_waits_for_the_reading_of_weights_adapters_keys_and_values() -> None:
    """1040 + 160, and for each of 2 rows 84 * 4 = 336 of its adapter and 8 columns of 32."""
    rates = Rates(operations=1e9, bytes=100, source="told")
    assert token_seconds(SHAPE, SERVING, rates) == pytest.approx((1200 + 2 * (336 + 256)) / 100)
