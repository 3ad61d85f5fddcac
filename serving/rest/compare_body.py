"""A comparison as a request, multipart or JSON.

No upload is ever spooled to a file on disk, as web frameworks otherwise do with large ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from pydantic import ConfigDict, Field, ValidationError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from serving.rest.bodies import (
    RequestBody,
    bounded,
    content_type,
    read_json,
    wrong_field,
)
from serving.rest.sampling import MaxTokens, Seed, Stop, Temperature, TopP, sampling
from zoo.asking import Sampling
from zoo.errors import BadInput
from zoo.images import FIELDS_BYTES, Limits, check_bytes

HOW = 'curl -F image=@scan.png -F question="What is shown?" -F adapters=base ADDRESS/v1/compare'


class CompareFields(RequestBody):
    """All of a comparison but its images."""

    question: str
    adapters: list[str] = Field(
        description="Aliases of `GET /v1/adapters`, `repo`, `repo@revision`, or `base`."
    )
    temperature: Temperature | None = None
    top_p: TopP | None = None
    max_tokens: MaxTokens | None = None
    seed: Seed | None = None
    stop: list[Stop] = Field(default=[], max_length=4, description="Texts before which an answer ends.")
    stream: bool = Field(default=False, description="Send the answers as server-sent events as they come.")

    def sampling(self, *, most: int) -> Sampling:
        """How the answers are drawn, where the server allows `most` tokens."""
        return sampling(
            most=most,
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            seed=self.seed,
            stop=self.stop,
        )


class CompareBody(CompareFields):
    """One question about one or more images, put to several adapters at once."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "images": ["data:image/png;base64,iVBORw0KGgo..."],
                    "question": "On which side is the nodule?",
                    "adapters": ["base", "mdpo", "local/phantom-sft@main"],
                    "temperature": 0.7,
                    "seed": 1,
                }
            ]
        },
    )

    images: list[str] = Field(
        min_length=1,
        max_length=16,
        description="Data URIs: PNG, JPEG or DICOM in base64; or addresses, where the operator allows them.",
    )


@dataclass(frozen=True)
class Compared:
    """What a request to compare asks, its images not decoded yet."""

    images: Sequence[bytes | str]
    fields: CompareFields


FORM: dict[str, Any] = {
    "type": "object",
    "required": ["image", "question", "adapters"],
    "additionalProperties": False,
    "properties": {
        "image": {
            "type": "string",
            "contentMediaType": "application/octet-stream",
            "description": "PNG, JPEG or DICOM; given again for each further image.",
        },
        "question": {"type": "string", "examples": ["On which side is the nodule?"]},
        "adapters": {
            "type": "string",
            "description": "Aliases, repo, repo@revision, or base; separated by commas, or given again.",
            "examples": ["base,mdpo"],
        },
        "temperature": {"type": "number", "minimum": 0, "maximum": 2},
        "top_p": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "max_tokens": {"type": "integer", "minimum": 1},
        "seed": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1},
        "stop": {"type": "string", "minLength": 1, "maxLength": 200, "description": "Up to 4, given again."},
        "stream": {"type": "boolean"},
    },
}


async def read_comparison(request: Request, *, limits: Limits, max_images: int) -> Compared:
    """What a request to compare asks, multipart or JSON.

    Raises:
        ImageTooLarge: the body or an image in it is beyond the limits; found while it arrives.
        BadInput: another content type, or a field that is missing, unknown or of the wrong kind.
    """
    kind = content_type(request)
    if kind == "multipart/form-data":
        return await _read_form(request, limits=limits, max_images=max_images)
    if kind == "application/json":
        body = await read_json(request, CompareBody, most=limits.body_bytes(max_images))
        return Compared(body.images, body)
    raise BadInput(f"the content type {kind[:80]!r} is neither multipart/form-data nor JSON", hint=HOW)


async def _read_form(request: Request, *, limits: Limits, max_images: int) -> Compared:
    most = limits.body_bytes(max_images)
    charset = parse_options_header(request.headers["content-type"])[1].get(b"charset", b"utf-8")
    if charset.lower() not in (b"utf-8", b"utf8", b"us-ascii"):
        raise BadInput("the form is not in UTF-8", hint=HOW)
    parser = MultiPartParser(
        request.headers,
        bounded(request, most),
        max_files=max_images,
        max_fields=64,
        max_part_size=FIELDS_BYTES,
    )
    parser.spool_max_size = most  # never reached: stays in memory
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise BadInput(f"the form cannot be read: {error.message}", hint=HOW) from error
    images: list[bytes | str] = []
    fields: dict[str, Any] = {"adapters": [], "stop": []}
    try:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                if name not in ("image", "images"):
                    raise BadInput(f"a comparison takes no file {name[:80]!r}", hint=HOW)
                check_bytes(value.size or 0, limits)
                images.append(await value.read())
            elif name in ("adapters", "adapter"):
                fields["adapters"] += value.split(",")
            elif name == "stop":
                fields["stop"].append(value)
            elif name in fields:
                raise BadInput(f"the form holds more than one field named {name!r}", hint=HOW, param=name)
            else:
                fields[name[:80]] = value
    finally:
        await form.close()
    if not images:
        raise BadInput("the form holds no file named image", hint=HOW, param="image")
    try:
        return Compared(images, CompareFields.model_validate(fields, strict=False))
    except ValidationError as error:
        raise wrong_field(error, fields) from None
