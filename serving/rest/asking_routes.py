"""The routes that ask: a comparison, a chat completion. Bytes in, the service's words out."""

from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from serving.pictures import Pictures
from serving.rest.answers import CompareReply, provenance_headers
from serving.rest.bodies import read_json
from serving.rest.chat import chunks
from serving.rest.chat_body import ChatBody
from serving.rest.chat_replies import ChatReply
from serving.rest.compare_body import FORM, CompareBody, Compared, read_comparison
from serving.rest.compare_stream import compared
from serving.rest.documents import ANSWER_HEADERS, error_replies, request_body
from serving.rest.images import Remote, load_images
from serving.rest.samples import COMPARED, COMPLETED
from serving.rest.streams import EventStream, Pieces, answer, begin, unless_gone
from serving.service import Asked, Service
from zoo.asking import question

_ERRORS = error_replies(400, 404, 409, 422, 502, 504)


def asking_routes(service: Service, pictures: Pictures, remote: Remote | None) -> APIRouter:
    """The routes of one service; `remote` fetches images by their address, None where that is off."""
    router = APIRouter()
    limits, most = pictures.limits, service.base.max_images

    @router.post(
        "/v1/compare",
        response_model=CompareReply,
        responses={**_ERRORS, 200: _answered(COMPARED)},
        tags=["questions"],
        openapi_extra=request_body(CompareBody, form=FORM),
    )
    async def compare(request: Request) -> Response:
        """Put one question about an image to several adapters at once.

        The answers come in the order asked, each with the commit and the weight digest that gave it.
        Streamed, the events are `rows` (who answers), `piece` and `end` of each row as they come, and
        `comparison`, which is what a request without a stream gets; an error that comes after the start is
        the last event, `error`.
        """
        wanted = await read_comparison(request, limits=limits, max_images=most)
        return await unless_gone(request, _compare(wanted, _client(request)))

    async def _compare(wanted: Compared, client: str) -> Response:
        asked = Asked(
            turns=question(wanted.fields.question, images=len(wanted.images)),
            adapters=tuple(wanted.fields.adapters),
            sampling=wanted.fields.sampling(most=service.max_new_tokens),
            client=client,
        )
        opening = partial(load_images, wanted.images, pictures=pictures, remote=remote)
        if wanted.fields.stream:
            pieces = Pieces()
            asking = await begin(service, asked, opening, pieces)
            headers = provenance_headers(asking.answering)
            return EventStream(compared(asking, pieces), asking=asking, headers=headers)
        done = await answer(service, asked, opening)
        return JSONResponse(CompareReply.of(done).model_dump(), headers=provenance_headers(done.answers))

    @router.post(
        "/v1/chat/completions",
        response_model=ChatReply,
        responses={**_ERRORS, 200: _answered(COMPLETED)},
        tags=["questions"],
        openapi_extra=request_body(ChatBody),
    )
    async def chat(request: Request) -> Response:
        """Put a conversation about one or more images to one adapter, as OpenAI's clients do.

        `medzoo` in the answer tells exactly what gave it. Streamed, it stands in the first chunk, with who
        answers, and in the one with `finish_reason`; an error that comes after the start is the last event,
        and there is no `[DONE]` then.
        """
        body = await read_json(request, ChatBody, most=limits.body_bytes(most))
        return await unless_gone(request, _chat(body, _client(request)))

    async def _chat(body: ChatBody, client: str) -> Response:
        turns, images = body.conversation()
        asked = Asked(
            turns=turns,
            adapters=(body.model,),
            sampling=body.sampling(most=service.max_new_tokens),
            client=client,
        )
        opening = partial(load_images, images, pictures=pictures, remote=remote)
        if body.stream:
            pieces = Pieces()
            asking = await begin(service, asked, opening, pieces)
            events = chunks(asking, pieces, with_usage=body.with_usage)
            return EventStream(events, asking=asking, headers=provenance_headers(asking.answering))
        (one,) = (await answer(service, asked, opening)).answers
        return JSONResponse(ChatReply.of(one).model_dump(), headers=provenance_headers((one,)))

    return router


def _client(request: Request) -> str:
    """Who asks, as the middleware that let the request in says."""
    return str(getattr(request.state, "client", ""))


def _answered(examples: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": "The answer, or its events if `stream` is true.",
        "headers": ANSWER_HEADERS,
        "content": examples,
    }
