"""What the licence of a base asks of whoever publishes an adapter of it."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from huggingface_hub import HfApi

from model_cards.check import check
from model_cards.repo import read_repo
from tests._scored import scored
from tests.conftest import MakeAdapter
from training import publish as publishing
from training.cli.publish import publish as verb
from zoo.bases import known_base
from zoo.errors import BadInput
from zoo.licences import LICENCES, narrowest

REPO = "zoo/x"
HEALTH_AI = "health-ai-developer-foundations"
LINK = "https://developers.google.com/health-ai-developer-foundations/terms"
NOTICE = (
    "HAI-DEF is provided under and subject to the Health AI Developer Foundations Terms of Use found at "
    f"{LINK}\n"
)


publish = partial(publishing.publish, allow_unevaluated=True)
preview = partial(publishing.preview, allow_unevaluated=True)


def of(base_name: str, make: MakeAdapter, **changes: Any) -> Path:
    """An adapter that nobody has scored and that says it was made on this base."""
    base = known_base(base_name)
    named = {"name": base.name, "repo": base.repo, "revision": base.revision or "f" * 40}
    return make(base=named, license=narrowest(base.license, "apache-2.0"), evaluation=[], **changes)


@pytest.mark.parametrize("base", ["llava-med-v1.5", "llava-med++"])
@pytest.mark.parametrize("private", [True, False])
def test_an_adapter_of_a_base_that_may_not_be_passed_on_goes_to_no_hub_that_others_read(
    make_adapter: MakeAdapter, hub: str, base: str, private: bool
) -> None:
    folder = of(base, make_adapter)
    why = LICENCES[known_base(base).license].about
    with pytest.raises(BadInput) as refused:
        publish(folder, REPO, endpoint="https://huggingface.co", private=private)
    assert "do not let what was made of them be passed on" in refused.value.message
    assert refused.value.message.endswith(why)
    assert refused.value.hint == (
        "serve it from its folder, or publish it with --private to a Hub of your own (--hub)"
    )
    with pytest.raises(BadInput, match="do not let what was made of them be passed on"):
        publish(folder, REPO, endpoint=hub)
    assert not HfApi(endpoint=hub, token="local").repo_exists(REPO)


def test_on_a_hub_of_one_s_own_it_is_kept_private_and_not_silently(
    make_adapter: MakeAdapter, hub: str
) -> None:
    folder = of("llava-med-v1.5", make_adapter)
    said = "keep it private, on a Hub that only those may read who may have its base. " + (
        LICENCES["llava-med-terms"].about
    )
    assert preview(folder, REPO, endpoint=hub, private=True).note == said
    words = [str(folder), REPO, "--hub", hub, "--private", "--allow-unevaluated"]
    shown = CliRunner().invoke(verb, words, catch_exceptions=False)
    assert f"  note       {said}\n" in shown.output
    assert HfApi(endpoint=hub, token="local").model_info(REPO).private


def test_the_terms_of_medgemma_go_along_with_its_adapters(
    make_adapter: MakeAdapter, hub: str, tmp_path: Path
) -> None:
    folder = of("medgemma-4b", make_adapter)
    done = publish(folder, REPO, endpoint=hub)
    api = HfApi(endpoint=hub, token="local")
    sent = Path(api.hf_hub_download(REPO, "NOTICE", revision=done.sha, cache_dir=tmp_path / "cache"))
    assert sent.read_text() == NOTICE
    assert done.note == (
        f"its terms ask that a copy of them goes along: save {LINK} as {folder / 'LICENSE'} and publish again"
    )
    card = (folder / "README.md").read_text()
    name = f"{HEALTH_AI}-and-apache-2.0"
    assert f"license: other\nlicense_name: {name}\nlicense_link: {LINK}\n" in card
    section = card.partition("### What goes along with it\n")[2].partition("\n## ")[0]
    assert f"[these terms]({LINK})" in section
    assert "prohibited-use-policy" in section
    assert f"> {NOTICE}" in section
    assert section.count("\n- ") == len(LICENCES[HEALTH_AI].passed_on) + 1 == 4


def test_a_copy_of_the_terms_that_lies_beside_an_adapter_is_published_with_it(
    make_adapter: MakeAdapter, hub: str
) -> None:
    folder = of("medgemma-4b", make_adapter)
    (folder / "LICENSE").write_text("the terms, saved by whoever publishes\n")
    assert preview(folder, REPO, endpoint=hub).note == ""
    assert not (folder / "NOTICE").exists()  # a preview writes nothing
    done = publish(folder, REPO, endpoint=hub)
    sent = HfApi(endpoint=hub, token="local").list_repo_files(REPO, revision=done.sha)
    assert {"LICENSE", "NOTICE"} <= set(sent)


def faults(folder: Path) -> list[tuple[str, str, str]]:
    found = check(read_repo(folder))
    return [(fault.what, fault.value, fault.next) for one in found for fault in one.faults]


def test_a_card_whose_terms_do_not_go_along_is_told(make_adapter: MakeAdapter, hub: str) -> None:
    folder = of("medgemma-4b", make_adapter)
    publish(folder, REPO, endpoint=hub)
    assert faults(folder) == []
    (folder / "NOTICE").write_text("something else\n")
    (told,) = faults(folder)
    licence = json.loads((folder / "zoo.json").read_text())["license"]
    assert told == (
        "the base's terms do not go along",
        f"NOTICE does not say what {licence} asks for",
        f"medzoo card {folder}",
    )
    (folder / "NOTICE").unlink()
    assert [value for _, value, _ in faults(folder)] == ["no NOTICE"]
    for name in ("zoo.json", "README.md"):
        (folder / name).unlink()
    (folder / "README.md").write_text("---\nlicense: other\nbase_model: google/medgemma-4b-it\n---\n")
    by_hand = f"put a file NOTICE beside it that says: {NOTICE.strip()}"
    assert ("the base's terms do not go along", "no NOTICE", by_hand) in faults(folder)


def test_an_adapter_under_a_licence_that_asks_for_none_has_no_notice(
    make_adapter: MakeAdapter, hub: str
) -> None:
    folder = scored(make_adapter())
    done = publish(folder, REPO, endpoint=hub)
    assert done.note == ""
    assert not (folder / "NOTICE").exists()
    assert "What goes along with it" not in (folder / "README.md").read_text()
