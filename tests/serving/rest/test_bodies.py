"""What a body may be, before anything is done with it."""

import time

import pytest
from fastapi.testclient import TestClient

from serving.app import build_app

ASKING = ("/v1/compare", "/v1/chat/completions")
JSON = {"content-type": "application/json"}


@pytest.fixture
def client(rig):
    with TestClient(build_app(rig.service, page=False)) as client:
        yield client


def refused(reply):
    return reply.status_code, reply.json()["error"]["message"]


@pytest.mark.parametrize("path", ASKING)
@pytest.mark.parametrize("part", [b"{},", b"[],", b"0,", b"[[", b'{"a":', b'"a":{},'])
def test_a_body_of_many_small_values_is_refused_before_it_is_read(client, path, part):
    head = b'{"images":[' if part[:1] != b'"' else b'{"images":{'
    body = head + part * (20_000_000 // len(part))
    began = time.process_time()
    reply = client.post(path, content=body, headers=JSON)
    assert refused(reply) == (422, "the body holds more than 10000 values")
    assert time.process_time() - began < 1


@pytest.mark.parametrize("path", ASKING)
@pytest.mark.parametrize("text", ['"\\ud800"', '"\\udfff \\ud800"', "NaN", "[" * 5000])
def test_a_text_with_half_a_character_and_other_such_json_is_refused(client, path, text):
    body = f'{{"model":"base","question":{text}}}'
    assert refused(client.post(path, content=body, headers=JSON)) == (422, "the body is not JSON")


@pytest.mark.parametrize("charset", ["undefined", "utf-7", "utf-16", "idna", "x"])
def test_a_form_in_another_charset_than_utf_8_is_refused(client, charset):
    body = b'--x\r\nContent-Disposition: form-data; name="question"\r\n\r\n+2AA-\r\n--x--\r\n'
    headers = {"content-type": f"multipart/form-data; boundary=x; charset={charset}"}
    reply = client.post("/v1/compare", content=body, headers=headers)
    assert refused(reply) == (422, "the form is not in UTF-8")
