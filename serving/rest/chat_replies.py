"""Chat completions and models as replies, in OpenAI's form, with a block of our own: `medzoo`."""

import time
import uuid
from typing import Literal

from pydantic import Field

from serving.core.registry import State
from serving.core.requests import BASE, Answer, Answering
from serving.rest.answers import DIGEST, SHA, Provenance, Reply, Who
from serving.service import Listing
from zoo.bases import Base
from zoo.licences import obliging
from zoo.notice import NOTICE

SHORT = 8
"""Characters of a commit and a digest in `system_fingerprint`."""


class SaidBy(Provenance):
    """Who answered, what it took, and the notice."""

    notice: str


class SaysIt(Who):
    """Who answers, known before the first token, and the notice."""

    notice: str


class Usage(Reply):
    """Tokens."""

    prompt_tokens: int = Field(examples=[287])
    completion_tokens: int = Field(examples=[14])
    total_tokens: int = Field(examples=[301])

    @classmethod
    def of(cls, answer: Answer) -> "Usage":
        """The count of an answer."""
        return cls(
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.tokens,
            total_tokens=answer.prompt_tokens + answer.tokens,
        )


class Said(Reply):
    """The answer's message."""

    role: Literal["assistant"] = "assistant"
    content: str = Field(examples=["There is a small nodule in the upper zone of the left lung."])
    refusal: None = None


class Choice(Reply):
    """The one answer."""

    index: Literal[0] = 0
    message: Said
    logprobs: None = None
    finish_reason: Literal["stop", "length"]


class ChatReply(Reply):
    """A chat completion."""

    id: str = Field(examples=["chatcmpl-5f0c"])
    object: Literal["chat.completion"] = "chat.completion"
    created: int = Field(examples=[1764000000])
    model: str = Field(description="As the request wrote it.", examples=["mdpo"])
    choices: list[Choice] = Field(min_length=1, max_length=1)
    usage: Usage
    system_fingerprint: str = Field(examples=["9f2c1d7e-4f1b4f1b"])
    medzoo: SaidBy

    @classmethod
    def of(cls, answer: Answer) -> "ChatReply":
        """The reply for an answer."""
        said = Said(content=answer.text)
        return cls(
            id=new_id(),
            created=int(time.time()),
            model=answer.asked,
            choices=[Choice(message=said, finish_reason=answer.finish)],
            usage=Usage.of(answer),
            system_fingerprint=fingerprint(answer),
            medzoo=SaidBy(**Provenance.of_answer(answer).model_dump(), notice=NOTICE),
        )


class Delta(Reply):
    """What is new in the message."""

    role: Literal["assistant"] | None = None
    content: str | None = None


class ChunkChoice(Reply):
    """The one answer's news."""

    index: Literal[0]
    delta: Delta
    logprobs: None
    finish_reason: Literal["stop", "length"] | None


class Chunk(Reply):
    """A piece of a streamed chat completion. The first names who answers, and the one with `finish_reason`
    tells all that is known of it."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChunkChoice]
    usage: Usage | None = None
    medzoo: SaidBy | SaysIt | None = None


class ModelOurs(Reply):
    """What stands behind a model's id."""

    id: str = Field(description="repo@sha; empty if it failed.", examples=[f"local/phantom-mdpo@{SHA}"])
    digest: str = Field(description="sha256 of the weights; empty for the base.", examples=[DIGEST])
    base: str = Field(description="name@revision", examples=[f"phantom@{SHA}"])
    variant: str = Field(examples=["mdpo"])
    state: State = Field(examples=["resident"])
    reason: str = Field(description="Why it failed.", examples=[""])
    terms: list[str] = Field(
        description="Addresses of the terms that hold for whoever asks it; empty if none have to be told.",
        examples=[[]],
    )


class ModelReply(Reply):
    """A model that can be asked: the base, or an adapter."""

    id: str = Field(examples=["mdpo"])
    object: Literal["model"] = "model"
    created: int = Field(description="0: no time is kept.", examples=[0])
    owned_by: str = Field(description="The repo's namespace.", examples=["local"])
    medzoo: ModelOurs

    @classmethod
    def of(cls, listing: Listing) -> "ModelReply":
        """The reply for an adapter."""
        ours = ModelOurs(
            id=str(listing.adapter or ""),
            digest=listing.adapter.digest if listing.adapter else "",
            base=listing.base,
            variant=listing.variant,
            state=listing.status.state,
            reason=listing.status.reason,
            terms=_terms(listing.files.manifest.license) if listing.files else [],
        )
        return cls(id=listing.alias, created=0, owned_by=listing.written.partition("/")[0], medzoo=ours)

    @classmethod
    def of_base(cls, base: Base) -> "ModelReply":
        """The reply for the base."""
        ours = ModelOurs(
            id=f"{base.repo}@{base.revision}",
            digest="",
            base=base.pinned,
            variant=BASE,
            state="resident",
            reason="",
            terms=_terms(base.license),
        )
        return cls(id=BASE, created=0, owned_by=base.repo.partition("/")[0], medzoo=ours)


class ModelsReply(Reply):
    """The base, and every adapter with an alias."""

    object: Literal["list"] = "list"
    data: list[ModelReply]


def _terms(licence: str) -> list[str]:
    return [one.link for one in obliging(licence)]


def new_id() -> str:
    """A chat completion's own."""
    return f"chatcmpl-{uuid.uuid4().hex}"


def fingerprint(who: Answering) -> str:
    """What gives answers like this one: base and weights, shortened. The whole of both is in `medzoo`."""
    revision = who.base.rpartition("@")[2]
    return f"{revision[:SHORT]}-{who.adapter.digest[:SHORT] or BASE}"
