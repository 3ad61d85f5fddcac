"""Shards are whole or not there, a killed run goes on, and memory holds a part of one tensor."""

import errno
import hashlib
import json
import math
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from zoo.errors import BadInput
from zoo.model_files import FolderFiles
from zoo.tensor_files import TensorPlace, read_tensor_files
from zoo.vlm import shards
from zoo.vlm.convert import source
from zoo.vlm.shards import (
    JOURNAL_NAME,
    Piece,
    finish,
    is_finished,
    require_finished,
    shard_work,
    write_shards,
)

ARRAYS = {f"t{n}": np.arange(n * 100, n * 100 + 100, dtype=np.float32).reshape(10, 10) for n in range(5)}


def _pieces() -> dict[str, Piece]:
    return {name: Piece("F32", (10, 10), lambda a=a: [a.tobytes()]) for name, a in ARRAYS.items()}


def test_shards_hold_every_tensor_and_their_index_tells_where(tmp_path: Path) -> None:
    digests = write_shards(tmp_path, _pieces(), origin="a", max_bytes=800)
    names = [f"model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)]
    assert digests == {name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in names}
    assert [sorted(load_file(tmp_path / name)) for name in names] == [["t0", "t1"], ["t2", "t3"], ["t4"]]
    for name in names:
        for tensor, values in load_file(tmp_path / name).items():
            np.testing.assert_array_equal(values, ARRAYS[tensor])
    index = json.loads((tmp_path / "model.safetensors.index.json").read_bytes())
    placed = dict(zip(ARRAYS, [names[0]] * 2 + [names[1]] * 2 + [names[2]], strict=True))
    assert index == {"metadata": {"total_size": 2000}, "weight_map": placed}
    assert not read_tensor_files(FolderFiles(tmp_path)).faults


def test_tensors_of_several_precisions_begin_where_their_numbers_may(tmp_path: Path) -> None:
    odd = Piece("U8", (3,), lambda: [b"abc"])
    write_shards(tmp_path, {"odd": odd, **_pieces()}, origin="a")
    places = read_tensor_files(FolderFiles(tmp_path)).tensors
    assert {places[name].start % 4 for name in ARRAYS} == {0}
    assert bytes(load_file(tmp_path / "model.safetensors")["odd"]) == b"abc"


def test_a_folder_is_unfinished_until_it_is_said_to_be_whole(tmp_path: Path) -> None:
    write_shards(tmp_path, _pieces(), origin="a")
    with pytest.raises(BadInput, match="is unfinished"):
        require_finished(tmp_path)
    finish(tmp_path)
    require_finished(tmp_path)


def test_a_tensor_that_comes_short_leaves_no_shard(tmp_path: Path) -> None:
    pieces = {**_pieces(), "t4": Piece("F32", (10, 10), lambda: [bytes(399)])}
    with pytest.raises(BadInput, match=r"t4 came as 399 bytes; F32 \(10, 10\) has 400"):
        write_shards(tmp_path, pieces, origin="a", max_bytes=800)
    assert {path.name for path in tmp_path.glob("*.safetensors")} == {
        "model-00001-of-00003.safetensors",
        "model-00002-of-00003.safetensors",
    }


def test_what_the_disk_holds_otherwise_than_it_was_written_gets_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda file: os.pwrite(file, b"\xff", 600))
    with pytest.raises(BadInput, match=r"safetensors\.part read again is not what was written"):
        write_shards(tmp_path, _pieces(), origin="a")
    assert list(tmp_path.glob("*.safetensors")) == []


def test_only_an_empty_folder_or_the_same_work_is_gone_on_with(tmp_path: Path) -> None:
    write_shards(tmp_path / "a", _pieces(), origin="a", max_bytes=800)
    for other in ({"origin": "b", "max_bytes": 800}, {"origin": "a", "max_bytes": 801 * 2}):
        with pytest.raises(BadInput, match="unfinished work on something else"):
            write_shards(tmp_path / "a", _pieces(), **other)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine.txt").touch()
    with pytest.raises(BadInput, match="is not empty"):
        write_shards(tmp_path / "b", _pieces(), origin="a")


def test_a_run_that_was_killed_before_its_first_note_goes_on(tmp_path: Path) -> None:
    (tmp_path / f"{JOURNAL_NAME}.part").write_text('{"pl')
    assert list(write_shards(tmp_path, _pieces(), origin="a")) == ["model.safetensors"]


def test_a_broken_note_of_what_is_done_is_told(tmp_path: Path) -> None:
    (tmp_path / JOURNAL_NAME).write_text("")
    with pytest.raises(BadInput, match=rf"{JOURNAL_NAME} is broken") as told:
        write_shards(tmp_path, _pieces(), origin="a")
    assert told.value.hint == f"remove {tmp_path} and begin again"


def test_of_two_who_write_a_folder_at_once_the_second_is_told(tmp_path: Path) -> None:
    def second() -> list[bytes]:
        with pytest.raises(BadInput, match="is being written by another process"):
            write_shards(tmp_path, _pieces(), origin="a")
        return [ARRAYS["t0"].tobytes()]

    write_shards(tmp_path, {**_pieces(), "t0": Piece("F32", (10, 10), second)}, origin="a")
    assert not read_tensor_files(FolderFiles(tmp_path)).faults


def test_a_shard_that_was_spoilt_between_runs_is_written_anew(tmp_path: Path) -> None:
    first = write_shards(tmp_path, _pieces(), origin="a", max_bytes=800)
    kept, spoilt = (
        tmp_path / "model-00001-of-00003.safetensors",
        tmp_path / "model-00002-of-00003.safetensors",
    )
    spoilt.write_bytes(spoilt.read_bytes()[:-1] + b"\xff")
    before = kept.stat().st_ino
    assert write_shards(tmp_path, _pieces(), origin="a", max_bytes=800) == first
    assert hashlib.sha256(spoilt.read_bytes()).hexdigest() == first[spoilt.name]
    assert kept.stat().st_ino == before


@pytest.mark.parametrize("spoil", ["nothing", "a byte", "the end", "all"])
def test_a_bar_ends_full_however_much_of_the_work_was_done_before(tmp_path: Path, spoil: str) -> None:
    total, counts = shard_work(_pieces(), max_bytes=800), list[int]()
    write_shards(tmp_path, _pieces(), origin="a", max_bytes=800, count=counts.append)
    assert sum(counts) == total == 2 * sum(path.stat().st_size for path in tmp_path.glob("*.safetensors"))
    one = tmp_path / "model-00002-of-00003.safetensors"
    if spoil == "all":
        one.unlink()
    elif spoil != "nothing":
        one.write_bytes(one.read_bytes()[:-1] + b"\xff" * (spoil == "a byte"))
    counts.clear()
    write_shards(tmp_path, _pieces(), origin="a", max_bytes=800, count=counts.append)
    assert sum(counts) == total


def test_a_finished_folder_is_told_from_one_that_is_not_and_from_one_that_was(tmp_path: Path) -> None:
    assert not is_finished(tmp_path / "none", "record")
    write_shards(tmp_path, _pieces(), origin="a", max_bytes=800)
    (tmp_path / "record").touch()
    assert not is_finished(tmp_path, "record")
    finish(tmp_path)
    assert is_finished(tmp_path, "record")
    assert not is_finished(tmp_path, "another")
    (tmp_path / "model-00003-of-00003.safetensors").unlink()
    with pytest.raises(BadInput, match=r"is no longer whole: a shard is not there: model-00003"):
        is_finished(tmp_path, "record")


def test_nothing_is_begun_where_the_disk_has_no_room(tmp_path: Path) -> None:
    huge = {"t": Piece("F32", (10**9, 10**6), list)}
    with pytest.raises(BadInput, match=r"GB free, and 4000000\.0 GB are to be written"):
        write_shards(tmp_path, huge, origin="a")


@pytest.mark.parametrize("at", ["shard", "note"])
def test_a_disk_that_is_full_in_the_end_is_told_and_the_run_goes_on(
    at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> list[bytes]:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    pieces = {**_pieces(), "t0": Piece("F32", (10, 10), full)}
    with monkeypatch.context() as patch:
        if at == "note":
            patch.setattr(Path, "write_text", full)
        with pytest.raises(BadInput, match="cannot be written: No space left"):
            write_shards(tmp_path / "out", pieces, origin="a")
    assert list(write_shards(tmp_path / "out", _pieces(), origin="a")) == ["model.safetensors"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="file/out cannot be made: Not a directory"):
        write_shards(tmp_path / "file" / "out", _pieces(), origin="a")


def _write(folder: Path, fatal: float) -> None:
    """Write six tensors as three shards; the process kills itself when it has told of so many bytes."""
    seen = 0

    def count(some: int) -> None:
        nonlocal seen
        seen += some
        if seen > fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    pieces = {f"t{n}": Piece("U8", (1000,), lambda n=n: [bytes([n]) * 500] * 2) for n in range(6)}
    write_shards(folder, pieces, origin="a", max_bytes=2000, count=count)


@pytest.mark.parametrize("fatal", [500, 2500, 3500, 4500, 6000])
def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path: Path, fatal: int) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    child = multiprocessing.get_context("fork").Process(target=_write, args=(killed, fatal))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    _write(whole, math.inf)
    finished = [path.name for path in killed.glob("*.safetensors")]
    for name in finished:
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    done = json.loads((killed / JOURNAL_NAME).read_bytes())["done"]
    assert len(done) == len(finished) == fatal // 4400  # two tensors and a header, written and read
    _write(killed, math.inf)
    assert {path.name: path.read_bytes() for path in killed.iterdir()} == {
        path.name: path.read_bytes() for path in whole.iterdir()
    }


def test_memory_holds_a_few_parts_however_large_a_tensor_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, size = 2**20, 2**26
    for module in (shards, source):
        monkeypatch.setattr(module, "PART_BYTES", part)
    with (tmp_path / "source").open("wb") as file:
        os.truncate(file.fileno(), size)
    place = TensorPlace(file="source", dtype="U8", shape=(size // 1024, 1024), start=0, end=size)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    before = _resident("VmRSS")
    write_shards(tmp_path / "out", {"large": source.piece_of(tmp_path, place, zero_rows=1)}, origin="a")
    assert (tmp_path / "out" / "model.safetensors").stat().st_size > size
    assert _resident("VmHWM") - before < 8 * part


def _resident(what: str) -> int:
    """Bytes of memory that this process holds (`VmRSS`), or held at most (`VmHWM`)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:")) * 1024
