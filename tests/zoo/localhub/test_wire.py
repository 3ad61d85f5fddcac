"""The embedded Hub's bare HTTP: headers, ranges, tricks with paths, bodies that are no bodies."""

import base64
import hashlib
import http.client
import json
import os
from urllib.parse import quote, urlsplit

import httpx
import pytest
from huggingface_hub import HfApi

TOKEN = {"authorization": "Bearer any-token"}
SMALL, LARGE = os.urandom(1000), os.urandom((1 << 20) + 5)


@pytest.fixture(scope="module")
def filled(url: str) -> str:
    """A model with a small and a large file, made once."""
    api = HfApi(endpoint=url, token="t")
    repo = api.create_repo("wire/filled").repo_id
    for path, content in (("small.dat", SMALL), ("large.bin", LARGE), ("dir/text.txt", b"text")):
        api.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=repo)
    return repo


def ask(url: str, method: str, target: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Send a target as it stands, with nothing normalised on the way."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    connection.request(method, target, None, {**TOKEN, **headers})
    answer = connection.getresponse()
    return answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read()


def commit(url: str, repo: str, *lines: dict, summary: str = "raw", **header: str) -> httpx.Response:
    first = {"key": "header", "value": {"summary": summary, **header}}
    body = "".join(json.dumps(line) + "\n" for line in (first, *lines))
    return httpx.post(f"{url}/api/models/{repo}/commit/main", content=body, headers=TOKEN)


def file(path: str, content: bytes = b"x") -> dict:
    value = {"path": path, "content": base64.b64encode(content).decode(), "encoding": "base64"}
    return {"key": "file", "value": value}


@pytest.mark.parametrize(("path", "content"), [("small.dat", SMALL), ("large.bin", LARGE)])
@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-9", 0, 9),
        ("bytes=100-", 100, None),
        ("bytes=-7", -7, None),
        ("bytes=990-99999999", 990, None),
    ],
)
def test_a_range_is_answered_with_that_part(
    url: str, filled: str, path: str, content: bytes, asked: str, first: int, last: int | None
) -> None:
    answer = httpx.get(f"{url}/{filled}/resolve/main/{path}", headers={"range": asked})
    expected = content[first:] if last is None else content[first : last + 1]
    start = first % len(content)
    assert (answer.status_code, answer.content) == (206, expected)
    assert answer.headers["content-range"] == f"bytes {start}-{start + len(expected) - 1}/{len(content)}"


@pytest.mark.parametrize(("path", "content"), [("small.dat", SMALL), ("large.bin", LARGE)])
def test_a_range_beyond_the_file_gets_416(url: str, filled: str, path: str, content: bytes) -> None:
    answer = httpx.get(f"{url}/{filled}/resolve/main/{path}", headers={"range": "bytes=99999999-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(content)}")


def test_a_head_tells_what_the_client_caches_by(url: str, filled: str) -> None:
    head = HfApi(endpoint=url).model_info(filled).sha
    large = httpx.head(f"{url}/{filled}/resolve/main/large.bin")
    sha256 = hashlib.sha256(LARGE).hexdigest()
    assert large.status_code == 200
    assert large.headers["x-repo-commit"] == head
    assert large.headers["x-linked-etag"] == large.headers["etag"] == f'"{sha256}"'
    assert large.headers["x-linked-size"] == large.headers["content-length"] == str(len(LARGE))
    assert large.headers["accept-ranges"] == "bytes"
    small = httpx.head(f"{url}/{filled}/resolve/main/small.dat")
    blob = hashlib.sha1(b"blob 1000\0" + SMALL).hexdigest()
    assert small.headers["etag"] == f'"{blob}"'
    assert small.headers["content-length"] == "1000"
    assert "x-linked-etag" not in small.headers
    assert "x-xet-hash" not in large.headers


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        ("/wire/nobody/resolve/main/a", 404, "RepoNotFound"),
        ("/wire/filled/resolve/nowhere/a", 404, "RevisionNotFound"),
        ("/wire/filled/resolve/main/nothing", 404, "EntryNotFound"),
        ("/wire/filled/resolve/main/dir", 404, "EntryNotFound"),
        ("/wire/filled/resolve/refs%2Fpr%2F1/a", 404, "RevisionNotFound"),
        ("/gpt2/resolve/main/config.json", 404, "RepoNotFound"),
        ("/spaces/a/b/resolve/main/app.py", 404, "RepoNotFound"),
        ("/api/spaces/a/b", 404, "RepoNotFound"),
        ("/api/models/wire/filled/tree/main/nothing", 404, "EntryNotFound"),
        ("/api/agent-harnesses", 404, "RepoNotFound"),
        ("/nothing/at/all", 404, None),
    ],
)
def test_each_absence_has_its_code(url: str, filled: str, target: str, status: int, code: str | None) -> None:
    found, headers, body = ask(url, "GET", target)
    assert (found, headers.get("x-error-code")) == (status, code)
    assert json.loads(body)["error"]


def test_a_missing_entry_names_the_commit_that_lacks_it(url: str, filled: str) -> None:
    answer = httpx.head(f"{url}/{filled}/resolve/main/nothing")
    assert answer.headers["x-repo-commit"] == HfApi(endpoint=url).model_info(filled).sha


def test_the_client_is_told_to_leave_agents_alone_even_without_a_token(url: str) -> None:
    assert httpx.get(f"{url}/api/agent-harnesses").status_code == 404


@pytest.mark.parametrize(
    "target",
    [
        "/wire/filled/resolve/main/../../../../etc/passwd",
        "/wire/filled/resolve/main/%2e%2e/%2e%2e/etc/passwd",
        "/wire/filled/resolve/main/..%2f..%2fetc%2fpasswd",
        "/wire/filled/resolve/main/dir%2Ftext.txt",
        "/wire/filled/resolve/main//etc/passwd",
        "/wire/filled/resolve/main/dir/./text.txt",
        "/wire/filled/resolve/main/.git/config",
        "/wire/filled/resolve/main/dir/.GIT/config",
        "/wire/filled/resolve/main/a%00b",
        "/wire/filled/resolve/main/a%5c..%5cb",
        "/wire/filled/resolve/main/%ff",
        "/wire/filled/resolve/main/" + "a" * 2000,
        "/wire/filled/resolve/..%2f..%2fHEAD/a",
        "/wire/filled/resolve/%2e%2e/a",
        "/wire/filled/resolve/main%00/a",
        "/wire/filled/resolve/-x/a",
        "/wire/%2e%2e/resolve/main/a",
        "/wire/..%2f..%2fobjects/resolve/main/a",
        "/wire/filled.git/resolve/main/a",
        "/wi%00re/filled/resolve/main/a",
        "/wi%5Cre/filled/resolve/main/a",
        "/api/models/%2e%2e/%2e%2e",
        "/api/models/wire/filled%2f..",
        "/api/models/wire/filled/tree/main/..%2f..",
        "/api/models/wire/filled/tree/main/%2fetc",
        "/api/models/wire/filled/tree/..%2fmain",
        "/api/models/wire/filled/revision/%2e%2e%2fHEAD",
        "/api/models/wire/filled/commits/%2Fmain",
    ],
)
def test_no_address_leads_out_of_a_repository(url: str, filled: str, target: str) -> None:
    status, _, body = ask(url, "GET", target)
    assert status == 400, body
    assert json.loads(body)["error"]


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "/etc/x",
        "a/../../x",
        "a//b",
        "./a",
        ".git/config",
        "a/.Git/x",
        "git~1/x",
        "a\\b",
        "a\0b",
        "",
        "a/",
    ],
)
def test_no_commit_writes_outside_a_repository(url: str, filled: str, path: str) -> None:
    head = HfApi(endpoint=url).model_info(filled).sha
    for line in (
        file(path),
        {"key": "lfsFile", "value": {"path": path, "oid": "0" * 64, "algo": "sha256"}},
        {"key": "deletedFile", "value": {"path": path}},
    ):
        answer = commit(url, filled, line)
        assert (answer.status_code, bool(answer.json()["error"])) in ((400, True), (404, True)), line
    assert HfApi(endpoint=url).model_info(filled).sha == head


@pytest.mark.parametrize(
    "name", ["../up", "a/b", "..", "a..b", "a--b", "x.git", ".hidden", "a\\b", "a\0", "resolve", "", "ü"]
)
def test_no_repository_gets_a_name_that_is_a_path(url: str, name: str) -> None:
    for body in ({"name": name, "organization": "org"}, {"name": "fine", "organization": name or "../x"}):
        if body["organization"] == "resolve":
            continue
        answer = httpx.post(f"{url}/api/repos/create", json=body, headers=TOKEN)
        assert answer.status_code == 400, body
    moved = httpx.post(
        f"{url}/api/repos/move", json={"fromRepo": "wire/filled", "toRepo": f"wire/{name}"}, headers=TOKEN
    )
    assert moved.status_code == 400


@pytest.mark.parametrize("oid", ["../../x", "0" * 63, "0" * 65, "G" * 64, "A" * 64, ""])
def test_no_object_id_is_a_path(url: str, filled: str, oid: str) -> None:
    answer = httpx.post(
        f"{url}/{filled}.git/info/lfs/objects/batch",
        json={"operation": "upload", "objects": [{"oid": oid, "size": 1}]},
        headers=TOKEN,
    )
    assert answer.status_code == 400
    assert commit(url, filled, {"key": "lfsFile", "value": {"path": "a", "oid": oid}}).status_code == 400


@pytest.mark.parametrize(
    "name", ["..", "a..b", "a b", "-x", "refs/heads/x", "x.lock", "a\\b", "a~1", "HEAD^", "0" * 40, "@"]
)
def test_no_branch_or_tag_gets_a_name_that_is_none(api: HfApi, repo: str, url: str, name: str) -> None:
    branch, _, _ = ask(url, "POST", f"/api/models/{repo}/branch/{quote(name, safe='').replace('.', '%2e')}")
    tag = httpx.post(f"{url}/api/models/{repo}/tag/main", json={"tag": name}, headers=TOKEN)
    assert (branch, tag.status_code) == (400, 400)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json\n",
        b"[]\n",
        b'{"key": "header"}\n',
        b'{"key": "header", "value": {}}\n',
        b'{"key": "file", "value": {"path": "a", "content": "eA==", "encoding": "base64"}}\n',
        b'{"key": "header", "value": {"summary": "s"}}\n{"key": "strange", "value": {}}\n',
        b'{"key": "header", "value": {"summary": "s"}}\n{"key": "file", "value": {"path": "a"}}\n',
        b'{"key": "header", "value": {"summary": "s"}}\n'
        b'{"key": "file", "value": {"path": "a", "content": "e*==", "encoding": "base64"}}\n',
        b'{"key": "header", "value": {"summary": "s"}}\n'
        b'{"key": "file", "value": {"path": "a", "content": "eA==", "encoding": "rot13"}}\n',
        b'{"key": "header", "value": {"summary": 1}}\n',
        b'{"key": "header", "value": {"summary": "a\\u0000b"}}\n',
        b'{"key": "header", "value": {"summary": "a\\ud800b"}}\n',
        b'{"key": "header", "value": {"summary": "s"}}\n'
        b'{"key": "file", "value": {"path": "a\\ud800", "content": "eA==", "encoding": "base64"}}\n',
        b'{"key": "header", "value": {"summary": "s"}}\n' * 2,
    ],
)
def test_a_body_that_is_no_commit_is_refused_and_changes_nothing(url: str, filled: str, body: bytes) -> None:
    head = HfApi(endpoint=url).model_info(filled).sha
    answer = httpx.post(f"{url}/api/models/{filled}/commit/main", content=body, headers=TOKEN)
    assert (answer.status_code, bool(answer.json()["error"])) == (400, True)
    assert HfApi(endpoint=url).model_info(filled).sha == head


def test_contents_come_in_any_order_of_keys_and_as_plain_text(url: str, repo: str) -> None:
    tricky = 'a "content": "x" and \\ and \n\u00fc'
    plain = {"key": "file", "value": {"encoding": "utf-8", "content": tricky, "path": "plain.txt"}}
    turned = {"value": {"path": "t", "encoding": "base64", "content": "dHVybmVk"}, "key": "file"}
    named = file('"content": "eA==".txt', b"named")
    assert commit(url, repo, plain, turned, named, summary='has "content": "no"').status_code == 200
    assert httpx.get(f"{url}/{repo}/resolve/main/plain.txt").text == tricky
    assert httpx.get(f"{url}/{repo}/resolve/main/t").text == "turned"
    assert httpx.get(f'{url}/{repo}/resolve/main/"content": "eA==".txt').text == "named"


def test_a_pointer_to_a_file_that_never_came_is_refused(url: str, repo: str) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12\n"
    assert commit(url, repo, file("p.txt", pointer.encode())).status_code == 400


def test_commits_go_to_branches_alone(api: HfApi, url: str, repo: str) -> None:
    api.create_tag(repo, tag="v1")
    body = '{"key": "header", "value": {"summary": "s"}}\n'
    for revision in ("v1", api.model_info(repo).sha, "nowhere"):
        answer = httpx.post(f"{url}/api/models/{repo}/commit/{revision}", content=body, headers=TOKEN)
        assert (answer.status_code, answer.headers["x-error-code"]) == (404, "RevisionNotFound")


def test_a_page_of_another_site_cannot_ask_under_its_own_name(url: str) -> None:
    assert ask(url, "GET", "/api/models", Host="evil.example")[0] == 400
    port = urlsplit(url).port
    assert ask(url, "GET", "/api/models", Host=f"localhost:{port}")[0] == 200


def test_the_front_page_says_how_to_use_it(url: str) -> None:
    assert f"HF_ENDPOINT={url}" in httpx.get(url).text
