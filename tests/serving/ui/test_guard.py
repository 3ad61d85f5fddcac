import pytest
from fastapi.testclient import TestClient

from serving.app import build_app
from zoo.images import Limits


@pytest.fixture
def client(rig):
    with TestClient(build_app(rig.service, limits=Limits(max_bytes=30_000))) as client:
        yield client


def test_the_browser_is_told_to_load_nothing_from_elsewhere(client):
    for path in ("/", "/healthz", "/v1/adapters"):
        policy = client.get(path).headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "http" not in policy


def test_no_file_can_be_uploaded_through_gradio(client):
    reply = client.post("/gradio_api/upload", files={"files": ("scan.png", b"pixels")})
    assert reply.status_code == 403


def test_a_body_to_the_page_beyond_the_limit_is_refused(client):
    body = b"x" * 200_000
    assert client.post("/gradio_api/component_server", content=body).status_code == 413


def test_the_page_and_rest_live_side_by_side(client, png):
    assert "<html" in client.get("/").text
    answers = client.post(
        "/v1/compare", files={"image": png}, data={"question": "Q", "adapters": "base"}
    ).json()["answers"]
    assert answers[0]["text"] == "base: Q 64x48"
    assert client.get("/healthz").json() == {"status": "ok"}
