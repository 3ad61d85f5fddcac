"""Reading a request's body within a bound, in memory: multipart or JSON -> images' bytes and fields.

The limit holds while the body arrives, so nothing unbounded is buffered, and no upload is ever spooled
to a file on disk, as web frameworks otherwise do with large ones.
"""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from zoo.errors import BadInput, ImageTooLarge
from zoo.images import Limits, check_bytes, data_uri_bytes

FIELDS_BYTES = 64 * 1024
"""Room in a body for all that is no image."""
HOW = 'curl -F image=@scan.png -F question="What is shown?" -F adapters=base ADDRESS/v1/compare'


class CompareBody(BaseModel):
    """A comparison as JSON."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "images": ["data:image/png;base64,iVBORw0KGgo..."],
                    "question": "On which side is the nodule?",
                    "adapters": ["base", "mdpo", "local/phantom-sft@main"],
                }
            ]
        },
    )

    images: list[str] = Field(min_length=1, max_length=16)
    """Data URIs: PNG, JPEG or DICOM in base64."""
    question: str
    adapters: list[str]
    """Aliases of `GET /v1/adapters`, `repo`, `repo@revision`, or `base`."""


@dataclass(frozen=True)
class Asked:
    """A request's content, its images not decoded yet."""

    images: tuple[bytes, ...]
    question: str
    adapters: tuple[str, ...]


async def read_comparison(request: Request, *, limits: Limits, max_images: int) -> Asked:
    """What a request to compare asks, multipart or JSON.

    Raises:
        ImageTooLarge: the body or an image in it is beyond the limits; found while it arrives.
        BadImage: a data URI that is none.
        BadInput: another content type, or a field that is missing, unknown or of the wrong kind.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        stream = _bounded(request, limits.max_bytes * max_images + FIELDS_BYTES)
        return await _read_form(request, stream, limits=limits, max_images=max_images)
    if kind == "application/json":
        stream = _bounded(request, limits.max_bytes * 4 // 3 * max_images + FIELDS_BYTES)
        return _read_json(b"".join([chunk async for chunk in stream]), limits)
    raise BadInput(f"the content type {kind[:80]!r} is neither multipart/form-data nor JSON", hint=HOW)


async def _bounded(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """The body's chunks; raises as soon as there are more than `most` bytes."""
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


async def _read_form(
    request: Request, stream: AsyncGenerator[bytes, None], *, limits: Limits, max_images: int
) -> Asked:
    parser = MultiPartParser(
        request.headers, stream, max_files=max_images, max_fields=64, max_part_size=FIELDS_BYTES
    )
    parser.spool_max_size = limits.max_bytes * max_images + FIELDS_BYTES  # never reached: stays in memory
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise BadInput(f"the form cannot be read: {error.message}", hint=HOW) from error
    try:
        images, question, adapters = [], [], list[str]()
        for name, value in form.multi_items():
            if name in ("image", "images") and isinstance(value, UploadFile):
                check_bytes(value.size or 0, limits)
                images.append(await value.read())
            elif name == "question" and isinstance(value, str):
                question.append(value)
            elif name in ("adapters", "adapter") and isinstance(value, str):
                adapters += value.split(",")
            else:
                what = "field" if isinstance(value, str) else "file"
                raise BadInput(f"a comparison takes no {what} {name[:80]!r}", hint=HOW)
    finally:
        await form.close()
    if not images:
        raise BadInput("the form holds no file named image", hint=HOW)
    if len(question) != 1:
        raise BadInput(f"the form holds {len(question)} fields named question, not one", hint=HOW)
    return Asked(tuple(images), question[0], tuple(adapters))


def _read_json(body: bytes, limits: Limits) -> Asked:
    try:
        asked = CompareBody.model_validate(json.loads(body))
    except ValidationError as error:  # its text would quote the question
        first = error.errors(include_input=False, include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"key {key[:80]!r}: {first['msg']}", hint="see /openapi.json for an example") from None
    except (ValueError, RecursionError):
        raise BadInput("the body is not JSON", hint="see /openapi.json for an example") from None
    images = tuple(data_uri_bytes(uri, limits=limits) for uri in asked.images)
    return Asked(images, asked.question, tuple(asked.adapters))
