"""A comparison as it is streamed: who answers in each row, then their words as they come, then all of it."""

from collections.abc import AsyncIterator
from typing import Literal

from pydantic import Field

from serving.rest.answers import CompareReply, Reply, Who
from serving.rest.faults import ErrorReply
from serving.rest.streams import Pieces, event
from serving.service import Asking
from zoo.errors import ZooError
from zoo.notice import NOTICE


class Rows(Reply):
    """Event `rows`, the first: who answers in each row."""

    rows: list[Who]
    notice: str = NOTICE


class RowPiece(Reply):
    """Event `piece`: what a row has just said. Put together, a row's pieces are its answer, and the sentence
    that it did not finish if it was cut at its most tokens (`left_off` in the event `comparison`)."""

    row: int = Field(description="From 0, in the order asked.", examples=[0])
    text: str = Field(examples=["There is"])


class RowEnd(Reply):
    """Event `end`: a row has said all."""

    row: int = Field(examples=[0])
    finish: Literal["stop", "length"] = Field(examples=["stop"])
    tokens: int = Field(examples=[14])


async def compared(asking: Asking, pieces: Pieces) -> AsyncIterator[bytes]:
    """The events of a comparison: `rows`; `piece` and `end` of each row as they come; last `comparison`,
    which is what a request without a stream gets, or `error`."""
    yield event(Rows(rows=[Who.of_row(one, seed=asking.seed) for one in asking.answering]), "rows")
    async for piece in pieces:
        if piece.text:
            yield event(RowPiece(row=piece.row, text=piece.text), "piece")
        if piece.finish:
            yield event(RowEnd(row=piece.row, finish=piece.finish, tokens=piece.tokens), "end")
    try:
        yield event(CompareReply.of(await asking.wait()), "comparison")
    except ZooError as error:
        yield event(ErrorReply.of(error), "error")
