import logging
import tempfile

import pytest
from fastapi.testclient import TestClient

from serving.app import build_app
from serving.ui.guard import OPEN
from zoo.images import Limits

FORM = {
    "files": {"files": ("scan.png", b"Planted" * 300_000)},
    "data": {"session_hash": "s", "fn_name": "look"},
}


@pytest.fixture
def app(rig):
    return build_app(rig.service, limits=Limits(max_bytes=30_000))


@pytest.fixture
def client(app):
    with TestClient(app) as client:
        yield client


@pytest.fixture
def ask(client):
    """Call it with what the page would put beside its session into a body to Gradio."""
    config = client.get("/config").json()
    picker = next(one["id"] for one in config["components"] if one["props"].get("elem_id") == "mz-picker")
    compare = next(one["id"] for one in config["dependencies"] if len(one["inputs"]) == 5)
    sent = {
        "component_server": {"component_id": picker, "fn_name": "look", "data": "data:,"},
        "queue/join": {"fn_index": compare, "data": ["[]", "Q", "", ["base"], ""]},
    }

    def ask(route, **changed):
        return client.post(f"/gradio_api/{route}", json={"session_hash": "s", **sent[route], **changed})

    return ask


def gradio_routes(app):
    """Every path and method of Gradio's own application."""
    inner = next(route.app for route in app.routes if hasattr(getattr(route, "app", None), "get_blocks"))
    found = [
        (method.upper(), path.replace("{", "").replace("}", ""))
        for path, methods in inner.openapi()["paths"].items()
        for method in methods
    ]
    assert len(found) > 40
    return found


def test_the_browser_is_told_to_load_nothing_from_elsewhere(client):
    for path in ("/", "/theme.css", "/gradio_api/nothing"):
        policy = client.get(path).headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "http" not in policy
    for path in ("/v1/adapters", "/healthz", "/metrics"):
        assert client.get(path).headers["content-security-policy"].startswith("default-src 'none'")


def test_no_route_of_gradio_writes_what_it_is_sent_to_disk(app, client, monkeypatch):
    written = []
    for name in ("TemporaryFile", "NamedTemporaryFile", "SpooledTemporaryFile", "mkstemp", "mkdtemp"):
        monkeypatch.setattr(tempfile, name, lambda *_, _name=name, **__: written.append(_name))
    statuses = {
        (method, path): client.request(method, path, **FORM).status_code
        for method, path in gradio_routes(app)
        if method not in ("GET", "HEAD")
    }
    assert ("POST", "/gradio_api/process_recording") in statuses
    assert {one for key, one in statuses.items() if key in OPEN} == {415}
    assert {one for key, one in statuses.items() if key not in OPEN} == {404}
    assert written == []


def test_of_gradio_s_api_only_what_the_page_asks_is_open(app, client):
    routes = {path for method, path in gradio_routes(app) if method == "GET" and "/gradio_api/" in path}
    assert len(routes) > 20
    for path in routes - {path for _, path in OPEN}:
        assert client.get(path).status_code == 404, path


def test_a_body_to_the_page_beyond_the_limit_is_refused(client):
    said = {"Content-Type": "application/json"}
    for body in (b"x" * 200_000, iter([b"x" * 100_000] * 2)):
        assert client.post("/gradio_api/component_server", content=body, headers=said).status_code == 413


def test_a_body_of_many_small_values_is_refused_unread(ask):
    assert ask("queue/join", data=[[]] * 20_000).status_code == 422


def test_a_look_at_what_is_no_text_or_by_no_component_is_a_wrong_request(ask):
    for changed in ({"data": None}, {"data": 5}, {"data": {"a": 1}}, {"component_id": 99_999}):
        assert ask("component_server", **changed).status_code == 422, changed
    for changed in ({"component_id": "x"}, {"fn_name": None}, {"session_hash": None}):
        assert ask("component_server", **changed).status_code == 422, changed
    assert ask("component_server", session_hash="s" * 101).status_code == 422


def test_a_look_at_no_image_is_told_so_and_another_function_is_not_there(ask):
    assert ask("component_server").json()["problem"].startswith("The media type")
    assert ask("component_server", fn_name="__init__").status_code == 404


def test_a_view_or_a_map_that_the_page_never_asks_for_is_told_so_without_its_words(ask, client):
    tools = next(
        one["id"]
        for one in client.get("/config").json()["components"]
        if one["props"].get("elem_id") == "mz-tools"
    )
    for text in ("Planted", '{"key": "Planted"}', '{"key": 1}', "[" * 5000, '{"asked": "Planted", "row": 0}'):
        for changed in ({"fn_name": "show"}, {"fn_name": "heat", "component_id": tools}):
            reply = ask("component_server", data=text, **changed)
            assert reply.status_code == 200, (text, changed)
            assert reply.json().keys() == {"problem"}
            assert reply.json()["problem"]
            assert "Planted" not in reply.text


def test_a_question_by_no_function_or_with_other_values_is_a_wrong_request(ask):
    assert ask("queue/join").status_code == 200
    for changed in ({"fn_index": 99_999}, {"fn_index": None}, {"data": []}, {"data": None}):
        assert ask("queue/join", **changed).status_code == 422, changed


def test_what_fails_inside_the_page_is_logged_by_its_type_and_place_alone(ask, client, capfd, caplog):
    joined = ask("queue/join", data=["[]", "Planted", "Planted", ["Planted"], "Planted"])
    assert joined.status_code == 200
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": "s"}) as reply:
        assert next(line for line in reply.iter_lines() if "process_completed" in line)
    said = [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR]
    assert [text for text in said if text.startswith("the page failed: Error") and ".py:" in text]
    assert "Planted" not in "".join([*said, *capfd.readouterr()])


def test_the_page_and_rest_live_side_by_side(client, png):
    assert "<html" in client.get("/").text
    answers = client.post(
        "/v1/compare", files={"image": png}, data={"question": "Q", "adapters": "base"}
    ).json()["answers"]
    assert answers[0]["text"] == "base: Q 64x48"
    assert client.get("/healthz").json() == {"status": "ok"}
