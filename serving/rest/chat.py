"""A chat completion as it is streamed: one answer in OpenAI's chunks."""

import time
from collections.abc import AsyncIterator

from serving.rest.answers import Provenance, Who
from serving.rest.chat_replies import (
    Chunk,
    ChunkChoice,
    Delta,
    SaidBy,
    SaysIt,
    Usage,
    fingerprint,
    new_id,
)
from serving.rest.faults import ErrorReply
from serving.rest.streams import Pieces, event
from serving.service import Asking
from zoo.errors import ZooError
from zoo.notice import NOTICE

DONE = b"data: [DONE]\n\n"
"""The end of a stream that is whole; one that ends with an error lacks it."""


async def chunks(asking: Asking, pieces: Pieces, *, with_usage: bool) -> AsyncIterator[bytes]:
    """The events of one answer: who answers, its text, all that is known of it, and `with_usage` the tokens.
    An error that comes after the start is the last event."""
    (who,) = asking.answering
    same = {
        "id": new_id(),
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": who.asked,
        "system_fingerprint": fingerprint(who),
    }

    def chunk(delta: Delta | None, finish: str | None = None, **more: object) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        choices = [] if delta is None else [ChunkChoice.model_validate(choice)]
        return event(Chunk.model_validate({**same, "choices": choices, **more}), only_set=True)

    says = SaysIt(**Who.of_row(who, seed=asking.seed).model_dump(), notice=NOTICE)
    yield chunk(Delta(role="assistant", content=""), medzoo=says)
    async for piece in pieces:
        if piece.text:
            yield chunk(Delta(content=piece.text))
    try:
        (answer,) = (await asking.wait()).answers
    except ZooError as error:
        yield event(ErrorReply.of(error))
        return
    said = SaidBy(**Provenance.of_answer(answer).model_dump(), notice=NOTICE)
    yield chunk(Delta(), answer.finish, medzoo=said)
    if with_usage:
        yield chunk(None, usage=Usage.of(answer))
    yield DONE
