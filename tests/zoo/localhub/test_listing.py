"""What the embedded Hub tells about its repositories: cards, tags, lists, and who sees what."""

import json
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, RepositoryNotFoundError

from zoo.localhub import card

ADAPTER_CARD = """---
base_model: medvlm-zoo/phantom
library_name: peft
pipeline_tag: image-text-to-text
license: apache-2.0
language: en
datasets:
- medvlm-zoo/phantom-pairs
tags:
- medical
- "variant:mdpo"
trained: 2026-11-20
model-index:
- name: mdpo
  results:
  - task: {type: visual-question-answering}
    dataset: {name: phantom, type: phantom}
    metrics: [{type: accuracy, value: 0.7}]
---
# An adapter
"""


def push_readme(api: HfApi, repo: str, text: str, repo_type: str = "model") -> None:
    api.upload_file(
        path_or_fileobj=text.encode(), path_in_repo="README.md", repo_id=repo, repo_type=repo_type
    )


def test_a_cards_metadata_becomes_tags_and_info(api: HfApi, repo: str) -> None:
    push_readme(api, repo, ADAPTER_CARD)
    info = api.model_info(repo, files_metadata=True)
    assert info.tags == [
        "peft",
        "medical",
        "variant:mdpo",
        "image-text-to-text",
        "en",
        "dataset:medvlm-zoo/phantom-pairs",
        "base_model:medvlm-zoo/phantom",
        "base_model:adapter:medvlm-zoo/phantom",
        "license:apache-2.0",
    ]
    assert (info.library_name, info.pipeline_tag, info.author) == ("peft", "image-text-to-text", "local")
    assert info.card_data["trained"] == "2026-11-20"
    assert info.card_data.eval_results[0].metric_value == 0.7
    assert (info.private, info.gated, info.disabled) == (False, False, False)
    sizes = {file.rfilename: file.size for file in info.siblings}
    assert sizes["README.md"] == len(ADAPTER_CARD)
    assert info.last_modified >= info.created_at.replace(microsecond=0)
    assert api.model_info(repo, revision=info.sha).sha == info.sha
    assert api.model_info(repo, expand=["tags", "sha"]).siblings is None


def test_a_card_pushed_by_its_own_class_is_found_by_its_tags(run, url: str, api: HfApi) -> None:
    api.create_repo("cards/pushed")
    run(
        """
        from huggingface_hub import ModelCard, ModelCardData, metadata_update
        data = ModelCardData(base_model="a/b", license="mit", tags=["pushed-card"], datasets=["c/d"])
        ModelCard(f"---\\n{data.to_yaml()}\\n---\\n# Text").push_to_hub("cards/pushed")
        metadata_update("cards/pushed", {"pipeline_tag": "image-to-text"})
        """,
        endpoint=url,
    )
    (found,) = api.list_models(filter=["pushed-card", "base_model:finetune:a/b", "dataset:c/d"])
    assert (found.id, found.pipeline_tag) == ("cards/pushed", "image-to-text")


def test_a_list_is_filtered_searched_sorted_and_cut(api: HfApi) -> None:
    for name in ("alpha", "beta", "gamma"):
        repo = api.create_repo(f"lists/{name}-model").repo_id
        push_readme(api, repo, f"---\ntags: [listed, only-{name}]\nlicense: mit\n---\n")
    api.create_repo("lists/bare")
    api.create_repo("other/alpha-model")

    def ids(**query) -> list[str]:  # type: ignore[no-untyped-def]
        return [model.id for model in api.list_models(**query)]

    everything = {"lists/alpha-model", "lists/beta-model", "lists/gamma-model", "lists/bare"}
    assert set(ids(author="lists")) == everything
    assert ids(filter="only-beta") == ["lists/beta-model"]
    assert set(ids(filter=["listed", "license:mit"])) == everything - {"lists/bare"}
    assert ids(filter=["listed", "only-alpha", "only-beta"]) == []
    assert set(ids(search="ALPHA")) == {"lists/alpha-model", "other/alpha-model"}
    assert ids(author="lists", sort="created_at") == [
        "lists/bare", "lists/gamma-model", "lists/beta-model", "lists/alpha-model",
    ]  # fmt: skip
    assert len(ids(author="lists", limit=2)) == 2
    assert next(iter(api.list_models(filter="only-beta"))).card_data is None
    assert next(iter(api.list_models(filter="only-beta", cardData=True))).card_data.license == "mit"
    with pytest.raises(BadRequestError, match="cannot sort by"):
        ids(sort="colour")
    with pytest.raises(HfHubHTTPError, match="num_parameters"):
        ids(num_parameters="min:1B")


def test_a_list_in_pages_is_the_whole_list(api: HfApi, url: str) -> None:
    for number in range(5):
        api.create_repo(f"paged/m{number}")
    found, address = [], f"{url}/api/models?author=paged&limit=2&sort=id&direction=1"
    while address:
        page = httpx.get(address)
        found.append([model["id"] for model in page.json()])
        address = page.links.get("next", {}).get("url")
    assert found == [["paged/m0", "paged/m1"], ["paged/m2", "paged/m3"], ["paged/m4"]]


def test_what_comes_or_goes_between_two_pages_moves_nothing(api: HfApi, url: str) -> None:
    for number in range(6):
        api.create_repo(f"moving/m{number}")
    first = httpx.get(f"{url}/api/models?author=moving&limit=3&sort=createdAt")
    api.create_repo("moving/new")
    api.delete_repo("moving/m4")
    rest = httpx.get(first.links["next"]["url"])
    assert [model["id"][-2:] for model in first.json() + rest.json()] == ["m5", "m4", "m3", "m2", "m1", "m0"]
    assert "next" not in rest.links


@pytest.mark.parametrize("cursor", ["1", "W10=", "WzEsIDJd", "Wy0xLCAiYSJd", "é"])
def test_a_cursor_that_is_none_is_refused(api: HfApi, url: str, cursor: str) -> None:
    api.create_repo("local/cursor", exist_ok=True)
    assert httpx.get(f"{url}/api/models", params={"cursor": cursor}).status_code == 400


def test_data_sets_are_listed_apart_with_tags_of_their_own(api: HfApi) -> None:
    repo = api.create_repo("lists/pairs", repo_type="dataset").repo_id
    text = "---\nlicense: mit\nlanguage: [en]\ntask_categories: [visual-question-answering]\n---\n"
    push_readme(api, repo, text, repo_type="dataset")
    (found,) = api.list_datasets(author="lists", language="en", task_categories="visual-question-answering")
    assert found.id == repo
    assert api.dataset_info(repo).tags == [
        "task_categories:visual-question-answering", "language:en", "license:mit",
    ]  # fmt: skip
    assert not api.repo_exists(repo)


@pytest.mark.parametrize(
    ("readme", "reason"),
    [
        ("---\na: [\n---\n", "no YAML"),
        ("---\n- a\n---\n", "mapping"),
        ("---\ntags: {a: b}\n---\n", "tags"),
        ("---\nlicense: 3\n---\n", "license"),
        ("---\nx: !!python/object/apply:os.getcwd []\n---\n", "no YAML"),
        (
            "---\na: &a [x,x,x,x,x,x,x,x,x,x]\n"
            + "".join(f"{b}: &{b} [{','.join(['*' + a] * 10)}]\n" for a, b in pairwise("abcdefg"))
            + "---\n",
            "too large",
        ),
        ("---\n" + "a: " + "[" * 200 + "]" * 200 + "\n---\n", "too large or too deep"),
    ],
)
def test_a_card_that_cannot_be_read_is_refused_before_and_at_the_commit(
    api: HfApi, repo: str, url: str, readme: str, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        push_readme(api, repo, readme)
    header = {"key": "header", "value": {"summary": "x"}}
    file = {"key": "file", "value": {"path": "README.md", "content": readme}}
    answer = httpx.post(
        f"{url}/api/models/{repo}/commit/main",
        content=f"{json.dumps(header)}\n{json.dumps(file)}\n",
        headers={"authorization": "Bearer t"},
    )
    assert (answer.status_code, reason in answer.json()["error"]) == (400, True)


def test_tags_follow_the_declared_relation_to_the_base() -> None:
    assert card.tags("model", {"base_model": ["a/b", "c/d"], "base_model_relation": "merge"}) == [
        "base_model:a/b", "base_model:merge:a/b", "base_model:c/d", "base_model:merge:c/d",
    ]  # fmt: skip
    assert card.tags("model", {"base_model": "a/b"}, is_adapter=True)[1] == "base_model:adapter:a/b"
    assert card.parse("no block") == {}
    assert card.parse("---\n---\ntext") == {}


def test_a_stranger_reads_what_is_public_and_writes_nothing(
    api: HfApi, stranger: HfApi, repo: str, url: str
) -> None:
    push_readme(api, repo, "---\nlicense: mit\n---\n")
    assert stranger.model_info(repo).card_data.license == "mit"
    attempts = {
        "commit": lambda: stranger.delete_file("README.md", repo),
        "create": lambda: stranger.create_repo("local/strange"),
        "delete": lambda: stranger.delete_repo(repo),
        "move": lambda: stranger.move_repo(repo, "local/strange"),
        "tag": lambda: stranger.create_tag(repo, tag="t"),
        "branch": lambda: stranger.create_branch(repo, branch="b"),
        "settings": lambda: stranger.update_repo_settings(repo, private=True),
        "upload": lambda: stranger.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=repo),
    }
    for what, attempt in attempts.items():
        with pytest.raises(HfHubHTTPError, match="needs a token") as refused:
            attempt()
        assert refused.value.response.status_code == 401, what
    assert httpx.get(f"{url}/api/whoami-v2").status_code == 401


def test_a_private_repository_is_not_there_for_strangers(
    api: HfApi, stranger: HfApi, url: str, tmp_path: Path
) -> None:
    repo = api.create_repo("local/secret", private=True).repo_id
    push_readme(api, repo, "---\ntags: [secret-tag]\n---\n")
    assert api.model_info(repo).private is True
    assert [model.id for model in api.list_models(filter="secret-tag")] == [repo]
    assert list(stranger.list_models(filter="secret-tag")) == []
    for attempt in (
        lambda: stranger.model_info(repo),
        lambda: stranger.list_repo_files(repo),
        lambda: stranger.get_paths_info(repo, "README.md"),
        lambda: stranger.list_repo_commits(repo),
        lambda: stranger.list_repo_refs(repo),
        lambda: stranger.hf_hub_download(repo, "README.md", cache_dir=tmp_path),
    ):
        with pytest.raises(RepositoryNotFoundError):
            attempt()
    hidden = httpx.get(f"{url}/api/models/{repo}")
    absent = httpx.get(f"{url}/api/models/local/never-was")
    assert (hidden.status_code, hidden.headers["x-error-code"]) == (401, "RepoNotFound")
    assert (hidden.status_code, hidden.text) == (absent.status_code, absent.text)
    api.update_repo_settings(repo, private=False)
    assert stranger.model_info(repo).private is False


def test_a_gated_repository_shows_itself_but_not_its_files(
    api: HfApi, stranger: HfApi, repo: str, tmp_path: Path
) -> None:
    from huggingface_hub.errors import GatedRepoError

    push_readme(api, repo, "---\nlicense: mit\n---\n")
    api.update_repo_settings(repo, gated="manual")
    assert stranger.model_info(repo).gated == "manual"
    with pytest.raises(GatedRepoError):
        stranger.hf_hub_download(repo, "README.md", cache_dir=tmp_path)
    assert api.hf_hub_download(repo, "README.md", cache_dir=tmp_path)
