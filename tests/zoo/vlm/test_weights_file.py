"""Safetensors files read without a copy: as safetensors itself reads them, or not at all."""

import json
import random
import struct
from collections.abc import Callable, Set
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from zoo.errors import BrokenWeights, WrongTensors
from zoo.vlm import weights_file
from zoo.vlm.weights_file import HEADER_LIMIT, read_whole, tensors_in

TENSORS = {
    "layer.lora_A.weight": torch.arange(6.0).view(2, 3),
    "layer.lora_B.weight": torch.arange(8).view(4, 2).to(torch.bfloat16),
    "half": torch.tensor([0.5, -2.0], dtype=torch.float16),
    "one number": torch.tensor(7.0),
    "nothing": torch.empty(0, 5),
}


def held(content: bytes) -> memoryview:
    """The bytes as a reader has them: in memory that could be written to."""
    return np.frombuffer(content, np.uint8).copy().data


def built(header: Any, data: bytes = b"") -> memoryview:
    """A file of that header and those bytes after it."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return held(struct.pack("<Q", len(text)) + text + data)


def entry(**changes: Any) -> dict[str, Any]:
    """A header of one tensor of two float32, changed."""
    return {"t": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes}


def test_the_tensors_are_those_that_safetensors_reads_and_lie_in_the_bytes_given() -> None:
    content = held(save(TENSORS, metadata={"format": "pt"}))
    found = tensors_in(content, where="file")
    expected = load(bytes(content))
    assert set(found) == set(TENSORS)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert found[name].shape == tensor.shape
        assert torch.equal(found[name], tensor)
    content[-1] ^= 0xFF
    assert any(not torch.equal(found[name], tensor) for name, tensor in expected.items()), "it was copied"


def test_a_header_of_an_odd_length_is_read_too() -> None:
    text = json.dumps(entry()).encode()
    for padding in range(8):
        content = built(text + b" " * padding, struct.pack("<2f", 1.5, -2.5))
        assert tensors_in(content, where="file")["t"].tolist() == [1.5, -2.5]


TWO = {
    "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
    "b": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]},
}


def moved(first: int, last: int) -> dict[str, Any]:
    """Two tensors, the second elsewhere."""
    return TWO | {"b": TWO["b"] | {"data_offsets": [first, last]}}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (held(b""), "0 bytes in all"),
        (held(b"\x08\0\0\0"), "4 bytes in all"),
        (held(struct.pack("<Q", 9) + b"{}"), "a header of 9 bytes in a file of 10"),
        (held(struct.pack("<Q", 2**64 - 1) + b"{}"), "a header of 18446744073709551615 bytes"),
        (held(struct.pack("<Q", HEADER_LIMIT + 1) + b"{}" * HEADER_LIMIT), "a header of 2097153 bytes"),
        (built(b"not json"), "no JSON"),
        (built(b"\xff\xfe{\0}\0"), "no JSON"),
        (built(b"[" * 200_000), "no JSON"),
        (built(b'{"t": ' + b"1" * 5000 + b"}"), "no JSON"),
        (built([]), "no JSON object"),
        (built(b" {}"), "no JSON object"),
        (built({"__metadata__": {"a": 1}}), "__metadata__ is not made of texts"),
        (built({"t": 1}), "t is not described by"),
        (built(entry(more=1), bytes(8)), "t is not described by"),
        (built(entry(dtype="F64"), bytes(8)), "holds 'F64'; known are F32, F16, BF16"),
        (built(entry(dtype=["F32"]), bytes(8)), "holds \\['F32'\\]"),
        (built(entry(shape=[-2]), bytes(8)), "the shape \\[-2\\]"),
        (built(entry(shape=[2.0]), bytes(8)), "the shape \\[2.0\\]"),
        (built(entry(shape=[True, 2]), bytes(8)), "the shape \\[True, 2\\]"),
        (built(entry(shape=[2**62] * 9), bytes(8)), "the shape"),
        (built(entry(shape="2"), bytes(8)), "the shape '2'"),
        (built(entry(data_offsets=[0]), bytes(8)), "the offsets \\[0\\]"),
        (built(entry(data_offsets=[0, 8, 8]), bytes(8)), "the offsets"),
        (built(entry(shape=[3]), bytes(8)), "t has 8 bytes for F32 of the shape \\(3,\\)"),
        (built(entry(dtype="F16"), bytes(8)), "t has 8 bytes for F16"),
        (built(entry(data_offsets=[8, 0]), bytes(8)), "t begins at byte 8"),
        (built(moved(5, 9), bytes(9)), "b begins at byte 5, and what lies before it ends at 4"),
        (built(moved(0, 4), bytes(8)), "begins at byte 0, and what lies before it ends at 4"),
        (built(moved(3, 7), bytes(8)), "b begins at byte 3"),
        (built(TWO, bytes(7)), "b ends at byte 8 of 7: the file is cut off"),
        (built(TWO, bytes(9)), "1 bytes that belong to no tensor"),
        (built(json.dumps(TWO).replace('"b"', '"a"').encode(), bytes(8)), "a is there twice"),
    ],
)
def test_bytes_that_are_no_whole_file_are_refused(content: memoryview, words: str) -> None:
    with pytest.raises(BrokenWeights, match=f"^file: not a readable safetensors file .*{words}"):
        tensors_in(content, where="file")


def test_names_are_looked_at_before_anything_is_made_of_them() -> None:
    """Of the second tensor, which is out of place, nothing is said."""

    def refuse(names: Set[str]) -> None:
        raise WrongTensors(", ".join(sorted(names)))

    with pytest.raises(WrongTensors, match=r"^a, b$"):
        tensors_in(built(moved(5, 9), bytes(9)), where="file", check=refuse)


def test_a_message_does_not_grow_with_what_the_file_says() -> None:
    with pytest.raises(BrokenWeights) as refused:
        tensors_in(built({"t" * 100_000: 1}), where="file")
    assert len(str(refused.value)) < 500


def test_what_is_taken_of_a_damaged_file_safetensors_takes_too_and_reads_alike() -> None:
    sound, dice, taken = save(TENSORS, metadata={"format": "pt"}), random.Random(0), 0
    (length,) = struct.unpack_from("<Q", sound)
    for _ in range(3000):
        content = bytearray(sound)
        for _ in range(dice.choice((1, 1, 2))):
            content[dice.randrange(8 + length)] = dice.choice(b'0123456789,:[]{}" \\FB\x00\xff')
        if dice.random() < 0.1:
            del content[dice.randrange(len(content)) :]
        try:
            found = tensors_in(held(bytes(content)), where="file")
        except BrokenWeights:
            continue
        taken += 1
        expected = load(bytes(content))
        assert {name: tensor.tolist() for name, tensor in found.items()} == {
            name: tensor.tolist() for name, tensor in expected.items()
        }
    assert 50 < taken < 2000


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of ten bytes, read four at a time."""
    monkeypatch.setattr(weights_file, "_PART", 4)
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    return path


def test_a_file_is_read_whole_and_its_parts_come_in_order(file: Path) -> None:
    parts: list[bytes] = []
    assert bytes(read_whole(file, lambda part: parts.append(bytes(part)), most=10)) == b"0123456789"
    assert parts == [b"0123", b"4567", b"89"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda path: path.write_bytes(b"012345"), "6 bytes came of a file of 10"),
        (lambda path: path.write_bytes(b"0123456789abc"), "11 bytes came of a file of 10"),
    ],
)
def test_a_file_that_changes_its_length_while_it_is_read_is_refused(
    file: Path, change: Callable[[Path], object], words: str
) -> None:
    with pytest.raises(BrokenWeights, match=f"{words}; it changes while it is read"):
        read_whole(file, lambda part: change(file) if bytes(part) == b"0123" else None, most=10)


def test_a_file_beyond_the_limit_and_one_that_cannot_be_read_are_refused(file: Path) -> None:
    with pytest.raises(BrokenWeights, match="10 bytes, and no adapter for this base has more than 9"):
        read_whole(file, lambda part: None, most=9)
    with pytest.raises(BrokenWeights, match="cannot be read"):
        read_whole(file.parent, lambda part: None, most=9)
