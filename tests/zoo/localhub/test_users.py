"""A Hub with users: who sees, fetches and writes what, through the real client."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

from zoo.cli.hub import hub
from zoo.errors import BadInput, UnknownName
from zoo.hub_collections import add_to_collection, membership
from zoo.localhub.front import Front
from zoo.localhub.server import serving
from zoo.localhub.users import ROLES, add_user, find_user, new_user, read_users, remove_user

USERS = {
    "keeper": ("admin", ()),
    "alice": ("write", ("ward",)),
    "bob": ("write", ("ward",)),
    "carol": ("read", ("ward",)),
    "dave": ("read", ()),
    "erin": ("write", ()),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the Hub's root, tokens and audit log."""
    return tmp_path_factory.mktemp("ward")


@pytest.fixture(scope="module")
def tokens(place: Path) -> dict[str, str]:
    """Each user's token; the file has their hashes."""
    given = {}
    for name, (role, namespaces) in USERS.items():
        given[name], user = new_user(name, next(one for one in ROLES if one == role), namespaces)
        add_user(place / "tokens", user)
    return given


@pytest.fixture(scope="module")
def url(place: Path, tokens: dict[str, str]) -> Iterator[str]:
    """The address of the ward's Hub."""
    front = Front(tokens=place / "tokens", audit=place / "audit.jsonl", anonymous=True)
    with serving(place / "hub", lfs=True, front=front) as address:
        yield address


@pytest.fixture
def as_(url: str, tokens: dict[str, str]) -> Callable[[str], HfApi]:
    """The real client of a user."""
    return lambda name: HfApi(endpoint=url, token=tokens[name])


@pytest.fixture
def repo() -> str:
    """A fresh name in the ward's namespace."""
    return f"ward/model-{uuid.uuid4().hex[:10]}"


def refused(status: int, attempt: Callable[[], object]) -> None:
    with pytest.raises(HfHubHTTPError) as caught:
        attempt()
    assert caught.value.response.status_code == status


def put(api: HfApi, repo: str, path: str = "f.txt", content: bytes = b"x") -> str:
    return api.create_commit(repo, [CommitOperationAdd(path, content)], commit_message="put").oid


def test_whoami_tells_the_user_its_namespaces_and_role(as_: Callable[[str], HfApi]) -> None:
    told = as_("alice").whoami()
    assert (told["name"], [org["name"] for org in told["orgs"]]) == ("alice", ["ward"])
    assert told["auth"]["accessToken"]["role"] == "write"
    assert as_("dave").whoami()["auth"]["accessToken"]["role"] == "read"


def test_a_wrong_token_is_told_as_wrong(url: str) -> None:
    with pytest.raises(HfHubHTTPError, match="Invalid credentials") as caught:
        HfApi(endpoint=url, token="mzh_wrong").list_repo_files("a/b")
    assert caught.value.response.status_code == 401
    assert not isinstance(caught.value, RepositoryNotFoundError)


def test_each_role_writes_where_it_may(as_: Callable[[str], HfApi], repo: str) -> None:
    assert as_("alice").create_repo(repo.partition("/")[2]).repo_id == repo.replace("ward/", "alice/")
    as_("alice").create_repo(repo)
    put(as_("bob"), repo)
    assert as_("alice").list_repo_commits(repo)[0].authors == ["bob"]
    for name in ("carol", "dave", "erin"):
        api = as_(name)
        assert "f.txt" in api.list_repo_files(repo)
        for attempt in (
            lambda: put(api, repo),  # noqa: B023
            lambda: api.create_repo("ward/other"),  # noqa: B023
            lambda: api.create_tag(repo, tag="t"),  # noqa: B023
            lambda: api.create_branch(repo, branch="b"),  # noqa: B023
            lambda: api.delete_repo(repo),  # noqa: B023
            lambda: api.update_repo_settings(repo, private=True),  # noqa: B023
            lambda: api.create_collection("c", namespace="ward"),  # noqa: B023
        ):
            refused(403, attempt)
    assert as_("keeper").list_repo_refs(repo).tags == []
    put(as_("keeper"), repo, "g.txt")


def test_a_namespaces_repositories_are_deleted_moved_and_opened_by_who_rules_there(
    as_: Callable[[str], HfApi], repo: str
) -> None:
    alice, keeper, own = as_("alice"), as_("keeper"), repo.replace("ward/", "alice/")
    alice.create_repo(repo)
    alice.update_repo_settings(repo, private=True, gated="manual")
    for attempt in (
        lambda: alice.update_repo_settings(repo, private=False),
        lambda: alice.update_repo_settings(repo, gated="auto"),
        lambda: alice.delete_repo(repo),
        lambda: alice.move_repo(repo, own),
    ):
        refused(403, attempt)
    info = alice.model_info(repo)
    assert (info.private, info.gated) == (True, "manual")
    keeper.update_repo_settings(repo, private=False, gated=False)
    keeper.move_repo(repo, own)
    refused(403, lambda: alice.move_repo(own, own.replace("alice/", "erin/")))
    alice.update_repo_settings(own, private=True)
    alice.update_repo_settings(own, private=False)
    alice.delete_repo(own)
    assert not alice.repo_exists(own)


def test_what_is_private_is_there_for_members_alone(
    as_: Callable[[str], HfApi], url: str, repo: str, tmp_path: Path
) -> None:
    as_("alice").create_repo(repo, private=True)
    put(as_("alice"), repo)
    for name in ("alice", "bob", "carol", "keeper"):
        assert as_(name).model_info(repo).private
        assert repo in [model.id for model in as_(name).list_models(author="ward")]
        assert Path(as_(name).hf_hub_download(repo, "f.txt", cache_dir=tmp_path / name)).read_bytes() == b"x"
    for api in (as_("dave"), as_("erin"), HfApi(endpoint=url, token=False)):
        assert repo not in [model.id for model in api.list_models(author="ward")]
        for attempt in (
            lambda: api.model_info(repo),  # noqa: B023
            lambda: api.list_repo_files(repo),  # noqa: B023
            lambda: api.hf_hub_download(repo, "f.txt", cache_dir=tmp_path / "no"),  # noqa: B023
            lambda: api.list_repo_refs(repo),  # noqa: B023
        ):
            with pytest.raises(RepositoryNotFoundError):
                attempt()
    refused(404, lambda: put(as_("erin"), repo))
    refused(404, lambda: as_("erin").delete_repo(repo))


def test_no_reply_on_a_collection_names_a_private_adapter_in_it_to_others(
    as_: Callable[[str], HfApi], url: str, tokens: dict[str, str], repo: str
) -> None:
    as_("alice").create_repo(repo, private=True)
    base = f"base-{repo[-10:]}"
    slug = add_to_collection(base, repo, endpoint=url, token=tokens["alice"]).slug
    places = [f"collections/{slug}", "collections?owner=ward", f"collections?item=models/{repo}"]

    def told(token: str | None) -> list[bool]:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return [repo in httpx.get(f"{url}/api/{place}", headers=headers).text for place in places]

    assert [told(tokens[name]) for name in ("alice", "carol")] == [[True] * 3] * 2
    assert [told(token) for token in (tokens["dave"], tokens["erin"], None)] == [[False] * 3] * 3
    assert slug in [one.slug for one in as_("dave").list_collections(owner="ward")]
    assert not membership(base, repo, endpoint=url, token=tokens["dave"]).holds
    refused(403, lambda: as_("erin").add_collection_item(str(slug), repo, "model"))


def test_a_manual_gate_opens_for_whom_it_was_opened(
    as_: Callable[[str], HfApi], url: str, tokens: dict[str, str], tmp_path: Path
) -> None:
    repo = f"alice/gated-{uuid.uuid4().hex[:8]}"
    alice, dave = as_("alice"), as_("dave")
    alice.create_repo(repo)
    put(alice, repo)
    alice.update_repo_settings(repo, gated="manual")

    def fetch(api: HfApi) -> bytes:
        return Path(api.hf_hub_download(repo, "f.txt", cache_dir=tmp_path / uuid.uuid4().hex)).read_bytes()

    def pending() -> list[str | None]:
        return [one.username for one in alice.list_pending_access_requests(repo)]

    assert dave.model_info(repo).gated == "manual"
    for api, status in ((dave, 403), (as_("bob"), 403), (HfApi(endpoint=url, token=False), 401)):
        with pytest.raises(GatedRepoError) as caught:
            fetch(api)
        assert caught.value.response.status_code == status
        with pytest.raises(GatedRepoError):
            api.auth_check(repo)
    assert fetch(alice) == fetch(as_("keeper")) == b"x"

    asked = CliRunner().invoke(hub, ["ask", repo, "--hub", url], env={"HF_TOKEN": tokens["dave"]})
    assert asked.output == f"{repo}: pending\n"
    assert pending() == ["dave"]
    with pytest.raises(GatedRepoError):
        fetch(dave)
    refused(403, lambda: dave.accept_access_request(repo, "dave"))
    alice.accept_access_request(repo, "dave")
    assert (fetch(dave), pending()) == (b"x", [])
    dave.auth_check(repo)
    alice.reject_access_request(repo, "dave", rejection_reason="not any more")
    with pytest.raises(GatedRepoError):
        fetch(dave)
    asked = CliRunner().invoke(hub, ["ask", repo, "--hub", url], env={"HF_TOKEN": tokens["dave"]})
    assert asked.output == f"{repo}: rejected\n"
    (rejected,) = alice.list_rejected_access_requests(repo)
    alice.cancel_access_request(repo, request_id=rejected.request_id)
    assert pending() == ["dave"]
    alice.grant_access(repo, "bob")
    assert fetch(as_("bob")) == b"x"
    assert [one.username for one in alice.list_accepted_access_requests(repo)] == ["bob"]
    refused(400, lambda: alice.grant_access(repo, "bob"))
    refused(404, lambda: alice.grant_access(repo, "nobody"))
    refused(404, lambda: alice.accept_access_request(repo, "erin"))


def test_requests_come_a_page_at_a_time(as_: Callable[[str], HfApi], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.localhub.routes.gate._MOST_LISTED", 2)
    repo, alice = f"alice/asked-{uuid.uuid4().hex[:8]}", as_("alice")
    alice.create_repo(repo)
    alice.update_repo_settings(repo, gated="manual")
    names = ["dave", "erin", "bob", "carol", "keeper"]
    for name in names:
        alice.grant_access(repo, name)
    assert [one.username for one in alice.list_accepted_access_requests(repo)] == names


def test_an_auto_gate_opens_for_whoever_asks(
    as_: Callable[[str], HfApi], url: str, tokens: dict[str, str], tmp_path: Path
) -> None:
    repo = f"alice/auto-{uuid.uuid4().hex[:8]}"
    as_("alice").create_repo(repo, repo_type="dataset")
    as_("alice").update_repo_settings(repo, gated="auto", repo_type="dataset")
    with pytest.raises(GatedRepoError):
        as_("dave").hf_hub_download(repo, ".gitattributes", repo_type="dataset", cache_dir=tmp_path)
    asked = CliRunner().invoke(
        hub, ["ask", f"datasets/{repo}", "--hub", url], env={"HF_TOKEN": tokens["dave"]}
    )
    assert asked.output == f"datasets/{repo}: accepted\n"
    as_("dave").hf_hub_download(repo, ".gitattributes", repo_type="dataset", cache_dir=tmp_path)


@pytest.mark.parametrize("how", ["lfs", "pointer", "batch"])
def test_a_gated_files_digest_does_not_give_the_file(
    as_: Callable[[str], HfApi], url: str, tokens: dict[str, str], tmp_path: Path, how: str
) -> None:
    """A gated repository's list of files is open, sha256 and all; nobody can link what it names."""
    gated, own = f"alice/weights-{uuid.uuid4().hex[:8]}", f"erin/thief-{uuid.uuid4().hex[:8]}"
    content = os.urandom(1000).hex().encode()
    as_("alice").create_repo(gated)
    header = {"authorization": f"Bearer {tokens['alice']}"}
    assert commit(url, gated, header, file("w.bin", content)).status_code == 200
    as_("alice").update_repo_settings(gated, gated="manual")
    erin = as_("erin")
    (entry,) = erin.get_paths_info(gated, "w.bin")
    sha256, size = entry.lfs.sha256, entry.lfs.size
    erin.create_repo(own)
    header = {"authorization": f"Bearer {tokens['erin']}"}
    if how == "batch":
        body = {"operation": "upload", "objects": [{"oid": sha256, "size": size}]}
        answer = httpx.post(f"{url}/{own}.git/info/lfs/objects/batch", json=body, headers=header)
        upload = answer.json()["objects"][0]["actions"]["upload"]["href"]
        assert httpx.put(upload, content=b"y" * size).status_code == 400
        assert httpx.put(upload, content=content).status_code == 200, "who has the file may send it"
        line = {"key": "lfsFile", "value": {"path": "w.bin", "oid": sha256, "algo": "sha256", "size": size}}
        assert commit(url, own, header, line).status_code == 200
        return
    line = {"key": "lfsFile", "value": {"path": "w.bin", "oid": sha256, "algo": "sha256", "size": size}}
    if how == "pointer":
        text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
        line = {"key": "file", "value": {"path": "p.txt", "content": text, "encoding": "utf-8"}}
    answer = commit(url, own, header, line)
    assert (answer.status_code, "was not uploaded" in answer.json()["error"]) == (400, True)
    assert erin.list_repo_files(own) == [".gitattributes"]


def file(path: str, content: bytes) -> dict[str, object]:
    text = content.decode("latin-1")
    return {"key": "file", "value": {"path": path, "content": text, "encoding": "utf-8"}}


def commit(url: str, repo: str, headers: dict[str, str], line: object) -> httpx.Response:
    lines = [{"key": "header", "value": {"summary": "s"}}, line]
    body = "".join(f"{json.dumps(one)}\n" for one in lines)
    return httpx.post(f"{url}/api/models/{repo}/commit/main", content=body, headers=headers)


def test_a_large_file_goes_by_lfs_for_a_user(
    run: Callable[..., str], url: str, tokens: dict[str, str]
) -> None:
    out = run(
        """
        import os
        from huggingface_hub import HfApi
        api, content = HfApi(), os.urandom(2 << 20)
        api.create_repo("ward/by-lfs", exist_ok=True)
        for name in ("a.bin", "b.bin"):
            api.upload_file(path_or_fileobj=content, path_in_repo=name, repo_id="ward/by-lfs")
        print(open(api.hf_hub_download("ward/by-lfs", "b.bin"), "rb").read() == content)
        """,
        endpoint=url,
        HF_TOKEN=tokens["alice"],
        HF_HUB_DISABLE_XET="1",
    )
    assert out == "True\n"


def test_the_audit_log_tells_who_did_what(
    as_: Callable[[str], HfApi], place: Path, tokens: dict[str, str], repo: str, tmp_path: Path
) -> None:
    log = place / "audit.jsonl"
    seen = len(log.read_text().splitlines())
    alice = as_("alice")
    alice.create_repo(repo, private=True)
    before = alice.model_info(repo).sha
    after = put(alice, repo, content=b"secret contents")
    alice.create_tag(repo, tag="v1")
    as_("carol").hf_hub_download(repo, "f.txt", cache_dir=tmp_path)
    refused(403, lambda: put(as_("carol"), repo))
    with pytest.raises(RepositoryNotFoundError):
        as_("dave").model_info(repo)
    text = log.read_text()
    lines = [json.loads(line) for line in text.splitlines()[seen:]]
    for line in lines:
        assert line.pop("time").endswith("+00:00")
        assert line.pop("address") == "127.0.0.1"
    name = f"models/{repo}"
    head = {"repo": name, "status": 200}
    assert lines == [
        {"user": "alice", "act": "create", "after": {"private": True}, **head},
        {"user": "alice", "act": "commit", "ref": "branch main", "before": before, "after": after, **head},
        {"user": "alice", "act": "create-tag", "ref": "tag v1", "after": after, **head},
        {"user": "carol", "act": "read", "path": "f.txt", "revision": after, **head},
        {"user": "carol", "act": f"POST /api/models/{repo}/preupload/main", "repo": name, "status": 403,
         "denied": True},
        {"user": "dave", "act": f"GET /api/models/{repo}", "repo": name, "status": 404, "denied": True},
    ]  # fmt: skip
    assert not [token for token in tokens.values() if token in text]
    assert "secret contents" not in text
    log.rename(tmp_path / "moved.jsonl")
    put(alice, repo, "again.txt")
    assert [json.loads(line)["act"] for line in log.read_text().splitlines()] == ["commit"]


def test_a_token_ends_and_begins_with_its_line(url: str, place: Path) -> None:
    token, user = new_user("frank", "read")
    api = HfApi(endpoint=url, token=token)
    refused(401, api.whoami)
    add_user(place / "tokens", user)
    assert api.whoami()["name"] == "frank"
    remove_user(place / "tokens", "frank")
    refused(401, api.whoami)
    (place / "tokens").chmod(0o644)
    refused(503, api.whoami)
    (place / "tokens").chmod(0o600)
    refused(401, api.whoami)


def test_many_wrong_tokens_get_429_and_a_good_one_still_passes(
    tmp_path: Path, tokens: dict[str, str], place: Path
) -> None:
    front = Front(tokens=place / "tokens", audit=tmp_path / "audit.jsonl")
    with serving(tmp_path / "hub", front=front) as url:

        def ask(token: str) -> int:
            header = {"authorization": f"Bearer {token}"}
            return httpx.get(f"{url}/api/whoami-v2", headers=header).status_code

        assert [ask(f"guess-{n}") for n in range(70)] == [401] * 20 + [429] * 50
        assert ask(tokens["dave"]) == 200
        assert len((tmp_path / "audit.jsonl").read_text().splitlines()) == 60


def test_with_tokens_a_stranger_reads_nothing_unless_it_is_said(
    tmp_path: Path, place: Path, tokens: dict[str, str]
) -> None:
    with serving(tmp_path / "hub", front=Front(tokens=place / "tokens")) as url:
        for target in ("/", "/api/models", "/api/models/a/b", "/a/b/resolve/main/c", "/api/collections"):
            assert httpx.get(f"{url}{target}").status_code == 401, target
        assert (
            httpx.put(f"{url}/lfs/models/a/b/alice/{'0' * 64}/1/{'0' * 64}", content=b"x").status_code == 401
        )


def test_it_answers_under_its_public_address(tmp_path: Path, place: Path, tokens: dict[str, str]) -> None:
    front = Front(tokens=place / "tokens", public_url="https://hub.ward.example", hosts=("other.example",))
    with serving(tmp_path / "hub", front=front) as url:
        header = {"authorization": f"Bearer {tokens['alice']}", "x-forwarded-host": "evil.example"}
        names = {"hub.ward.example": 200, "OTHER.example:8443": 200, "evil.example": 400}
        for name, status in names.items():
            assert httpx.get(f"{url}/", headers={**header, "host": name}).status_code == status, name
        made = httpx.post(f"{url}/api/repos/create", headers=header, json={"name": "m"})
        assert made.json()["url"] == "https://hub.ward.example/alice/m"


@pytest.mark.parametrize(
    "address", ["hub.example", "ftp://hub.example", "https://hub.example/path", "https://"]
)
def test_a_public_address_that_is_none_is_refused(
    tmp_path: Path, place: Path, address: str, tokens: dict[str, str]
) -> None:
    options = ["serve", "--root", str(tmp_path), "--tokens", str(place / "tokens"), "--public-url", address]
    result = CliRunner().invoke(hub, options)
    assert "is no address for a Hub" in str(result.exception)


def test_it_serves_beyond_this_machine_with_tokens_and_a_name(
    tmp_path: Path, place: Path, tokens: dict[str, str]
) -> None:
    options = [
        "hub",
        "serve",
        "--root",
        str(tmp_path),
        "--tokens",
        str(place / "tokens"),
        "--host",
        "0.0.0.0",
    ]
    nameless = CliRunner().invoke(hub, options[1:])
    assert "by which name" in str(nameless.exception)
    command = [sys.executable, "-m", "zoo", *options, "--hosts", "hub.ward.example"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        port = process.stdout.readline().rsplit(":", 1)[1].strip()
        header = {"authorization": f"Bearer {tokens['dave']}", "host": "hub.ward.example"}
        assert httpx.get(f"http://127.0.0.1:{port}/api/whoami-v2", headers=header).json()["name"] == "dave"
    finally:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


def test_the_file_holds_no_token_and_is_open_to_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    options = ["--file", str(path)]
    made = CliRunner().invoke(
        hub, ["token", "new", "alice", "--role", "write", "--namespace", "ward", *options]
    )
    token = made.stdout.strip()
    assert (token.startswith("mzh_"), token in path.read_text()) == (True, False)
    assert path.stat().st_mode & 0o777 == 0o600
    found = find_user(read_users(path), token)
    assert found
    assert (found.name, found.role, found.namespaces) == ("alice", "write", ("ward",))
    assert find_user(read_users(path), token + "x") is None
    assert CliRunner().invoke(hub, ["token", "ls", *options]).stdout == "alice\twrite\tward\n"
    twice = CliRunner().invoke(hub, ["token", "new", "alice", *options])
    assert isinstance(twice.exception, BadInput)
    assert CliRunner().invoke(hub, ["token", "rm", "alice", *options]).exit_code == 0
    again = CliRunner().invoke(hub, ["token", "rm", "alice", *options])
    assert isinstance(again.exception, UnknownName)


@pytest.mark.parametrize("line", ["alice write -", "alice owner - " + "0" * 32 + " " + "0" * 64, "x"])
def test_a_line_that_is_none_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "tokens"
    path.touch(0o600)
    path.write_text(f"# comment\n\n{line}\n")
    with pytest.raises(BadInput, match="line 3"):
        read_users(path)


def test_what_cannot_be_logged_is_not_handed_out(tmp_path: Path, place: Path, tokens: dict[str, str]) -> None:
    log = tmp_path / "log" / "audit.jsonl"
    log.parent.mkdir()
    front = Front(tokens=place / "tokens", audit=log)
    with serving(tmp_path / "hub", front=front) as url:
        api = HfApi(endpoint=url, token=tokens["alice"])
        api.create_repo("alice/secret", private=True)
        put(api, "alice/secret")
        header = {"authorization": f"Bearer {tokens['alice']}"}
        log.rename(tmp_path / "moved")
        log.parent.rmdir()
        answer = httpx.get(f"{url}/alice/secret/resolve/main/f.txt", headers=header)
        assert (answer.status_code, answer.content) == (500, b"Internal Server Error")
        log.parent.mkdir()
        assert httpx.get(f"{url}/alice/secret/resolve/main/f.txt", headers=header).content == b"x"
