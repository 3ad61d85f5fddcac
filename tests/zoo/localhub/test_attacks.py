"""A Hub with users under attack: what a stranger, a reader, another's writer and a former user try."""

import base64
import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from huggingface_hub import HfApi

from zoo.hub import list_adapters
from zoo.localhub.front import Front
from zoo.localhub.server import serving
from zoo.localhub.users import Role, add_user, new_user, read_users, remove_user

USERS: dict[str, tuple[Role, tuple[str, ...]]] = {
    "keeper": ("admin", ()),
    "alice": ("write", ("ward",)),
    "dave": ("read", ()),
    "erin": ("write", ()),
}
WEIGHTS = b"w" * 1000
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()


class Ward:
    """A running Hub, its folder, and each user's token."""

    def __init__(self, url: str, place: Path, tokens: dict[str, str]) -> None:
        self.url, self.place, self.tokens = url, place, tokens

    def header(self, user: str | None) -> dict[str, str]:
        return {"authorization": f"Bearer {self.tokens[user]}"} if user else {}

    def ask(self, method: str, path: str, user: str | None, **more: Any) -> httpx.Response:
        return httpx.request(method, f"{self.url}{path}", headers=self.header(user), **more)

    def api(self, user: str) -> HfApi:
        return HfApi(endpoint=self.url, token=self.tokens[user])

    def add(self, name: str, role: Role, *namespaces: str) -> None:
        self.tokens[name], user = new_user(name, role, namespaces)
        add_user(self.place / "tokens", user)

    def slowly(self, method: str, path: str, user: str, body: bytes, meanwhile: Callable[[], object]) -> int:
        """Send the first byte of a body, let something happen, send the rest; the answer's status."""
        host, port = self.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as line:
            head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n"
            head += f"Authorization: Bearer {self.tokens[user]}\r\nExpect: 100-continue\r\n\r\n"
            line.sendall(head.encode())
            # The server asks for the body once the caller was met and the repository was looked at.
            assert line.recv(1000).startswith(b"HTTP/1.1 100")
            line.sendall(body[:1])
            meanwhile()
            line.sendall(body[1:])
            return int(line.recv(1000).split(b" ")[1])


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    """A Hub on which strangers read what is public."""
    found = Ward("", tmp_path, {})
    for name, (role, namespaces) in USERS.items():
        found.add(name, role, *namespaces)
    front = Front(tokens=tmp_path / "tokens", audit=tmp_path / "audit", anonymous=True)
    with serving(tmp_path / "hub", lfs=True, front=front) as url:
        found.url = url
        yield found


def lines(*more: object) -> bytes:
    every = [{"key": "header", "value": {"summary": "s"}}, *more]
    return "".join(f"{json.dumps(one)}\n" for one in every).encode()


def file(path: str, content: bytes) -> object:
    return {"key": "file", "value": {"path": path, "content": content.decode(), "encoding": "utf-8"}}


def test_whether_a_private_repository_holds_a_file_is_not_told_by_its_sha256(ward: Ward) -> None:
    ward.api("alice").create_repo("alice/secret", private=True)
    commit = lines(file("w.bin", WEIGHTS))
    assert ward.ask("POST", "/api/models/alice/secret/commit/main", "alice", content=commit).is_success
    ward.api("erin").create_repo("erin/own")
    said = []
    for sha256 in (SHA256, "0" * 64):
        body = {"oid": sha256, "size": len(WEIGHTS)}
        answer = ward.ask("POST", "/erin/own.git/info/lfs/verify", "erin", json=body)
        said.append((answer.status_code, answer.text.replace(sha256, "SHA256")))
    assert said[0] == said[1]
    assert said[0][0] == 400
    body = {"oid": SHA256, "size": len(WEIGHTS)}
    assert ward.ask("POST", "/alice/secret.git/info/lfs/verify", "alice", json=body).is_success


def test_a_collection_is_not_found_by_what_the_caller_may_not_see(ward: Ward) -> None:
    alice = ward.api("alice")
    for repo, private in (("alice/secret", True), ("alice/open", False)):
        alice.create_repo(repo, private=private)
    slug = alice.create_collection("C", namespace="alice").slug
    for repo in ("alice/secret", "alice/open"):
        alice.add_collection_item(slug, repo, "model")

    def found(user: str | None, repo: str) -> list[str]:
        answer = ward.ask("GET", "/api/collections", user, params={"item": f"models/{repo}"})
        return [one["slug"] for one in answer.json()]

    assert found("alice", "alice/secret") == found("alice", "alice/open") == [slug]
    for user in ("dave", "erin", None):
        assert (found(user, "alice/secret"), found(user, "alice/open")) == ([], [slug])


def test_no_users_collection_breaks_the_list_for_the_others(ward: Ward) -> None:
    slug = ward.api("erin").create_collection("E", namespace="erin").slug
    for change in (b'{"theme": "\\ud800"}', b'{"theme": "%s"}' % (b"x" * 41), b'{"position": 2147483648}'):
        assert ward.ask("PATCH", f"/api/collections/{slug}", "erin", content=change).status_code == 400
    assert ward.ask("GET", "/api/collections", "dave").json()[0]["slug"] == slug


@pytest.mark.parametrize("said", [b"5", b"null", b"[" * 20_000, b'["a","b",1]', b"x"])
def test_a_cursor_that_is_none_is_refused(ward: Ward, said: bytes) -> None:
    cursor = base64.urlsafe_b64encode(said).decode()
    for path in ("/api/models", "/api/collections"):
        assert ward.ask("GET", path, None, params={"cursor": cursor}).status_code == 400


def test_nobody_swells_the_audit_log(ward: Ward) -> None:
    body = {"namespace": "ward", "title": "t" * 1_000_000, "name": "x", "fromRepo": "x" * 1_000_000}
    for user, status in ((None, 401), ("erin", 403)):
        assert ward.ask("POST", "/api/collections", user, json=body).status_code == status
    item = {"item": {"type": "model", "id": "x" * 1_000_000}}
    slug = ward.api("erin").create_collection("E", namespace="erin").slug
    ward.ask("POST", f"/api/collections/{slug}/items", "erin", json=item)
    told = (ward.place / "audit").read_text().splitlines()
    assert max(map(len, told)) < 2000
    assert [json.loads(line)["user"] for line in told] == [None, "erin", "erin", "erin"]


def test_a_strangers_denials_hide_no_users_behind_the_same_proxy(ward: Ward) -> None:
    for _ in range(70):
        ward.ask("GET", "/alice/none/resolve/main/f", None)
    ward.ask("POST", "/api/repos/create", "dave", json={"name": "alice/x"})
    told = [json.loads(line)["user"] for line in (ward.place / "audit").read_text().splitlines()]
    assert told == [None] * 60 + ["dave"]


def test_denials_that_are_not_told_one_by_one_are_told_by_their_number(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("zoo.localhub.front.time", SimpleNamespace(monotonic=lambda: now[0]))

    def attempts(count: int) -> None:
        for _ in range(count):
            ward.ask("GET", "/alice/none/resolve/main/f", None)

    def told() -> list[dict[str, Any]]:
        return [json.loads(line) for line in (ward.place / "audit").read_text().splitlines()]

    attempts(63)
    now[0] += 61
    assert ward.ask("GET", "/api/models", None).status_code == 200  # whoever asks next
    *each, rest = told()
    assert len(each) == 60
    assert {key: rest[key] for key in rest.keys() - {"time"}} == {
        "user": None, "address": "127.0.0.1", "act": "more of the same", "denied": True, "times": 3,
    }  # fmt: skip
    attempts(1)  # a minute of its own
    assert (len(told()), "times" in told()[-1]) == (62, False)


def test_a_hub_that_ends_tells_how_many_denials_it_left_out(tmp_path: Path) -> None:
    front = Front(tokens=tmp_path / "tokens", audit=tmp_path / "audit", anonymous=True)
    add_user(tmp_path / "tokens", new_user("dave", "read")[1])
    with serving(tmp_path / "hub", front=front) as url:
        for _ in range(65):
            httpx.get(f"{url}/alice/none/resolve/main/f")
    lines = (tmp_path / "audit").read_text().splitlines()
    assert (len(lines), json.loads(lines[-1])["times"]) == (61, 5)


def test_who_may_not_open_a_repository_cannot_by_a_request_from_before_it_was_closed(ward: Ward) -> None:
    keeper = ward.api("keeper")
    ward.api("alice").create_repo("ward/r")
    status = ward.slowly(
        *("PUT", "/api/models/ward/r/settings", "alice", b'{"private": false, "gated": false}'),
        lambda: keeper.update_repo_settings("ward/r", private=True, gated="manual"),
    )
    info = keeper.model_info("ward/r")
    assert (status, info.private, info.gated) == (403, True, "manual")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/models/ward/r/commit/main", lines(file("late", b"x"))),
        ("POST", "/api/models/ward/r/tag/main", b'{"tag": "late"}'),
        ("POST", "/api/models/ward/r/branch/late", b"{}"),
        ("DELETE", "/api/repos/delete", b'{"name": "frank/own"}'),
        ("POST", "/api/repos/create", b'{"name": "late"}'),
        ("POST", "/api/collections", b'{"namespace": "frank", "title": "late"}'),
    ],
)
def test_a_body_on_its_way_when_its_token_ends_changes_nothing(
    ward: Ward, method: str, path: str, body: bytes
) -> None:
    ward.add("frank", "write", "ward")
    for repo in ("ward/r", "frank/own"):
        ward.api("frank").create_repo(repo)
    assert (
        ward.slowly(method, path, "frank", body, lambda: remove_user(ward.place / "tokens", "frank")) == 401
    )
    keeper = ward.api("keeper")
    assert sorted(one.id for one in keeper.list_models()) == ["frank/own", "ward/r"]
    refs = keeper.list_repo_refs("ward/r")
    assert ([one.name for one in refs.branches], refs.tags) == (["main"], [])
    assert keeper.list_repo_files("ward/r") == [".gitattributes"]
    assert list(keeper.list_collections()) == []


def test_a_body_on_its_way_when_its_user_leaves_the_namespace_changes_nothing(ward: Ward) -> None:
    ward.add("frank", "write", "ward")
    ward.api("frank").create_repo("ward/r")
    path = ward.place / "tokens"

    def lower() -> None:
        # as if by hand: the same token, without the namespace
        text = path.read_text().replace("frank write ward ", "frank write - ")
        path.write_text(text)

    body = lines(file("late", b"x"))
    assert ward.slowly("POST", "/api/models/ward/r/commit/main", "frank", body, lower) == 403
    assert ward.api("keeper").list_repo_files("ward/r") == [".gitattributes"]


def test_an_upload_address_ends_with_its_users_token(ward: Ward) -> None:
    ward.add("frank", "write", "ward")
    ward.api("frank").create_repo("ward/r")
    body = {"operation": "upload", "objects": [{"oid": SHA256, "size": len(WEIGHTS)}]}
    answer = ward.ask("POST", "/ward/r.git/info/lfs/objects/batch", "frank", json=body).json()
    href = answer["objects"][0]["actions"]["upload"]["href"]
    assert httpx.put(href, content=WEIGHTS).status_code == 200
    remove_user(ward.place / "tokens", "frank")
    assert httpx.put(href, content=WEIGHTS).status_code == 401


def test_damage_is_told_to_those_alone_who_may_know_of_the_repository(ward: Ward) -> None:
    ward.api("alice").create_repo("alice/secret", private=True)
    (ward.place / "hub/repos/models/alice/secret.git/hub.json").write_bytes(b"{")
    for user, status in ((None, 401), ("dave", 404)):
        answer = ward.ask("GET", "/api/models/alice/secret", user)
        absent = ward.ask("GET", "/api/models/alice/absent", user)
        assert answer.status_code == absent.status_code == status
        assert answer.text == absent.text.replace("absent", "secret")
    assert "are broken" in ward.ask("GET", "/api/models/alice/secret", "alice").text


@pytest.mark.parametrize("part", ["refs/heads/main", "objects"])
def test_a_damaged_repository_hides_no_other(ward: Ward, part: str) -> None:
    alice = ward.api("alice")
    for repo in ("alice/a", "alice/b"):
        alice.create_repo(repo)
    folder = ward.place / "hub/repos/models/alice/a.git"
    (folder / part).rename(folder / "moved")
    assert [one.id for one in alice.list_models()] == ["alice/b"]


def test_a_damaged_collection_hides_no_other_and_stops_no_deletion(ward: Ward) -> None:
    alice = ward.api("alice")
    alice.create_repo("alice/a")
    slugs = [alice.create_collection(title, namespace="alice").slug for title in "AB"]
    for slug in slugs:
        alice.add_collection_item(slug, "alice/a", "model")
    (ward.place / f"hub/collections/alice/{slugs[0][-24:]}.json").write_bytes(b"{")
    assert [one.slug for one in alice.list_collections()] == slugs[1:]
    alice.delete_repo("alice/a")
    assert alice.get_collection(slugs[1]).items == []


def test_of_many_who_change_the_file_of_tokens_at_once_none_undoes_anothers_change(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    for number in range(10):
        add_user(path, new_user(f"old{number}", "read")[1])
    start = threading.Barrier(20)

    def change(number: int) -> None:
        start.wait()
        if number < 10:
            remove_user(path, f"old{number}")
        else:
            add_user(path, new_user(f"new{number}", "read")[1])

    threads = [threading.Thread(target=change, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(user.name for user in read_users(path)) == [f"new{number}" for number in range(10, 20)]


def test_the_zoo_reads_what_is_public_on_this_machines_hub_without_a_token(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    ward.api("alice").create_repo("alice/open")
    assert list_adapters(endpoint=ward.url) == []
    local = {"authorization": "Bearer local"}
    assert [one["id"] for one in httpx.get(f"{ward.url}/api/models", headers=local).json()] == ["alice/open"]
    assert httpx.get(f"{ward.url}/api/whoami-v2", headers=local).status_code == 401
    made = httpx.post(f"{ward.url}/api/repos/create", headers=local, json={"name": "local/x"})
    assert made.status_code == 401
