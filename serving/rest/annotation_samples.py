"""What the API's own document shows as replies on ratings. A null would not: FastAPI leaves it out."""

from collections.abc import Sequence
from typing import Any

from serving.annotations.records import Judged
from serving.rest.annotation_bodies import (
    ImageReply,
    Kept,
    Me,
    Named,
    RangeReply,
    SeenAnswerReply,
    SeenCaseReply,
    WindowReply,
)
from serving.rest.answers import DIGEST, SHA, Reply


def shown(reply: Reply | Sequence[Reply]) -> dict[str, Any]:
    """An example of a reply in JSON."""
    value = [one.model_dump() for one in reply] if isinstance(reply, Sequence) else reply.model_dump()
    return {"application/json": {"example": value}}


_IMAGE = ImageReply(
    frames=1,
    modality="CT",
    window=WindowReply(centre=40, width=400),
    range=RangeReply(low=-1024, high=1650),
    burned_in="no",
    width=512,
    height=512,
)


def _answer(letter: str, text: str, severity: Judged, rank: int, adapter: str) -> SeenAnswerReply:
    who = Named(adapter=adapter, variant=adapter, repo=f"local/phantom-{adapter}", sha=SHA, digest=DIGEST)
    return SeenAnswerReply(
        letter=letter, text=text, severity=severity, errors=[], rank=rank, comment="", names=[who]
    )


ME = shown(Me(name="ana", role="rater", account=True, password=True))
KEPT, KEPT_BEFORE = shown(Kept(kept=True)), shown(Kept(kept=False))
CASE = shown(
    SeenCaseReply(
        case=7,
        list="5f0c1d7e",
        title="Chest, November",
        number=3,
        of=12,
        prompt="On which side is the nodule?",
        reference="Left",
        modality="CT",
        instructions="",
        images=(_IMAGE,),
        answers=(
            _answer("A", "Left", "none", 1, "mdpo"),
            _answer("B", "Right", "severe", 2, "sft"),
        ),
        comment="",
        done=True,
        corrections=0,
        previous=6,
        next=8,
    )
)
