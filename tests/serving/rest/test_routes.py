import base64
import io
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from pydicom.data import get_testdata_file

from serving.app import build_app
from serving.service import Asked
from tests.serving._brought import brought
from zoo.asking import question
from zoo.images import Limits
from zoo.notice import NOTICE


@pytest.fixture
def client(rig):
    with TestClient(build_app(rig.service, limits=Limits(max_bytes=50_000), page=False)) as client:
        yield client


def form(client, image: bytes, *adapters: str, question="Q"):
    return client.post(
        "/v1/compare", files={"image": image}, data={"question": question, "adapters": list(adapters)}
    )


def still_serves(client, png) -> bool:
    return form(client, png, "base").json()["answers"][0]["text"] == "base: Q 64x48"


def test_a_comparison_by_upload_gives_every_answer_with_its_provenance(client, png, rig):
    reply = form(client, png, "mdpo", "base", question="What is shown?")
    digest = brought(rig.library, "mdpo").adapter.manifest.weights_sha256
    assert reply.status_code == 200
    body = reply.json()
    assert (body["question"], body["notice"]) == ("What is shown?", NOTICE)
    first, second = body["answers"]
    assert {
        key: first[key] for key in ("asked", "text", "id", "repo", "sha", "digest", "variant", "base")
    } == {
        "asked": "mdpo",
        "text": "mdpo: What is shown? 64x48",
        "id": "local/mdpo@" + "2" * 40,
        "repo": "local/mdpo",
        "sha": "2" * 40,
        "digest": digest,
        "variant": "mdpo",
        "base": "phantom@" + "a" * 40,
    }
    assert (first["tokens"], first["prompt_tokens"], first["finish"]) == (5, 3, "stop")
    assert (first["seed"], second["load"], first["load"] > 0) == (0, 0, True)
    assert 0 <= first["first_token_ms"] <= first["milliseconds"] <= body["milliseconds"]
    assert (second["variant"], second["digest"]) == ("base", "")


def test_adapters_may_be_separated_by_commas(client, png):
    answers = form(client, png, "mdpo, base", "sft").json()["answers"]
    assert [one["variant"] for one in answers] == ["mdpo", "base", "sft"]


def test_a_comparison_by_json_takes_data_uris(client, png):
    uri = "data:image/png;base64," + base64.b64encode(png).decode()
    body = {"images": [uri], "question": "Q", "adapters": ["sft", f"local/mdpo@{'2' * 40}"]}
    answers = client.post("/v1/compare", json=body).json()["answers"]
    assert [one["id"] for one in answers] == ["local/sft@" + "0" * 40, "local/mdpo@" + "2" * 40]


def test_png_jpeg_and_dicom_go_in(client, image):
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG")
    dicom = Path(get_testdata_file("CT_small.dcm", download=False)).read_bytes()
    assert form(client, jpeg.getvalue(), "base").json()["answers"][0]["text"] == "base: Q 64x48"
    assert form(client, dicom, "base").json()["answers"][0]["text"] == "base: Q 128x128"


def test_each_refusal_has_a_status_and_a_reason_and_the_server_goes_on(client, png):
    big = io.BytesIO()
    Image.effect_noise((400, 400), 90).save(big, "PNG")
    cases = {
        "broken": (form(client, png[:60], "base"), 400, "BadImage", "broken"),
        "no image": (form(client, b"hello", "base"), 400, "BadImage", "no kind known"),
        "large": (form(client, big.getvalue(), "base"), 413, "ImageTooLarge", "the limit is"),
        "unknown": (form(client, png, "mdop"), 404, "UnknownName", "'mdop'"),
        "absent": (form(client, png, "local/absent"), 404, "NotOnHub", "local/absent"),
        "no repo": (form(client, png, "a/b/../c"), 422, "BadInput", "names no repo"),
        "other base": (form(client, png, "local/other"), 409, "WrongBase", "llava"),
        "too many": (form(client, png, *(f"a/{n}" for n in range(9))), 422, "BadInput", "the limit is 8"),
        "no adapter": (form(client, png), 422, "BadInput", "no adapter is named"),
        "no question": (form(client, png, "base", question=" "), 422, "BadInput", "question is empty"),
        "inner fault": (form(client, png, "base", question="explode"), 500, "EngineFailed", "RuntimeError"),
        "long name": (client.get("/v1/models/" + "x" * 301), 422, "BadInput", "'id'"),
        "no route": (client.get("/v1/nothing"), 404, "HttpError", "there is nothing at this path"),
        "no method": (client.get("/v1/compare"), 405, "HttpError", "this path takes POST"),
    }
    for name, (reply, status, kind, reason) in cases.items():
        error = reply.json()["error"]
        assert (name, reply.status_code, error["type"]) == (name, status, kind)
        assert reason in error["message"], name
        assert set(error) == {"type", "message", "param", "code", "hint"}
        assert still_serves(client, png)


@pytest.mark.parametrize(
    ("content", "kind", "reason"),
    [
        (b"{", "application/json", "not JSON"),
        (b"[1]", "application/json", "key ''"),
        (b'{"images": [], "question": "Q", "adapters": []}', "application/json", "'images'"),
        (b'{"images": ["x"], "question": "Q", "adapters": [], "x": 1}', "application/json", "'x'"),
        (b'{"images": ["x"], "question": "secret", "adapters": 3}', "application/json", "'adapters'"),
        (b"hello", "text/plain", "neither multipart"),
        (b"hello", "multipart/form-data", "form cannot be read"),
        (b"hello", "multipart/form-data; boundary=x", "form cannot be read"),
    ],
)
def test_a_body_that_cannot_be_read_is_told_why_and_not_quoted(client, png, content, kind, reason):
    reply = client.post("/v1/compare", content=content, headers={"content-type": kind})
    error = reply.json()["error"]
    assert reply.status_code == 422
    assert reason in error["message"]
    assert "secret" not in reply.text
    assert still_serves(client, png)


def test_a_form_with_a_field_nobody_knows_is_refused(client, png):
    data = {"question": "Q", "adapters": "base", "adpaters": "mdpo"}
    reply = client.post("/v1/compare", files={"image": png}, data=data)
    assert reply.status_code == 422
    assert "'adpaters'" in reply.json()["error"]["message"]


def test_reading_stops_at_the_limit_whatever_the_client_says(client, png):
    sent = 0

    def body():
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
        for _ in range(10_000):
            sent += 1000
            yield b"\0" * 1000

    reply = client.post(
        "/v1/compare", content=body(), headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert reply.status_code == 413
    assert still_serves(client, png)


def test_a_large_upload_is_never_written_to_disk(rig, monkeypatch):
    def spooled(*_):
        raise AssertionError("an upload went to disk")

    monkeypatch.setattr("tempfile._TemporaryFileWrapper.__init__", spooled)
    monkeypatch.setattr("tempfile.SpooledTemporaryFile.rollover", spooled)
    out = io.BytesIO()
    Image.effect_noise((1300, 1300), 90).save(out, "PNG")
    assert len(out.getvalue()) > 1_500_000
    with TestClient(build_app(rig.service, page=False)) as client:
        assert form(client, out.getvalue(), "base").status_code == 200


def test_a_full_queue_is_a_429_that_says_when_to_come_back(make_rig, png, image):
    rig = make_rig(max_waiting_rows=1)
    rig.model.gate.clear()
    full = []
    for _ in range(2):  # the first runs, the second waits
        full.append(rig.service.ask(Asked(images=(image,), turns=question("Q"), adapters=("base",))))
        assert rig.model.busy.wait(60)
    with TestClient(build_app(rig.service, page=False)) as client:
        reply = form(client, png, "base", "sft")
        assert (reply.status_code, reply.headers["retry-after"]) == (429, "1")
        assert reply.json()["error"]["type"] == "Busy"
        rig.model.gate.set()
        assert [len(one.result().answers) for one in full] == [1, 1]
        assert still_serves(client, png)


def test_the_adapters_are_listed_with_identity_state_and_scores(client):
    body = client.get("/v1/adapters").json()
    assert body["base"] == "phantom@" + "a" * 40
    assert [one["alias"] for one in body["adapters"]] == ["sft", "text_hallu", "mdpo"]
    last = body["adapters"][-1]
    assert (last["id"], last["state"], last["written"]) == (
        "local/mdpo@" + "2" * 40,
        "on_disk",
        "local/mdpo@main",
    )
    assert last["evaluation"][0]["value"] == 0.71


def test_health_and_readiness_tell_apart_living_and_serving(client, rig):
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}
    rig.engine.close()
    assert client.get("/healthz").status_code == 200
    assert (client.get("/readyz").status_code, client.get("/readyz").json()) == (503, {"status": "stopped"})


def test_the_api_describes_both_bodies_and_every_error_with_examples(client):
    post = client.get("/openapi.json").json()["paths"]["/v1/compare"]["post"]
    assert set(post["requestBody"]["content"]) == {"multipart/form-data", "application/json"}
    assert post["requestBody"]["content"]["application/json"]["schema"]["examples"]
    assert {"200", "400", "404", "409", "413", "422", "429", "503", "504"} <= set(post["responses"])


def test_no_route_needs_the_internet(client):
    assert client.get("/docs").status_code == 404
