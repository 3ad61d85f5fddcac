"""Where a checkpoint that is looked at may lie, on a Hub too, and what is none at all."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.zoo._carded import api_of
from tests.zoo.vlm._checked import faults
from zoo.bases import Base, known_base
from zoo.checks import Check
from zoo.errors import BadInput
from zoo.vlm.builders.stand_in import build_stand_in
from zoo.vlm.checkpoint import check_checkpoint


def test_a_repo_is_checked_from_its_headers_at_the_commit_that_is_pinned(tmp_path: Path, hub: str) -> None:
    base = known_base("llava-med-v1.5")
    build_stand_in(base, tmp_path / "model")
    api_of(hub).create_repo(base.repo)
    sha = api_of(hub).upload_folder(repo_id=base.repo, folder_path=tmp_path / "model").oid

    def checked_there(base: Base, source: str | None = None) -> dict[str, Check]:
        return {one.name: one for one in check_checkpoint(base, source, any_size=True, endpoint=hub)}

    pinned = checked_there(replace(base, revision=sha))
    assert (faults(pinned), pinned["commit"].told) == ([], sha)
    moved = checked_there(base, base.repo)
    assert moved["commit"].unknown == f"{sha}, and the base is pinned to {base.revision}"
    assert moved["tensors"].told == pinned["tensors"].told


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (None, "holds no config.json"),
        ("{", "cannot be read"),
        ('{"model_type": "nobody"}', "which transformers does not read"),
        ('{"model_type": "llava", "text_config": 3}', "which transformers does not read"),
    ],
)
def test_what_is_no_model_is_refused(config: str | None, words: str, tmp_path: Path) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(BadInput, match=words):
        check_checkpoint(known_base("qwen3-vl-4b"), tmp_path)
