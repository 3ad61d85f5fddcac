"""Answers as replies: each with all that is known of who gave it, and the headers that say the same."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from serving.core.requests import Answer, Answering, Comparison
from zoo.asking import Finish
from zoo.notice import NOTICE

SHA = "9f2c1d7e4b8a6f3052c9e1d4a7b6f8039e2d5c41"
DIGEST = "4f1b" * 16
NO_DIGEST = "none"
"""Stands in a header for the digest of the base, which has no adapter's weights."""


class Reply(BaseModel):
    """A reply, or a part of one."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Who(Reply):
    """Who answers in one row, known before the first token."""

    asked: str = Field(description="The adapter as the request wrote it.", examples=["mdpo"])
    id: str = Field(description="repo@sha", examples=[f"local/phantom-mdpo@{SHA}"])
    repo: str = Field(examples=["local/phantom-mdpo"])
    sha: str = Field(examples=[SHA])
    digest: str = Field(description="sha256 of the weights; empty for the base.", examples=[DIGEST])
    variant: str = Field(examples=["mdpo"])
    base: str = Field(description="name@revision", examples=[f"phantom@{SHA}"])
    seed: int = Field(description="Of the sample; a greedy answer does not read it.", examples=[0])
    hub_unreachable: bool = Field(
        default=False,
        description="True: the Hub, or the database that servers share, was out of reach; this is the last "
        "commit known for the name.",
    )

    @classmethod
    def of_row(cls, who: Answering, *, seed: int) -> "Who":
        """The reply for a row of a comparison under way."""
        return Who(
            asked=who.asked,
            id=str(who.adapter),
            repo=who.adapter.repo,
            sha=who.adapter.sha,
            digest=who.adapter.digest,
            variant=who.variant,
            base=who.base,
            seed=seed,
            hub_unreachable=who.hub_unreachable,
        )


class Provenance(Who):
    """Who has answered, and what it took."""

    load: int = Field(description="Number of the load that answered, fresh for each; 0: base.", examples=[7])
    finish: Finish = Field(description="`length`: it was cut at its most tokens.", examples=["stop"])
    left_off: int = Field(
        default=0,
        description="Characters of an unfinished sentence behind the text, which a stream has sent.",
        examples=[0],
    )
    tokens: int = Field(description="Of the answer, its end included.", examples=[14])
    prompt_tokens: int = Field(description="Those of the images included.", examples=[287])
    first_token_ms: float = Field(description="From arrival at the engine.", examples=[96.0])
    milliseconds: float = Field(
        description="From arrival at the engine to the answer's last token.", examples=[212.5]
    )

    @classmethod
    def of_answer(cls, one: Answer) -> "Provenance":
        """The reply for an answer, without its text."""
        return Provenance(
            **Who.of_row(one, seed=one.seed).model_dump(),
            load=one.load,
            finish=one.finish,
            left_off=one.left_off,
            tokens=one.tokens,
            prompt_tokens=one.prompt_tokens,
            first_token_ms=round(one.first_token_ms, 1),
            milliseconds=round(one.milliseconds, 1),
        )


class AnswerReply(Provenance):
    """One adapter's answer and exactly what gave it."""

    text: str = Field(examples=["There is a small nodule in the upper zone of the left lung."])


class CompareReply(Reply):
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
                AnswerReply(text=one.text, **Provenance.of_answer(one).model_dump())
                for one in comparison.answers
            ],
        )


def provenance_headers(rows: tuple[Answering, ...]) -> dict[str, str]:
    """Who answers, in the headers; of several rows separated by commas, in order."""
    return {
        "x-medzoo-adapter": ", ".join(str(who.adapter) for who in rows),
        "x-medzoo-digest": ", ".join(who.adapter.digest or NO_DIGEST for who in rows),
        "x-medzoo-base": rows[0].base,
        "x-medzoo-notice": NOTICE,
    }
