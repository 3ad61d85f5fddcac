"""What the API's own document says of bodies, errors and headers, with examples made by the very code that
replies."""

from typing import Any

from fastapi import FastAPI

from serving.defence.gate import HEALTH
from serving.rest.answers import DIGEST, SHA
from serving.rest.bodies import RequestBody
from serving.rest.errors import status_of
from serving.rest.faults import ErrorReply
from zoo import errors
from zoo.notice import NOTICE

EXAMPLES: tuple[errors.ZooError, ...] = (
    errors.BadImage("the PNG image is broken or cut short", hint="give a PNG, JPEG or DICOM file"),
    errors.NoKey("this server wants an API key", hint="send Authorization: Bearer KEY"),
    errors.NotAllowed(
        "local/secret is not among the adapters of this server",
        hint="its operator can allow it: --allow local/secret, or MEDZOO_ALLOW",
    ),
    errors.UnknownName("adapter", "mdop", ("base", "mdpo")),
    errors.NotOnHub("local/absent@main is not on the Hub, or not for this user"),
    errors.TooSlow("the request was not here whole within 60 s"),
    errors.WrongBase("the adapter was made for llava, this is phantom"),
    errors.NotOpen("this work list is closed", hint="its ratings are kept; take another list"),
    errors.ImageTooLarge("the image has 30000000 bytes, the limit is 20971520", hint="send a smaller file"),
    errors.BadInput("this server takes no 'tools'", hint="see /openapi.json for an example", param="tools"),
    errors.DigestMismatch("the weights have another digest than the manifest states"),
    errors.Busy("the queue is full: 64 answers wait, the limit is 64"),
    errors.EngineFailed("the engine failed on this comparison (RuntimeError)"),
    errors.HubError("http://hub answered 400"),
    errors.HubUnreachable("http://hub does not answer", hint="try again later"),
    errors.DatabaseAway("the servers' shared database does not answer (OperationalError)"),
    errors.Stopped("the server is stopping"),
    errors.DeadlinePassed("no answer within 120 s", hint="ask again later"),
)
_MEANINGS = {
    400: "An image that cannot be read.",
    401: "No key, or an unknown one.",
    403: "The key, or the operator, does not allow it.",
    404: "Nothing of that name.",
    408: "The request did not arrive whole in time.",
    409: "An adapter of another base, or a work list that is not open.",
    413: "An image, or a request, beyond the limits.",
    422: "A request, or an adapter, that cannot be used; `param` names the field.",
    429: "Too much at once; Retry-After tells when to come back.",
    500: "The engine, or the server, failed on this request alone.",
    502: "The Hub refused, or gave something broken.",
    503: "The server is stopping, or Hub or database do not answer; Retry-After tells when to come back.",
    504: "It took too long and was given up.",
}
ANSWER_HEADERS: dict[str, Any] = {
    "x-medzoo-adapter": {
        "description": "repo@sha; of several rows, separated by commas.",
        "schema": {"type": "string"},
        "example": f"local/phantom-mdpo@{SHA}",
    },
    "x-medzoo-digest": {
        "description": "sha256 of the weights, or none for the base.",
        "schema": {"type": "string"},
        "example": DIGEST,
    },
    "x-medzoo-base": {"schema": {"type": "string"}, "example": f"phantom@{SHA}"},
    "x-medzoo-notice": {"schema": {"type": "string"}, "example": NOTICE},
}


KEY = {
    "type": "http",
    "scheme": "bearer",
    "description": "A key of `medzoo keys`; none where the server has no keys and serves its machine alone.",
}
ALWAYS = (401, 403, 408, 413, 429, 500, 503)
"""What stands before every route may give these, and any route may fail."""


def error_replies(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of a route beside those of all, for FastAPI's `responses`."""
    return {status: _error_reply(status) for status in sorted({*ALWAYS, *statuses})}


def _error_reply(status: int) -> dict[str, Any]:
    examples = {
        type(error).__name__: {"value": ErrorReply.of(error).model_dump()}
        for error in EXAMPLES
        if status_of(error) == status
    }
    reply: dict[str, Any] = {
        "model": ErrorReply,
        "description": _MEANINGS[status],
        "content": {"application/json": {"examples": examples}},
    }
    if status in (429, 503):
        reply["headers"] = {
            "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}, "example": 5}
        }
    return reply


def add_key(app: FastAPI) -> None:
    """Say in the application's document how a key is sent, once for all routes but those of health."""
    without = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = without()
            found.setdefault("components", {})["securitySchemes"] = {"key": KEY}
            for path, operations in found["paths"].items():
                for operation in operations.values() if path not in HEALTH else ():
                    operation["security"] = [{"key": []}, {}]
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def request_body(kind: type[RequestBody], *, form: dict[str, Any] | None = None) -> dict[str, Any]:
    """A body that the route reads by itself, for FastAPI's `openapi_extra`; `form` is that of a form."""
    schema = kind.model_json_schema()
    parts = schema.pop("$defs", {})
    content = {"application/json": {"schema": _inlined(schema, parts)}}
    if form is not None:
        content["multipart/form-data"] = {"schema": form}
    return {"requestBody": {"required": True, "content": content}}


def _inlined(schema: Any, parts: dict[str, Any]) -> Any:
    """A schema without references: those of a body that FastAPI does not know would lead nowhere."""
    if isinstance(schema, list):
        return [_inlined(one, parts) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(parts[schema["$ref"].rpartition("/")[2]], parts)
    found = {key: _inlined(one, parts) for key, one in schema.items() if key != "discriminator"}
    return _with_nulls(found) if found.get("type") == "object" else found


def _with_nulls(schema: dict[str, Any]) -> dict[str, Any]:
    """A key whose value is null is passed over, whatever it is called."""
    null = {"type": "null"}
    other, required = schema.get("additionalProperties"), schema.get("required", ())
    fields = {
        name: field if name in required or null in field.get("anyOf", ()) else {"anyOf": [field, null]}
        for name, field in schema.get("properties", {}).items()
    }
    return {
        **schema,
        **({"properties": fields} if fields else {}),
        "additionalProperties": {"anyOf": [other, null]} if other else null,
    }
