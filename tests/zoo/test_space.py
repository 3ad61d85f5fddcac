"""A Space that shows the demo: what goes up, once, and what it is never written over."""

import json
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner
from huggingface_hub import CommitOperationAdd, HfApi, SpaceCard
from huggingface_hub.errors import HfHubHTTPError

from tests.container._dockerfile import ROOT, environment, read_stages
from zoo.cli.space import space
from zoo.errors import HubError
from zoo.localhub.server import serving
from zoo.notice import NOTICE
from zoo.space import MARK, plan_space, push_space, space_files

SPACE = "me/zoo"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("hub")) as url:
        yield url


@pytest.fixture
def api(hub):
    api = HfApi(endpoint=hub, token="local")
    yield api
    api.delete_repo(SPACE, repo_type="space", missing_ok=True)


def small(**more: str) -> dict[str, bytes]:
    readme = f"---\nsdk: docker\ntags: [{MARK}]\n---\n"
    files = {"Dockerfile": "FROM scratch\n", "README.md": readme, "zoo/a.py": "a = 1\n", **more}
    return {name: text.encode() for name, text in files.items()}


def push(hub: str, files: dict[str, bytes], **more: bool) -> str:
    return push_space(plan_space(SPACE, files, endpoint=hub, token="local", **more), token="local")


def test_the_verb_shows_what_goes_up_makes_the_space_and_sends_nothing_twice(hub, api, tmp_path):
    def run(*words: str) -> str:
        done = CliRunner().invoke(space, [SPACE, "--hub", hub, *words], catch_exceptions=False)
        return done.output

    assert f"would go to {hub}/spaces/{SPACE}, which is yet to be made" in run("--dry-run")
    assert not api.repo_exists(SPACE, repo_type="space")
    assert f"{hub}/spaces/{SPACE} is at " in run()
    head = api.space_info(SPACE).sha
    assert run() == f"nothing to send: {hub}/spaces/{SPACE} holds exactly this\n"
    assert api.space_info(SPACE).sha == head
    folder = Path(api.snapshot_download(SPACE, repo_type="space", cache_dir=tmp_path))
    card = SpaceCard.load(folder / "README.md")
    said = (card.data.sdk, card.data.app_port, card.data.license)
    assert said == ("docker", 7860, "apache-2.0")
    assert NOTICE in card.text
    assert (folder / "Dockerfile").read_bytes() == (ROOT / "Dockerfile").read_bytes()
    assert (folder / "zoo" / "space.py").read_bytes() == (ROOT / "zoo" / "space.py").read_bytes()
    there = {path.relative_to(folder).parts[0] for path in folder.rglob("*")}
    assert there == {
        *(".dockerignore", ".gitattributes", "Dockerfile", "LICENSE", "README.md", "constraints.txt"),
        *("model_cards", "pyproject.toml", "serving", "training", "zoo"),
    }


def test_named_adapters_are_served_instead_of_the_demos_by_a_dockerfile_without_a_fault():
    adapters = ["me/a@" + "0" * 40, "me/b@" + "1" * 40]
    files = space_files(ROOT, SPACE, adapters)
    text = files["Dockerfile"].decode()
    image = read_stages(text)[-1]
    command = ["serve", "--host", "0.0.0.0", "--adapter", adapters[0], "--adapter", adapters[1]]
    assert [json.loads(words) for words in image.all("CMD")] == [command]
    assert environment(image)["MEDZOO_PUBLIC_DEMO"] == "true"
    assert SpaceCard(files["README.md"].decode()).data.models == ["me/a", "me/b"]
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, "--no-color", "-"], input=text, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("", 0)


def test_what_changed_goes_up_as_one_commit_and_what_is_gone_is_deleted(hub, api):
    push(hub, small(**{"zoo/b.py": "b = 1\n"}))
    plan = plan_space(SPACE, small(**{"zoo/a.py": "a = 2\n"}), endpoint=hub, token="local")
    assert (plan.sent, plan.deleted) == (("zoo/a.py",), ("zoo/b.py",))
    before = len(api.list_repo_commits(SPACE, repo_type="space"))
    push_space(plan, token="local")
    assert len(api.list_repo_commits(SPACE, repo_type="space")) == before + 1
    assert api.list_repo_files(SPACE, repo_type="space") == [
        ".gitattributes",
        "Dockerfile",
        "README.md",
        "zoo/a.py",
    ]


@pytest.mark.parametrize("sdk", ["gradio", "docker"])
def test_a_space_of_somebody_elses_making_stays_as_it_is(hub, api, sdk):
    api.create_repo(SPACE, repo_type="space", space_sdk=sdk)
    operations = [CommitOperationAdd("app.py", b"print()")]
    head = api.create_commit(SPACE, operations, repo_type="space", commit_message="mine").oid
    with pytest.raises(HubError, match=f"another Space already .sdk {sdk}."):
        push(hub, small())
    assert api.space_info(SPACE).sha == head


def test_a_public_space_is_not_taken_for_a_private_one(hub, api):
    push(hub, small())
    with pytest.raises(HubError, match="is public already"):
        push(hub, small(), private=True)


def test_a_change_by_somebody_else_meanwhile_is_not_written_over(hub, api):
    push(hub, small())
    plan = plan_space(SPACE, small(LICENSE="mine\n"), endpoint=hub, token="local")
    api.create_commit(
        SPACE, [CommitOperationAdd("zoo/a.py", b"a = 3")], repo_type="space", commit_message="theirs"
    )
    with pytest.raises(HubError, match=r"meanwhile|moved"):
        push_space(plan, token="local")


def test_an_account_that_would_have_to_pay_is_told_so(hub, monkeypatch):
    def create_repo(*_, **__):
        request = httpx2.Request("POST", f"{hub}/api/repos/create")
        raise HfHubHTTPError("402", response=httpx2.Response(402, request=request))

    monkeypatch.setattr(HfApi, "create_repo", create_repo)
    with pytest.raises(HubError, match=r"makes a Docker Space for me only against payment \(402\)"):
        push(hub, small())
