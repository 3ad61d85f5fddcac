"""Reading a request's body within a bound, in memory, and what is wrong with it, by the field's name.

The limit holds while the body arrives, so nothing unbounded is buffered. What a user wrote is never quoted.
"""

from collections.abc import AsyncGenerator
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json

from zoo.errors import BadInput, ImageTooLarge
from zoo.images import FIELDS_BYTES

MOST_PARTS = 10_000
"""Commas and brackets of a body in JSON. An image in base64 has none, while a body of nothing else, as long
as one with images may be, takes many seconds to read, in which nobody else is answered."""
EXAMPLE = "see /openapi.json for an example"

Body = TypeVar("Body", bound="RequestBody")


class RequestBody(BaseModel):
    """A body in JSON: nothing unknown in it, and nothing of another kind than it should be."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


async def read_json(request: Request, kind: type[Body], *, most: int = FIELDS_BYTES) -> Body:
    """A body in JSON of at most so many bytes.

    Raises:
        ImageTooLarge: it is longer; found while it arrives.
        BadInput: no JSON, too many values in it, or a field that is missing, unknown or of the wrong kind.
    """
    body = b"".join([chunk async for chunk in bounded(request, most)])
    kind_said = content_type(request)
    if kind_said != "application/json":
        raise BadInput(f"the content type {kind_said[:80]!r} is not application/json", hint=EXAMPLE)
    if sum(body.count(one) for one in b",[{") > MOST_PARTS:
        raise BadInput(f"the body holds more than {MOST_PARTS} values", hint=EXAMPLE)
    try:
        said = _without_nulls(from_json(body, allow_inf_nan=False))
    except ValueError:  # also where a text holds half of a character, which nothing could be done with
        raise BadInput("the body is not JSON", hint=EXAMPLE) from None
    try:
        return kind.model_validate(said)
    except ValidationError as error:
        raise wrong_field(error, said) from None


def _without_nulls(value: Any) -> Any:
    """The same without keys whose value is null: clients send them for all that they do not ask for."""
    if isinstance(value, dict):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value


def content_type(request: Request) -> str:
    """What the request says that its body is, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def wrong_field(error: ValidationError, said: Any) -> BadInput:
    """What is wrong with a body, of several things the innermost, since a field that may be of several kinds
    is told once for each; pydantic's own text would quote the question."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    place, first = max(((_place(one["loc"], said), one) for one in found), key=lambda one: len(one[0]))
    key = ".".join(place)[:80]
    if first["type"] == "extra_forbidden":
        return BadInput(f"this server takes no {key!r}", hint=EXAMPLE, param=key)
    return BadInput(f"key {key!r}: {first['msg']}", hint=EXAMPLE, param=key or None)


def _place(parts: tuple[int | str, ...], said: Any) -> list[str]:
    """Where in a body something is wrong; pydantic's path also names the kinds that a value could be of."""
    place: list[str] = []
    for number, part in enumerate(parts):
        if isinstance(said, list) and isinstance(part, int):
            place.append(str(part))
            said = said[part]
        elif isinstance(said, dict):
            in_a_list = number > 0 and isinstance(parts[number - 1], int)
            if in_a_list and part in (said.get("role"), said.get("type")):
                continue  # the item's kind
            if part in said or number == len(parts) - 1:  # the last may be what is missing
                place.append(str(part))
                said = said.get(part)
    return place


async def bounded(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """The body's chunks; raises as soon as there are more than `most` bytes.

    Raises:
        ImageTooLarge: too many, as the request says or as they come.
    """
    stated = request.headers.get("content-length", "")
    if stated.isdigit() and int(stated) > most:
        raise _too_much(int(stated), most)
    count = 0
    async for chunk in request.stream():
        count += len(chunk)
        if count > most:
            raise _too_much(count, most)
        yield chunk


def _too_much(count: int, most: int) -> ImageTooLarge:
    return ImageTooLarge(
        f"the request has {count} bytes or more, the limit is {most}", hint="send a smaller image"
    )
