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
from model_cards.verify import verify
from tests._scored import scored
from tests.conftest import MakeAdapter
from training import publish as publishing
from training.cli.publish import publish as publish_verb
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
COPY = "Health AI Developer Foundations\n  Terms of Use\n\nas whoever publishes saved them\n"


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
    shown = CliRunner().invoke(publish_verb, words, catch_exceptions=False)
    assert f"  note       {said}\n" in shown.output
    assert HfApi(endpoint=hub, token="local").model_info(REPO).private


@pytest.fixture
def of_medgemma(make_adapter: MakeAdapter) -> Path:
    """One with a copy of the terms beside it, of which the tests need the title alone."""
    folder = of("medgemma-4b", make_adapter)
    (folder / "LICENSE").write_text(COPY)
    return folder


def test_the_terms_of_medgemma_go_along_with_its_adapters(
    of_medgemma: Path, hub: str, tmp_path: Path
) -> None:
    assert preview(of_medgemma, REPO, endpoint=hub).note == ""
    assert not (of_medgemma / "NOTICE").exists()  # a preview writes nothing
    done = publish(of_medgemma, REPO, endpoint=hub)
    assert done.note == ""
    api = HfApi(endpoint=hub, token="local")
    for name, text in (("NOTICE", NOTICE), ("LICENSE", COPY)):
        sent = api.hf_hub_download(REPO, name, revision=done.sha, cache_dir=tmp_path / "cache")
        assert Path(sent).read_text() == text
    card = (of_medgemma / "README.md").read_text()
    name = f"{HEALTH_AI}-and-apache-2.0"
    assert f"license: other\nlicense_name: {name}\nlicense_link: {LINK}\n" in card
    section = card.partition("### What goes along with it\n")[2].partition("\n## ")[0]
    assert f"[these terms]({LINK})" in section
    assert "prohibited-use-policy" in section
    assert f"> {NOTICE}" in section
    assert section.count("\n- ") == len(LICENCES[HEALTH_AI].passed_on) + 1 == 4


@pytest.mark.parametrize(
    ("other", "value"),
    [
        ("", "no copy of the Health AI Developer Foundations Terms of Use"),
        ("Apache License", "LICENSE is no copy of the Health AI Developer Foundations Terms of Use"),
    ],
)
@pytest.mark.parametrize("private", [True, False])
def test_without_a_copy_of_its_terms_it_goes_to_no_hub_not_even_privately(
    of_medgemma: Path, hub: str, other: str, value: str, private: bool
) -> None:
    (of_medgemma / "LICENSE").write_text(other)
    for act in (preview, publish):
        with pytest.raises(BadInput) as refused:
            act(of_medgemma, REPO, endpoint=hub, private=private)
        assert refused.value.message == f"{of_medgemma}: the base's terms do not go along: {value}"
        assert refused.value.hint == (
            f"save the text of {LINK} as {of_medgemma / 'LICENSE'}, then medzoo publish {of_medgemma} {REPO}"
        )
    assert not HfApi(endpoint=hub, token="local").repo_exists(REPO)


def faults(folder: Path, name: str = "") -> list[tuple[str, str, str, str]]:
    found = check(read_repo(folder, name=name))
    return [(one.name, fault.what, fault.value, fault.next) for one in found for fault in one.faults]


def test_files_that_should_go_along_and_do_not_are_told(of_medgemma: Path, hub: str) -> None:
    folder = of_medgemma
    what = "the base's terms do not go along"
    publish(folder, REPO, endpoint=hub)
    (row,) = [one for one in verify(read_repo(folder)) if one.name == "terms"]
    assert (row.told, row.faults) == ("NOTICE and LICENSE", ())
    (folder / "NOTICE").write_text("something else\n")
    licence = json.loads((folder / "zoo.json").read_text())["license"]
    asked = f"NOTICE does not say what {licence} asks for"
    assert faults(folder) == [("terms", what, asked, f"medzoo card {folder}")]
    (folder / "NOTICE").unlink()
    assert [value for _, _, value, _ in faults(folder)] == ["no NOTICE"]
    (folder / "NOTICE").write_text(NOTICE)
    (folder / "LICENSE").unlink()
    lacking = "no copy of the Health AI Developer Foundations Terms of Use"
    again = f"save the text of {LINK} as FOLDER/LICENSE, then medzoo publish FOLDER {REPO}"
    assert faults(folder, f"{REPO}@{'a' * 40}") == [("terms", what, lacking, again)]
    for name in ("zoo.json", "README.md", "NOTICE"):
        (folder / name).unlink()
    (folder / "README.md").write_text("---\nlicense: other\nbase_model: google/medgemma-4b-it\n---\n")
    by_hand = f"put a file NOTICE beside it that says: {NOTICE.strip()}"
    assert [one for one in faults(folder) if one[0] == "terms"] == [
        ("terms", what, "no NOTICE", by_hand),
        ("terms", what, lacking, f"save the text of {LINK} as {folder / 'LICENSE'}"),
    ]


def test_an_adapter_under_a_licence_that_asks_for_none_has_no_notice(
    make_adapter: MakeAdapter, hub: str
) -> None:
    folder = scored(make_adapter())
    done = publish(folder, REPO, endpoint=hub)
    assert done.note == ""
    assert not (folder / "NOTICE").exists()
    assert "What goes along with it" not in (folder / "README.md").read_text()
    (row,) = [one for one in verify(read_repo(folder)) if one.name == "terms"]
    assert (row.told, row.faults, row.unknown) == ("no file is wanted beside it", (), "")
