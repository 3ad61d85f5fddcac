"""What the REST routes reply, as pydantic models with examples for the API's own pages."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from serving.core.registry import State
from serving.core.requests import Comparison
from serving.service import Listing
from zoo.errors import ZooError
from zoo.manifest import Evaluation
from zoo.notice import NOTICE

_SHA = "9f2c1d7e4b8a6f3052c9e1d4a7b6f8039e2d5c41"
_DIGEST = "4f1b" * 16


class _Reply(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AnswerReply(_Reply):
    """One adapter's answer and exactly what gave it."""

    asked: str = Field(description="The adapter as the request wrote it.", examples=["mdpo"])
    text: str = Field(examples=["There is a small nodule in the upper zone of the left lung."])
    id: str = Field(description="repo@sha", examples=[f"local/phantom-mdpo@{_SHA}"])
    repo: str = Field(examples=["local/phantom-mdpo"])
    sha: str = Field(examples=[_SHA])
    digest: str = Field(description="sha256 of the weights; empty for the base.", examples=[_DIGEST])
    variant: str = Field(examples=["mdpo"])
    base: str = Field(description="name@revision", examples=[f"phantom@{_SHA}"])
    tokens: int = Field(examples=[14])
    milliseconds: float = Field(
        description="Time of the batch; answers of one comparison share it.", examples=[212.5]
    )
    hub_unreachable: bool = Field(
        default=False,
        description="True: the Hub was out of reach; this is the last commit known for the name.",
    )


class CompareReply(_Reply):
    """The answers of one comparison, in the order asked."""

    question: str = Field(examples=["Describe the findings of this scan."])
    answers: list[AnswerReply]
    milliseconds: float = Field(description="From arrival to the last answer.", examples=[231.0])
    notice: str = NOTICE

    @classmethod
    def of(cls, comparison: Comparison) -> Self:
        """The reply for a comparison."""
        return cls(
            question=comparison.question,
            milliseconds=round(comparison.milliseconds, 1),
            answers=[
                AnswerReply(
                    asked=one.asked,
                    text=one.text,
                    id=str(one.adapter),
                    repo=one.adapter.repo,
                    sha=one.adapter.sha,
                    digest=one.adapter.digest,
                    variant=one.variant,
                    base=one.base,
                    tokens=one.tokens,
                    milliseconds=round(one.milliseconds, 1),
                    hub_unreachable=one.hub_unreachable,
                )
                for one in comparison.answers
            ],
        )


class AdapterReply(_Reply):
    """One adapter that has an alias here."""

    alias: str = Field(examples=["mdpo"])
    written: str = Field(
        description="repo@revision as the operator gave it.", examples=["local/phantom-mdpo@main"]
    )
    id: str = Field(
        description="repo@sha that the alias stands for now; empty if it failed.",
        examples=[f"local/phantom-mdpo@{_SHA}"],
    )
    digest: str = Field(examples=[_DIGEST])
    variant: str = Field(examples=["mdpo"])
    title: str = Field(examples=["mDPO"])
    base: str = Field(examples=[f"phantom@{_SHA}"])
    state: State = Field(examples=["resident"])
    reason: str = Field(description="Why it failed.", examples=[""])
    evaluation: list[Evaluation]

    @classmethod
    def of(cls, listing: Listing) -> Self:
        """The reply for a listing."""
        return cls(
            alias=listing.alias,
            written=listing.written,
            id=str(listing.adapter or ""),
            digest=listing.adapter.digest if listing.adapter else "",
            variant=listing.variant,
            title=listing.title,
            base=listing.base,
            state=listing.status.state,
            reason=listing.status.reason,
            evaluation=list(listing.evaluation),
        )


class AdaptersReply(_Reply):
    """The base and every adapter with an alias; others on the Hub can be asked by `repo@revision`."""

    base: str = Field(description="name@revision", examples=[f"phantom@{_SHA}"])
    adapters: list[AdapterReply]
    notice: str = NOTICE


class Fault(_Reply):
    """What was wrong, with which value, and what to do next."""

    type: str = Field(examples=["UnknownName"])
    message: str = Field(examples=["no adapter is named 'mdop'"])
    hint: str = Field(examples=["did you mean 'mdpo'?"])


class ErrorReply(_Reply):
    """Every error has this form."""

    error: Fault

    @classmethod
    def of(cls, error: ZooError) -> Self:
        """The reply for an error."""
        return cls(error=Fault(type=type(error).__name__, message=error.message, hint=error.hint))


class HealthReply(_Reply):
    """Whether the process lives, or would take a question on."""

    status: str = Field(examples=["ok"])
