"""What is kept comes back as it was put, or not at all: after kills, damage, and beside other processes."""

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from zoo.errors import BadInput
from zoo.vlm.record_file import RecordFile
from zoo.vlm.store import TensorStore

WRITER = """
import sys, torch
from pathlib import Path
from zoo.vlm.store import TensorStore
folder, first, last, step = Path(sys.argv[1]), *map(int, sys.argv[2:])
store = TensorStore(folder, memory_bytes=0)
print("ready", flush=True)
input()
for number in range(first, last, step):
    store.put({f"k{number}": {"t": torch.full((1000,), float(number))}})
"""


def writer(folder: Path, first: int, last: int, step: int = 1) -> "subprocess.Popen[str]":
    """A process that keeps `k<number>`, 4000 bytes each, of the numbers of a range, once it is told to."""
    command = [sys.executable, "-c", WRITER, str(folder), *map(str, (first, last, step))]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def begin(*children: "subprocess.Popen[str]") -> None:
    """Let them write at once."""
    for child in children:
        assert child.stdout
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin
        child.stdin.write("\n")
        child.stdin.flush()


def on_disk(folder: Path, *, disk_bytes: int = 1 << 30) -> TensorStore:
    return TensorStore(folder, memory_bytes=0, disk_bytes=disk_bytes)


def records(path: Path, told: list[str] | None = None, *, most_bytes: int = 1 << 20) -> RecordFile:
    return RecordFile(path, most_bytes=most_bytes, report=([] if told is None else told).append)


def test_tensors_come_back_from_memory_and_disk_in_their_dtype_and_shape(tmp_path: Path) -> None:
    torch.manual_seed(0)
    put = {
        "single": torch.randn(3, 5),
        "half": torch.randn(7).half(),
        "brain": torch.randn(2, 2).bfloat16(),
        "long": torch.tensor([2**62, -1]),
        "none": torch.zeros(0, 4),
        "turned": torch.randn(4, 6).T,
        "part": torch.randn(100, 3)[::7],
        "special": torch.tensor([float("nan"), float("inf"), -0.0]),
    }
    store = TensorStore(tmp_path / "cache")
    store.put({"key": put})
    for found in (store.get("key"), TensorStore(tmp_path / "cache").get("key")):
        assert found is not None
        assert found.keys() == put.keys()
        for name, tensor in put.items():
            assert found[name].dtype == tensor.dtype
            assert found[name].shape == tensor.shape
            torch.testing.assert_close(found[name], tensor, rtol=0, atol=0, equal_nan=True)
    assert store.get("other") is None


def test_what_is_kept_is_a_copy() -> None:
    whole = torch.arange(1000.0)
    store = TensorStore()
    store.put({"key": {"part": whole[:2]}})
    whole.zero_()
    found = store.get("key")
    assert found is not None
    assert found["part"].tolist() == [0.0, 1.0]
    assert found["part"].untyped_storage().nbytes() == 8


def test_memory_is_bounded_and_the_first_to_come_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    store = TensorStore(memory_bytes=3 * 400)
    for key in ("a", "a", "b", "c", "d", "e"):
        store.put({key: {"t": torch.zeros(100)}})
    assert [key for key in "abcde" if store.get(key)] == ["a", "b", "c"]
    assert capsys.readouterr().err == (
        "cache: 1.12e-06 GiB of memory are full; what is beyond is made anew each time; "
        "--cache DIR keeps it on disk\n"
    )


def test_the_disk_is_bounded_for_all_who_share_it_and_each_says_so_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stores = [on_disk(tmp_path / "cache", disk_bytes=1 << 14) for _ in range(2)]
    for number in range(40):
        stores[number % 2].put({f"k{number}": {"t": torch.full((256,), float(number))}})
    kept = [number for number in range(40) if stores[0].get(f"k{number}")]
    assert kept == list(range(len(kept)))
    (file,) = (tmp_path / "cache").iterdir()
    assert (1 << 14) - 1200 < file.stat().st_size <= 1 << 14
    line = (
        f"cache: {tmp_path / 'cache'} is full, 1.53e-05 GiB; what is beyond memory too is made anew each "
        "time; --cache-gb raises the bound\n"
    )
    assert capsys.readouterr().err == 2 * line


def test_what_was_read_from_disk_is_held_in_memory(tmp_path: Path) -> None:
    on_disk(tmp_path / "cache").put({"key": {"t": torch.ones(3)}})
    store = TensorStore(tmp_path / "cache")
    assert store.get("key")
    shutil.rmtree(tmp_path / "cache")
    assert store.get("key")
    assert on_disk(tmp_path / "cache").get("key") is None


def test_the_folder_is_its_owners_alone(tmp_path: Path) -> None:
    TensorStore(tmp_path / "cache").put({"key": {"t": torch.ones(3)}})
    (file,) = (tmp_path / "cache").iterdir()
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "cache", file)] == [0o700, 0o600]
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o750)
    with pytest.raises(BadInput, match=r"open to others \(mode 750\)[\s\S]*chmod 700"):
        TensorStore(tmp_path / "open")


def test_a_disk_that_takes_no_more_is_reported_and_the_run_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = TensorStore(tmp_path / "cache")
    shutil.rmtree(tmp_path / "cache")
    for key in ("a", "b"):
        store.put({key: {"t": torch.ones(3)}})
        assert store.get(key)
    assert capsys.readouterr().err == (
        f"cache: {tmp_path / 'cache'} takes no more: No such file or directory; "
        "nothing is added to it from here on\n"
    )


def test_a_damaged_entry_is_reported_and_made_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    on_disk(tmp_path / "cache").put({"key": {"t": torch.ones(100)}})
    (file,) = (tmp_path / "cache").iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:-10] + b"?" + whole[-9:])
    store = on_disk(tmp_path / "cache")
    assert store.get("key") is None
    store.put({"key": {"t": torch.full((100,), 2.0)}})
    for again in (store, on_disk(tmp_path / "cache")):
        found = again.get("key")
        assert found is not None
        assert torch.equal(found["t"], torch.full((100,), 2.0))
    assert capsys.readouterr().err == (
        f"cache: {file} is damaged in the record at byte 0, which is made anew\n"
    )


def test_a_writer_killed_at_any_moment_leaves_whole_entries(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    child = writer(folder, 0, 10**9)
    begin(child)
    began = time.monotonic()
    while sum(file.stat().st_size for file in folder.iterdir()) < 2_000_000:
        assert time.monotonic() - began < 60
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait(30)
    store, number = on_disk(folder), 0
    while (found := store.get(f"k{number}")) is not None:
        assert torch.equal(found["t"], torch.full((1000,), float(number)))
        number += 1
    assert number >= 450
    store.put({"after": {"t": torch.ones(1)}})
    again = on_disk(folder)
    assert again.get("after")
    assert again.get(f"k{number - 1}")


def test_a_file_cut_anywhere_gives_its_whole_records_and_takes_more(tmp_path: Path) -> None:
    """Every state that a kill in the middle of a write can leave."""
    path, put = tmp_path / "file", {f"key {number}": bytes([number]) * (5 * number) for number in range(4)}
    records(path).put(put.items())
    whole = path.read_bytes()
    sizes = [22 + len(key) + len(body) for key, body in put.items()]
    assert sum(sizes) == len(whole)
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        there = [key for number, key in enumerate(put) if sum(sizes[: number + 1]) <= cut]
        found = {key: records(path).get(key) for key in put}
        assert found == {key: put[key] if key in there else None for key in put}
        assert records(path).put(put.items())
        assert path.read_bytes() == whole


def test_a_flipped_byte_anywhere_is_noticed_and_its_record_made_anew(tmp_path: Path) -> None:
    path, put = tmp_path / "file", {f"key {number}": bytes([number]) * (5 + number) for number in range(3)}
    records(path).put(put.items())
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        told: list[str] = []
        file = records(path, told)
        found = {key: file.get(key) for key in put}
        lost = [key for key in put if found[key] is None]
        assert lost
        assert found == {key: None if key in lost else put[key] for key in put}
        assert file.put([("more", b"")])
        assert file.put(put.items())
        assert len(told) == 1
        assert {key: file.get(key) for key in put} == put
        assert {key: records(path).get(key) for key in put} == put


def test_a_file_that_was_made_anew_under_a_reader_is_no_crash_and_loses_nothing(tmp_path: Path) -> None:
    """At the places that the reader knows lie other records now, or parts of some."""
    path, third = tmp_path / "file", b"third, and longer than both of the others were together: " * 2
    reader = records(path)
    reader.put([("a", b"first"), ("b", b"second")])
    path.unlink()
    records(path).put([("b", b"2"), ("c", third)])
    anew = path.read_bytes()
    assert [reader.get(key) for key in "ab"] == [None, None]
    reader.put([("a", b"first"), ("b", b"2"), ("c", third)])
    assert path.read_bytes()[: len(anew)] == anew
    for file in (reader, records(path)):
        assert [file.get(key) for key in "abc"] == [b"first", b"2", third]


def test_processes_that_write_at_once_lose_nothing_and_write_nothing_twice(tmp_path: Path) -> None:
    children = [writer(tmp_path / "cache", 0, 600), writer(tmp_path / "cache", 599, -1, -1)]
    begin(*children)
    assert [child.wait(120) for child in children] == [0, 0]
    store = on_disk(tmp_path / "cache")
    for number in range(600):
        found = store.get(f"k{number}")
        assert found is not None
        assert torch.equal(found["t"], torch.full((1000,), float(number)))
    (file,) = (tmp_path / "cache").iterdir()
    assert 600 * 4000 < file.stat().st_size < 600 * 4200


def test_where_locks_do_not_reach_other_machines_records_are_lost_and_none_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two writers at the same place of one file, as on a network's disk that is mounted with local locks."""
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    said = list[str]()
    first, second = (RecordFile(tmp_path / "f", most_bytes=10**6, report=said.append) for _ in range(2))

    def records() -> Iterator[tuple[str, bytes]]:
        yield "a", b"1" * 50
        second.put([("b", b"2" * 70)])
        yield "c", b"3" * 60

    first.put(records())
    assert second.get("b") is None
    assert "damaged in the record" in said[0]
    fresh = RecordFile(tmp_path / "f", most_bytes=10**6, report=said.append)
    assert [fresh.get(key) for key in "abc"] == [b"1" * 50, None, b"3" * 60]
    fresh.put([("b", b"2" * 70)])
    assert [fresh.get(key) for key in "abc"] == [b"1" * 50, b"2" * 70, b"3" * 60]


def test_a_disk_without_locks_takes_nothing_and_the_run_goes_on_from_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    store = TensorStore(tmp_path / "cache")
    store.put({"a": {"x": torch.ones(3)}})
    assert "takes no more: No locks available" in capsys.readouterr().err
    assert torch.equal((store.get("a") or {})["x"], torch.ones(3))


def test_an_entry_of_another_process_is_found_without_opening_anew(tmp_path: Path) -> None:
    one, other = on_disk(tmp_path / "cache"), on_disk(tmp_path / "cache")
    assert one.get("key") is None
    other.put({"key": {"t": torch.ones(3)}})
    assert one.get("key")
