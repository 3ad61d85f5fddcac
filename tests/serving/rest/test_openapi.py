"""The API's own document: valid, whole, and true of what it shows."""

import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from serving.annotations.desk import Desk
from serving.app import build_app
from serving.rest.documents import EXAMPLES
from serving.rest.errors import STATUSES, status_of


@pytest.fixture(params=["alone", "with a desk"])
def desk(request, tmp_path):
    """None, or where raters work."""
    found = Desk(str(tmp_path / "ratings.db")) if request.param == "with a desk" else None
    yield found
    if found:
        found.close()


@pytest.fixture
def spec(rig, desk):
    with TestClient(build_app(rig.service, page=False, desk=desk)) as client:
        return client.get("/openapi.json").json()


def operations(spec):
    for path, item in spec["paths"].items():
        for method, operation in item.items():
            yield f"{method} {path}", operation


def shown(content):
    """(schema, example) of everything that a media type shows."""
    schema = content.get("schema", {})
    yield from ((schema, one) for one in schema.get("examples", []))
    yield from ((schema, one["value"]) for one in content.get("examples", {}).values())
    if "example" in content:
        yield schema, content["example"]


def test_the_document_is_valid(spec, desk):
    validate(spec)
    ours = {path for path in spec["paths"] if path.startswith("/v1/annotations/")}
    assert (len(ours) >= 12) == (desk is not None)
    assert set(spec["paths"]) - ours == {
        "/v1/compare",
        "/v1/chat/completions",
        "/v1/models",
        "/v1/models/{id}",
        "/v1/adapters",
        "/v1/load_lora_adapter",
        "/v1/unload_lora_adapter",
        "/healthz",
        "/readyz",
        "/metrics",
    }


def test_every_body_answer_and_error_has_an_example_that_fits_its_schema(spec):
    checked = 0
    for name, operation in operations(spec):
        parts = {"body": operation.get("requestBody", {})} | operation["responses"]
        for part, described in parts.items():
            for media_type, content in described.get("content", {}).items():
                if media_type == "multipart/form-data" or name.endswith("z"):
                    continue  # a form's fields have theirs, and health is one word
                examples = list(shown(content))
                assert examples, f"{name}, {part}, {media_type}: no example"
                for schema, example in examples:
                    whole = {**schema, "components": spec["components"]}
                    Draft202012Validator(whole).validate(example)
                    checked += 1
    assert checked > 50


def test_every_field_with_examples_has_such_that_fit_it(spec):
    checked = 0
    for schema in spec["components"]["schemas"].values():
        for field in schema.get("properties", {}).values():
            for example in field.get("examples", []):
                Draft202012Validator({**field, "components": spec["components"]}).validate(example)
                checked += 1
    assert checked > 20


def test_every_error_that_the_server_can_give_is_documented_with_the_status_that_it_has(spec):
    shown_kinds = {type(error) for error in EXAMPLES}
    assert {kind for kind, _ in STATUSES} <= {base for kind in shown_kinds for base in kind.__mro__}
    for name, operation in operations(spec):
        for status, described in operation["responses"].items():
            for example in (
                described.get("content", {}).get("application/json", {}).get("examples", {}).values()
            ):
                kind = example["value"]["error"]["type"]
                (error,) = [one for one in EXAMPLES if type(one).__name__ == kind]
                assert status_of(error) == int(status), name


def test_a_stream_and_its_headers_are_documented(spec):
    for path in ("/v1/compare", "/v1/chat/completions"):
        answer = spec["paths"][path]["post"]["responses"]["200"]
        assert set(answer["content"]) == {"application/json", "text/event-stream"}
        assert set(answer["headers"]) == {
            f"x-medzoo-{one}" for one in ("adapter", "digest", "base", "notice")
        }


def test_every_route_tells_of_what_stands_before_it_and_how_a_key_is_sent(spec):
    assert spec["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for name, operation in operations(spec):
        assert {"401", "403", "408", "413", "429", "500", "503"} <= set(operation["responses"]), name
        assert ("security" in operation) == (not name.endswith("z")), name
