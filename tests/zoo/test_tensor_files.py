"""What a checkpoint's headers say, and all that can be wrong with files, index and each other."""

import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import get_session
from safetensors.numpy import save_file

from tests.zoo._carded import api_of
from zoo.errors import BadInput, HubError
from zoo.model_files import SMALL_BYTES, FolderFiles, HubFiles, model_files
from zoo.tensor_files import INDEX_NAME, TensorPlace, read_tensor_files

A, B = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three tensors in two shards with an index."""
    place = tmp_path / "model"
    place.mkdir()
    save_file({"x": np.zeros((2, 3), np.float32), "y": np.ones(5, np.float16)}, place / A)
    save_file({"z": np.full(7, 2, np.float32)}, place / B)
    write_index(place, {"x": A, "y": A, "z": B})
    return place


def write_index(folder: Path, index: object) -> None:
    (folder / INDEX_NAME).write_text(json.dumps({"metadata": {}, "weight_map": index}))


def told(folder: Path) -> list[tuple[str, str]]:
    return [(fault.what, fault.value) for fault in read_tensor_files(FolderFiles(folder)).faults]


def test_every_tensor_is_known_by_shape_precision_and_place(folder: Path) -> None:
    found = read_tensor_files(FolderFiles(folder))
    assert (found.faults, found.files, set(found.tensors)) == ((), (A, B), {"x", "y", "z"})
    place = found.tensors["y"]
    assert (place.file, place.dtype, place.shape) == (A, "F16", (5,))
    whole = (folder / A).read_bytes()
    assert np.frombuffer(whole[place.start : place.end], np.float16).tolist() == [1.0] * 5
    found.require_whole()


def test_a_single_file_needs_no_index(tmp_path: Path) -> None:
    save_file({"x": np.zeros(3, np.float32)}, tmp_path / "model.safetensors")
    found = read_tensor_files(FolderFiles(tmp_path))
    size = (tmp_path / "model.safetensors").stat().st_size
    expected = TensorPlace(file="model.safetensors", dtype="F32", shape=(3,), start=size - 12, end=size)
    assert (found.tensors, found.faults) == ({"x": expected}, ())


def cut_off(folder: Path) -> None:
    (folder / A).write_bytes((folder / A).read_bytes()[:-3])


def empty(folder: Path) -> None:
    (folder / A).write_bytes(b"")


def another_header(folder: Path) -> None:
    (folder / A).write_bytes(struct.pack("<Q", 4) + b"nope")


def longer_than_any(folder: Path) -> None:
    (folder / A).write_bytes(struct.pack("<Q", 1 << 40) + b"{}")


def gone(folder: Path) -> None:
    (folder / A).unlink()


def in_both(folder: Path) -> None:
    save_file({"z": np.zeros(7, np.float32), "x": np.zeros(1, np.float32)}, folder / B)


def too_much_in_the_index(folder: Path) -> None:
    write_index(folder, {"w": B, "x": A, "y": A, "z": B})


def too_little_in_the_index(folder: Path) -> None:
    write_index(folder, {"x": A, "z": B})


def exchanged_in_the_index(folder: Path) -> None:
    write_index(folder, {"x": A, "y": B, "z": B})


def no_index_at_all(folder: Path) -> None:
    (folder / INDEX_NAME).write_text("[]")


def outside_of_the_folder(folder: Path) -> None:
    write_index(folder, {"x": "../x.safetensors"})


def a_single_file_too(folder: Path) -> None:
    save_file({"x": np.zeros(1, np.float32)}, folder / "model.safetensors")


def pickles_alone(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    (folder / "pytorch_model.bin").write_bytes(b"anything")


def nothing(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


PICKLED = "weights that can run code when they are loaded, and no safetensors"
WRONG: dict[Callable[[Path], None], list[tuple[str, str]]] = {
    cut_off: [("a shard is not whole", f"{A}: y ends at byte 34 of 31: the file is cut off")],
    empty: [("a shard is not whole", f"{A}: 0 bytes in all")],
    another_header: [
        ("a shard is not whole", f"{A}: its header is no JSON: Expecting value: line 1 column 1 (char 0)")
    ],
    longer_than_any: [("a shard is not whole", f"{A}: a header of {1 << 40} bytes in a file of 10")],
    gone: [("a shard is not there", A)],
    in_both: [
        ("a tensor lies in two shards", f"x in {A} and {B}"),
        ("the index names another shard", f"x in {A}, and it lies in {B}"),
    ],
    too_much_in_the_index: [("the index names a tensor that is in no shard", "w")],
    too_little_in_the_index: [("a shard holds a tensor that the index does not name", "y")],
    exchanged_in_the_index: [("the index names another shard", f"y in {B}, and it lies in {A}")],
    no_index_at_all: [
        ("the index cannot be read", f"{INDEX_NAME}: list indices must be integers or slices, not str")
    ],
    outside_of_the_folder: [
        ("the index cannot be read", f"{INDEX_NAME}: its weight_map names what is no file beside it")
    ],
    a_single_file_too: [
        (
            "two sets of weights, and programs differ in which they read",
            f"model.safetensors and {INDEX_NAME}",
        )
    ],
    pickles_alone: [(PICKLED, "pytorch_model.bin")],
}


@pytest.mark.parametrize("spoil", WRONG, ids=lambda one: one.__name__.replace("_", "-"))
def test_what_is_wrong_with_the_files_is_told_by_name(spoil: Callable[[Path], None], folder: Path) -> None:
    spoil(folder)
    assert told(folder) == WRONG[spoil]
    with pytest.raises(BadInput, match="next: "):
        read_tensor_files(FolderFiles(folder)).require_whole()


def test_a_folder_without_weights_is_told(folder: Path) -> None:
    nothing(folder)
    assert told(folder) == [("no weights", str(folder))]


def test_of_a_hub_headers_alone_come(folder: Path, hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    save_file({"z": rng.normal(size=200_000).astype(np.float32)}, folder / B)
    api_of(hub).create_repo("zoo/model")
    sha = api_of(hub).upload_folder(repo_id="zoo/model", folder_path=folder).oid
    came: list[str] = []
    session = get_session()
    stream = session.stream

    def counted(*asked: object, **more: object) -> object:
        came.extend(value for key, value in more["headers"].items() if key == "range")  # type: ignore[attr-defined]
        return stream(*asked, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(session, "stream", counted)
    monkeypatch.setattr("zoo.tensor_files._FIRST_READ", 64)
    files = model_files("zoo/model", endpoint=hub)
    found = read_tensor_files(files)
    assert (files.name, files.commit) == (f"zoo/model@{sha}", sha)
    assert found == read_tensor_files(FolderFiles(folder))
    assert len(came) == 4  # the start and the rest of each header
    assert max(int(one.rpartition("-")[2]) for one in came) < 300
    place = found.tensors["z"]
    assert files.read(B, place.start, 8) == (folder / B).read_bytes()[place.start : place.start + 8]
    assert files.digests[B] == hashlib.sha256((folder / B).read_bytes()).hexdigest()


def test_a_hub_that_sends_whole_files_is_refused_before_gigabytes_come(
    folder: Path, hub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    api_of(hub).create_repo("zoo/model")
    api_of(hub).upload_folder(repo_id="zoo/model", folder_path=folder)
    files = HubFiles("zoo/model", "main", endpoint=hub)
    session = get_session()
    stream = session.stream

    def without_range(method: str, url: str, *, headers: dict[str, str], **more: object) -> object:
        return stream(method, url, headers={k: v for k, v in headers.items() if k != "range"}, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(session, "stream", without_range)
    with pytest.raises(HubError, match="gives no part of a file"):
        read_tensor_files(files)


def test_a_file_that_should_be_small_is_not_fetched_if_it_is_not(tmp_path: Path) -> None:
    with (tmp_path / INDEX_NAME).open("wb") as file:
        file.truncate(SMALL_BYTES + 1)
    with pytest.raises(BadInput, match="has 67108865 bytes; a file of this name has 67108864 at most"):
        read_tensor_files(FolderFiles(tmp_path))


@pytest.mark.parametrize("source", ["/nowhere/at/all", "./nowhere", "nowhere"])
def test_what_is_neither_folder_nor_repo_is_refused(source: str) -> None:
    with pytest.raises(BadInput, match=r"no folder|names no repo"):
        model_files(source)


@pytest.mark.parametrize(("revision", "said"), [("", "there is no folder typed/wrong, and: "), ("@v1", "")])
def test_what_may_have_been_meant_for_a_folder_is_told(hub: str, revision: str, said: str) -> None:
    with pytest.raises(HubError, match=f"^{said}typed/wrong@"):
        model_files(f"typed/wrong{revision}", endpoint=hub)
