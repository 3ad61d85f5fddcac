"""Cards of adapters whose base has to be made ready first, and what is said where another commit is meant."""

import pytest

from model_cards.card import card_files
from model_cards.repo import read_repo
from model_cards.verify import base_revision
from zoo.bases import bases, declared_bases, keep_base


@pytest.fixture(autouse=True)
def _nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    bases.cache_clear()
    yield
    bases.cache_clear()


def of(make_adapter, name, *, revision=""):
    base = declared_bases()[name]
    named = {"name": name, "repo": base.repo, "revision": revision or base.revision or "f" * 40}
    return make_adapter(f"of-{name}", base=named, license=base.license, evaluation=[])


@pytest.mark.parametrize("name", sorted(declared_bases()))
def test_a_card_is_the_same_whatever_this_machine_keeps_of_the_base(make_adapter, tmp_path, name):
    folder = of(make_adapter, name)
    before = card_files(folder)
    if declared_bases()[name].folder is None:
        (tmp_path / "copy").mkdir()
        keep_base(name, revision="b" * 40, folder=tmp_path / "copy")
    assert card_files(folder) == before


def test_a_card_loads_a_base_that_transformers_cannot_read_from_where_it_was_converted_to(make_adapter):
    card = card_files(of(make_adapter, "llava-med-v1.5"))["README.md"]
    convert = "medzoo convert microsoft/llava-med-v1.5-mistral-7b --base llava-med-v1.5 --out FOLDER"
    assert f"from zoo.bases import get_base  # once: {convert}\n" in card
    assert 'from_pretrained(get_base("llava-med-v1.5").folder)' in card
    other = card_files(of(make_adapter, "qwen3-vl-4b"))["README.md"]
    assert "get_base(" not in other
    sha = declared_bases()["qwen3-vl-4b"].revision
    assert f'from_pretrained("Qwen/Qwen3-VL-4B-Instruct", revision="{sha}")' in other


@pytest.mark.parametrize("name", ["qwen3-vl-4b", "medgemma-4b"])
def test_a_card_says_what_transformers_needs_beside_itself(make_adapter, name):
    card = card_files(of(make_adapter, name))["README.md"]
    processor = card.partition("import AutoProcessor")[2].partition("\n")[0]
    assert processor == ("  # of this base it needs torchvision too" if name == "qwen3-vl-4b" else "")


def test_an_adapter_of_another_commit_is_told_how_to_pin_it(make_adapter):
    repo = read_repo(of(make_adapter, "qwen3-vl-4b", revision="d" * 40))
    (fault,) = base_revision(repo).faults
    assert fault.next == f"medzoo bases qwen3-vl-4b --pin {'d' * 40}, or train it again"
    keep_base("qwen3-vl-4b", revision="d" * 40)
    assert base_revision(repo).told == "qwen3-vl-4b@dddddddddddd is the base here"


def test_of_a_base_that_is_not_pinned_here_the_revision_is_unknown(make_adapter):
    found = base_revision(read_repo(of(make_adapter, "huatuo-vision-7b-qwen2.5vl")))
    assert found.unknown == f"{'f' * 40}; here no commit of huatuo-vision-7b-qwen2.5vl is pinned"
    assert found.faults == ()
