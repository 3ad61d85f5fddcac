import json
from pathlib import Path

import pytest

from zoo.errors import BadManifest
from zoo.manifest import Bounds, parse_manifest, read_manifest, write_manifest


def _change(folder: Path, **changes):
    path = folder / "zoo.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_manifest_survives_writing_and_reading(make_adapter, tmp_path):
    manifest = read_manifest(make_adapter())
    (tmp_path / "copy").mkdir()
    write_manifest(tmp_path / "copy", manifest)
    assert read_manifest(tmp_path / "copy") == manifest


def test_an_unknown_key_is_refused_with_key_and_file(make_adapter):
    folder = make_adapter(colour="blue")
    with pytest.raises(BadManifest) as error:
        read_manifest(folder)
    assert str(error.value) == f"{folder / 'zoo.json'}: key 'colour' is not known"


def test_a_key_missing_deep_inside_is_named_with_its_path(make_adapter):
    folder = make_adapter(base={"name": "phantom", "repo": "medvlm-zoo/phantom"})
    with pytest.raises(BadManifest, match=r"zoo\.json: key 'base\.revision' is missing"):
        read_manifest(folder)


def test_a_newer_schema_is_refused_with_the_word_upgrade(make_adapter):
    with pytest.raises(BadManifest, match="upgrade") as error:
        read_manifest(make_adapter(schema_version=2))
    assert "schema_version 2" in error.value.message


def test_keys_newer_than_the_file_take_their_defaults(make_adapter):
    folder = make_adapter()
    raw = json.loads((folder / "zoo.json").read_text())
    for key in ("evaluation", "no_effect_expected", "commit", "repo"):
        del raw[key]
    manifest = parse_manifest(json.dumps(raw), where="here")
    assert (manifest.evaluation, manifest.no_effect_expected, manifest.commit, manifest.repo) == (
        [],
        False,
        "",
        "",
    )


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"weights_sha256": "abc"}, "'weights_sha256' is 'abc'"),
        ({"license": 3}, "'license' is 3"),
        (
            {"cost": {"seconds": float("nan"), "peak_memory_bytes": 1, "response_tokens": 1}},
            "'cost.seconds' is nan",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_key(make_adapter, changes, named):
    with pytest.raises(BadManifest) as error:
        read_manifest(make_adapter(**changes))
    assert named in error.value.message


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b"\xff\xfe{}", b"null", b"[" * 200_000, b"9" * 5000, b" " * (2**20 + 1)]
)
def test_a_file_that_is_no_manifest_is_refused_by_name(make_adapter, content):
    folder = make_adapter()
    (folder / "zoo.json").write_bytes(content)
    with pytest.raises(BadManifest, match=r"zoo\.json"):
        read_manifest(folder)


def test_a_folder_without_a_manifest_is_no_adapter(tmp_path):
    with pytest.raises(BadManifest, match="no such file"):
        read_manifest(tmp_path)


def test_a_manifest_cannot_be_changed_in_place(make_adapter):
    manifest = read_manifest(make_adapter())
    with pytest.raises(ValueError, match="frozen"):
        manifest.license = "mit"


@pytest.mark.parametrize(("low", "high", "held"), [(-0.1, 0.1, True), (0.0, 0.1, True), (0.01, 0.1, False)])
def test_an_interval_knows_whether_it_holds_zero(low, high, held):
    assert Bounds(low=low, high=high).holds_zero is held
