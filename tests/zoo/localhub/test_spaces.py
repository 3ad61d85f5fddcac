"""The real client's Spaces on the embedded Hub, which keeps them and runs none."""

import httpx
import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, RepositoryNotFoundError

README = """---
title: A demo
sdk: docker
app_port: 7860
colorFrom: indigo
license: apache-2.0
tags: [zoo]
---
"""


def push(api: HfApi, space: str, **files: str) -> str:
    names = {"README": "README.md"}
    operations = [
        CommitOperationAdd(names.get(name, name), content.encode()) for name, content in files.items()
    ]
    return api.create_commit(space, operations, repo_type="space", commit_message="put").oid


def test_a_space_is_made_once_filled_listed_told_and_taken_down(api: HfApi, url: str, tmp_path) -> None:
    made = api.create_repo("local/whole", repo_type="space", space_sdk="docker")
    assert (made, made.repo_id) == (f"{url}/spaces/local/whole", "local/whole")
    assert api.create_repo("local/whole", repo_type="space", space_sdk="docker", exist_ok=True) == made
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_repo("local/whole", repo_type="space", space_sdk="docker")
    sha = push(api, "local/whole", README=README, Dockerfile="FROM scratch\n")
    told = api.space_info("local/whole")
    assert told.runtime is not None
    assert (told.sdk, told.sha, told.runtime.stage) == ("docker", sha, "STOPPED")
    assert told.tags == ["docker", "zoo", "license:apache-2.0"]
    assert [one.rfilename for one in told.siblings or []] == [".gitattributes", "Dockerfile", "README.md"]
    assert [one.id for one in api.list_spaces(filter="zoo")] == ["local/whole"]
    folder = api.snapshot_download("local/whole", repo_type="space", cache_dir=tmp_path)
    with open(f"{folder}/Dockerfile", encoding="utf-8") as file:
        assert file.read() == "FROM scratch\n"
    api.delete_repo("local/whole", repo_type="space")
    with pytest.raises(RepositoryNotFoundError):
        api.space_info("local/whole")


def test_a_model_a_data_set_and_a_space_may_have_one_name(api: HfApi) -> None:
    api.create_repo("local/same")
    api.create_repo("local/same", repo_type="dataset")
    api.create_repo("local/same", repo_type="space", space_sdk="static")
    assert (api.model_info("local/same").id, api.space_info("local/same").sdk) == ("local/same", "static")


@pytest.mark.parametrize("sdk", [None, "cobol", 3])
def test_a_space_without_a_known_sdk_is_refused(url: str, sdk) -> None:
    body = {"name": "nosdk", "type": "space", "sdk": sdk}
    reply = httpx.post(f"{url}/api/repos/create", json=body, headers={"Authorization": "Bearer x"})
    assert reply.status_code == 400
    assert reply.json()["error"] == (
        f"the sdk of a Space is {sdk!r}; it is one of docker, gradio, static, streamlit"
    )


def test_secrets_of_a_space_are_refused_and_nothing_is_made(api: HfApi) -> None:
    with pytest.raises(HfHubHTTPError, match="keeps no secrets"):
        api.create_repo(
            "local/secret", repo_type="space", space_sdk="docker", space_secrets=[{"key": "A", "value": "b"}]
        )
    assert not api.repo_exists("local/secret", repo_type="space")


def test_the_stage_says_what_a_space_lacks(api: HfApi) -> None:
    api.create_repo("local/stage", repo_type="space", space_sdk="docker")
    stages = [api.get_space_runtime("local/stage").stage]
    push(api, "local/stage", README=README)
    stages.append(api.get_space_runtime("local/stage").stage)
    push(api, "local/stage", Dockerfile="FROM scratch\n")
    stages.append(api.get_space_runtime("local/stage").stage)
    push(api, "local/stage", README=README.replace("docker", "gradio"))
    stages.append(api.get_space_runtime("local/stage").stage)
    assert stages == ["NO_APP_FILE", "NO_APP_FILE", "STOPPED", "CONFIG_ERROR"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("sdk: docker", "sdk: cobol", '"sdk" must be one of docker, gradio, static, streamlit'),
        ("app_port: 7860", "app_port: many", '"app_port" must be a port, from 1 to 65535'),
        ("colorFrom: indigo", "colorFrom: mauve", '"colorFrom" must be one of red, yellow'),
    ],
)
def test_a_card_that_no_space_can_have_is_refused_before_it_is_sent(
    api: HfApi, old: str, new: str, said: str
) -> None:
    api.create_repo("local/card", repo_type="space", space_sdk="docker", exist_ok=True)
    before = api.space_info("local/card").sha
    with pytest.raises((BadRequestError, ValueError), match=said):
        push(api, "local/card", README=README.replace(old, new))
    assert api.space_info("local/card").sha == before


def test_a_private_space_is_hidden_from_strangers(api: HfApi, stranger: HfApi) -> None:
    api.create_repo("local/hidden", repo_type="space", space_sdk="docker", private=True)
    with pytest.raises(RepositoryNotFoundError):
        stranger.space_info("local/hidden")
    assert "local/hidden" not in [one.id for one in stranger.list_spaces()]
