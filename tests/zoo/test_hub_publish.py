"""Publishing to a Hub: one commit, one tag, whatever breaks on the way."""

import hashlib
import http.client
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from tests.zoo._carded import CARD, REPO, api_of, files_at
from zoo.errors import BadInput, HubError, HubUnreachable
from zoo.hub import fetch_file, files_of, resolve, tags_of
from zoo.hub_publish import carry_out, plan_publish, publish_folder
from zoo.localhub.server import serving


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """What breaks is tried again without a pause."""
    monkeypatch.setattr("zoo.hub_publish.WAITS_S", (0.0, 0.0))


def _commits(hub):
    return [one.title for one in api_of(hub).list_repo_commits(REPO)]


def test_an_adapter_goes_up_as_one_commit_of_named_files_alone(adapter, hub):
    (adapter / "notes.txt").write_text("mine")
    (adapter / ".secret").write_text("mine")
    (adapter / "checkpoint.pt").write_bytes(b"mine")
    (adapter / "tensorboard").mkdir()
    (adapter / "tensorboard" / "log.jsonl").write_text("mine")
    (adapter / "log.jsonl").write_text("{}\n")
    (adapter / "training.png").write_bytes(b"a picture")
    api_of(hub).create_repo(REPO)
    before = len(api_of(hub).list_repo_commits(REPO))
    sha = publish_folder(adapter, REPO, message="first", endpoint=hub)
    commits = api_of(hub).list_repo_commits(REPO)
    assert (len(commits) - before, commits[0].commit_id, commits[0].title) == (1, sha, "first")
    assert files_at(hub, sha) == [
        ".eval_results/phantom.yaml",
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "log.jsonl",
        "training.png",
        "zoo.json",
    ]


def test_the_repo_is_created_if_it_is_absent(adapter, hub):
    sha = publish_folder(adapter, REPO, message="first", endpoint=hub)
    assert resolve(REPO, endpoint=hub) == sha


def test_files_that_the_folder_no_longer_has_are_deleted_and_those_of_others_stay(adapter, hub):
    publish_folder(adapter, REPO, message="first", endpoint=hub)
    api_of(hub).upload_file(path_or_fileobj=b"kept", path_in_repo="picture.png", repo_id=REPO)
    (adapter / ".eval_results" / "phantom.yaml").rename(adapter / ".eval_results" / "other.yaml")
    sha = publish_folder(adapter, REPO, message="second", endpoint=hub)
    assert files_at(hub, sha) == [
        ".eval_results/other.yaml",
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "picture.png",
        "zoo.json",
    ]


def test_a_plan_whose_repo_has_moved_on_is_refused(make_adapter, hub):
    publish_folder(make_adapter("first"), REPO, message="first", endpoint=hub)
    plan = plan_publish(make_adapter("third", seed=3), REPO, message="third", endpoint=hub)
    second = publish_folder(make_adapter("second", seed=2), REPO, message="second", endpoint=hub)
    with pytest.raises(HubError, match="someone else published to it meanwhile"):
        carry_out(plan)
    assert resolve(REPO, endpoint=hub) == second


def test_a_plan_for_a_repo_that_someone_else_creates_first_is_refused(make_adapter, hub):
    plans = [
        plan_publish(make_adapter(f"by-{number}", seed=number), REPO, message="first", endpoint=hub)
        for number in range(2)
    ]
    first = carry_out(plans[0])
    with pytest.raises(HubError, match="someone else published to it meanwhile"):
        carry_out(plans[1])
    assert resolve(REPO, endpoint=hub) == first.sha


@pytest.mark.parametrize("is_there", [True, False])
def test_of_several_who_publish_at_once_none_overwrites_another_unseen(make_adapter, hub, is_there):
    if is_there:
        publish_folder(make_adapter("before", seed=9), REPO, message="before", endpoint=hub)
    plans = []
    for number in range(4):
        folder = make_adapter(f"by-{number}", seed=number)
        (folder / "README.md").write_text(CARD.format(variant=f"v{number}"))
        plans.append(plan_publish(folder, REPO, message=f"by {number}", endpoint=hub))
    outcomes = []

    def go(plan):
        start.wait()
        try:
            outcomes.append(carry_out(plan))
        except HubError as error:
            outcomes.append(error)

    start = threading.Barrier(4)
    threads = [threading.Thread(target=go, args=(plan,)) for plan in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (won,) = [outcome for outcome in outcomes if not isinstance(outcome, HubError)]
    assert len(outcomes) == 4
    assert resolve(REPO, endpoint=hub) == won.sha
    assert tags_of(REPO, endpoint=hub)[won.tag] == won.sha


def test_the_same_again_makes_no_commit_and_no_tag(adapter, hub):
    first = carry_out(plan_publish(adapter, REPO, message="first", endpoint=hub))
    again = carry_out(plan_publish(adapter, REPO, message="again", endpoint=hub))
    assert (first.pushed, again.pushed) == (True, False)
    assert (again.sha, again.tag) == (first.sha, "v1")
    assert tags_of(REPO, endpoint=hub) == {"v1": first.sha}


def test_versions_are_numbered_by_themselves_beside_other_tags(adapter, hub):
    first = publish_folder(adapter, REPO, message="first", endpoint=hub)
    for tag in ("v9", "v10", "v11a", "v099", "paper"):
        api_of(hub).create_tag(REPO, tag=tag, revision=first)
    (adapter / "README.md").write_text(CARD.format(variant="sft"))
    second = publish_folder(adapter, REPO, message="second", endpoint=hub)
    others = dict.fromkeys(("paper", "v099", "v11a", "v1", "v9", "v10"), first)
    assert list(tags_of(REPO, endpoint=hub).items()) == [*others.items(), ("v11", second)]


def test_a_tag_names_the_commit_and_is_never_moved(adapter, hub):
    sha = publish_folder(adapter, REPO, message="first", tag="final", endpoint=hub)
    assert tags_of(REPO, endpoint=hub) == {"final": sha}
    assert publish_folder(adapter, REPO, message="again", tag="final", endpoint=hub) == sha
    (adapter / "README.md").write_text(CARD.format(variant="sft"))
    with pytest.raises(HubError, match="has a tag 'final' already"):
        publish_folder(adapter, REPO, message="second", tag="final", endpoint=hub)
    with pytest.raises(BadInput, match="no valid revision"):
        plan_publish(adapter, REPO, message="second", tag="a b", endpoint=hub)
    assert resolve(REPO, endpoint=hub) == sha


def test_a_plan_says_every_change_and_makes_none(adapter, hub):
    first = plan_publish(adapter, REPO, message="first", leave_out=("README.md",), endpoint=hub)
    assert (first.head, first.tag, first.withheld, first.is_done) == (None, "v1", ("README.md",), False)
    assert not api_of(hub).repo_exists(REPO)
    sha = publish_folder(adapter, REPO, message="first", endpoint=hub)
    (adapter / "README.md").write_text("changed")
    (adapter / ".eval_results" / "phantom.yaml").rename(adapter / "log.jsonl")
    plan = plan_publish(adapter, REPO, message="second", endpoint=hub)
    assert [(one.name, one.change) for one in plan.files] == [
        ("README.md", "changed"),
        ("adapter_config.json", "same"),
        ("adapter_model.safetensors", "same"),
        ("log.jsonl", "new"),
        ("zoo.json", "same"),
    ]
    changed = plan.files[0]
    assert (changed.size, changed.sha256) == (7, hashlib.sha256(b"changed").hexdigest())
    assert (plan.deleted, plan.head, plan.tag) == ((".eval_results/phantom.yaml",), sha, "v2")
    assert resolve(REPO, endpoint=hub) == sha
    assert tags_of(REPO, endpoint=hub) == {"v1": sha}


def test_the_gate_is_there_before_the_files_and_stays(adapter, hub):
    publish_folder(adapter, REPO, message="first", gated="manual", endpoint=hub)
    assert api_of(hub).model_info(REPO).gated == "manual"
    (adapter / "README.md").write_text(CARD.format(variant="sft"))
    plan = plan_publish(adapter, REPO, message="second", endpoint=hub)
    assert (plan.gated, plan.gate_is_new) == ("manual", False)
    carry_out(plan)
    assert api_of(hub).model_info(REPO).gated == "manual"
    publish_folder(adapter, REPO, message="third", gated="auto", endpoint=hub)
    assert api_of(hub).model_info(REPO).gated == "auto"


def test_what_is_meant_to_be_private_never_lands_in_a_public_repo(adapter, hub):
    first = publish_folder(adapter, REPO, message="first", endpoint=hub)
    (adapter / "README.md").write_text(CARD.format(variant="sft"))
    with pytest.raises(HubError, match="is public already"):
        publish_folder(adapter, REPO, message="second", private=True, endpoint=hub)
    assert resolve(REPO, endpoint=hub) == first
    publish_folder(adapter, REPO + "-private", message="first", private=True, endpoint=hub)
    assert api_of(hub).model_info(REPO + "-private").private


def test_a_folder_that_lacks_a_file_of_an_adapter_is_not_published(adapter):
    (adapter / "adapter_config.json").unlink()
    with pytest.raises(BadInput, match=r"adapter_config\.json: no such file"):
        files_of(adapter)


class _Line(BaseHTTPRequestHandler):
    """A line to a Hub that breaks at one kind of call, before or after the Hub has done what was asked."""

    protocol_version = "HTTP/1.1"

    def _pass_on(self):
        cut = self.server.cut
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen[self.command] += 1
        breaks = cut["left"] > 0 and self.command == cut["method"] and cut["part"] in self.path
        if breaks:
            cut["left"] -= 1
        if breaks and not cut["done"]:
            self.close_connection = True
            self.connection.close()
            return
        there = urlsplit(self.server.hub)
        line = http.client.HTTPConnection(there.hostname, there.port)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
        line.request(self.command, self.path, body, {**headers, "Host": self.headers["Host"]})
        reply = line.getresponse()
        content = reply.read()
        line.close()
        if breaks:
            self.close_connection = True
            self.connection.close()
            return
        self.send_response(reply.status)
        for key, value in reply.getheaders():
            if key.lower() not in ("transfer-encoding", "connection", "content-length", "date", "server"):
                self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _pass_on

    def log_message(self, *_):
        pass


@contextmanager
def line_to(hub):
    """A line to that Hub. Set `cut` of it: calls of that method and part of a path break, so many times."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Line)
    server.hub, server.seen = hub, Counter()
    server.cut = {"method": "", "part": "", "done": False, "left": 0}
    server.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


STEPS = [("POST", "/api/repos/create"), ("PUT", "/settings"), ("POST", "/commit/"), ("POST", "/tag/")]


@pytest.mark.parametrize("done", [False, True], ids=["it-never-came", "the-reply-was-lost"])
@pytest.mark.parametrize(("method", "part"), STEPS)
def test_a_step_whose_connection_breaks_is_done_once(adapter, hub, method, part, done):
    with line_to(hub) as line:
        line.cut = {"method": method, "part": part, "done": done, "left": 1}
        sha = publish_folder(adapter, REPO, message="first", gated="auto", endpoint=line.address)
        assert line.cut["left"] == 0
    _is_there_once(hub, sha)


@pytest.mark.parametrize("done", [False, True], ids=["it-never-came", "the-reply-was-lost"])
@pytest.mark.parametrize(("method", "part"), STEPS)
def test_the_same_command_goes_on_where_an_earlier_one_broke_off(
    adapter, hub, monkeypatch, method, part, done
):
    monkeypatch.setattr("zoo.hub_publish.WAITS_S", ())
    with line_to(hub) as line:
        line.cut = {"method": method, "part": part, "done": done, "left": 1}
        with pytest.raises(HubUnreachable, match="does not answer"):
            publish_folder(adapter, REPO, message="first", gated="auto", endpoint=line.address)
    _is_there_once(hub, publish_folder(adapter, REPO, message="first", gated="auto", endpoint=hub))


def _is_there_once(hub, sha):
    assert _commits(hub).count("first") == 1
    assert (resolve(REPO, endpoint=hub), tags_of(REPO, endpoint=hub)) == (sha, {"v1": sha})
    assert api_of(hub).model_info(REPO).gated == "auto"


def test_a_large_file_that_is_there_is_not_sent_again(adapter, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("zoo.hub_publish.WAITS_S", ())
    with serving(tmp_path / "root", lfs=True) as hub, line_to(hub) as line:
        line.cut = {"method": "POST", "part": "/commit/", "done": False, "left": 1}
        with pytest.raises(HubUnreachable):
            publish_folder(adapter, REPO, message="first", endpoint=line.address)
        assert line.seen["PUT"] == 1
        sha = publish_folder(adapter, REPO, message="first", endpoint=line.address)
        assert line.seen["PUT"] == 1
        assert plan_publish(adapter, REPO, message="again", endpoint=hub).is_done
        weights = "adapter_model.safetensors"
        assert (fetch_file(REPO, sha, weights, endpoint=hub)).read_bytes() == (adapter / weights).read_bytes()
