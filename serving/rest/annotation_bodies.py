"""What the routes of work lists and ratings take and reply, without a word of how it is kept.

A reply to a rater names no adapter until the rater is done with the case.
"""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field

from serving.annotations.records import AccountRole, CaseAnswer, Judged
from serving.annotations.records import Field as Sets
from serving.annotations.seat import LONGEST_COMMENT, SeenAnswer, SeenCase
from serving.rest.answers import DIGEST, SHA, Reply
from serving.rest.bodies import RequestBody
from zoo.images import Scan
from zoo.records import ErrorType

_UUID = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"


class ClickBody(RequestBody):
    """One thing that a rater sets. What is left out, or null, takes a severity or a rank back."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "uid": "0f8b8f0e-6c1d-4a57-9d0e-2f4f0a1f3b5c",
                    "letter": "B",
                    "sets": "severity",
                    "value": "minor",
                }
            ]
        }
    )

    uid: str = Field(pattern=_UUID, description="Drawn by the client: one that is sent again counts once.")
    letter: str | None = Field(default=None, max_length=2, description="Of the answer; none: the whole case.")
    sets: Sets
    value: bool | int | Annotated[str, Field(max_length=LONGEST_COMMENT)] | list[ErrorType] | None = Field(
        default=None,
        description="A severity or `cannot judge`; error types; a rank from 1, the best, ties allowed; a "
        "comment; true for `opened` and `done`.",
    )


class Kept(Reply):
    """A click is on disk."""

    kept: bool = Field(description="False: it was there already.", examples=[True])


class Me(Reply):
    """Who asks."""

    name: str = Field(examples=["ana"])
    role: AccountRole = Field(examples=["rater"])
    account: bool = Field(description="False: a key, which cannot rate.", examples=[True])
    password: bool = Field(description="True: signed in by one, which they may change.", examples=[True])


class WindowReply(Reply):
    """Which values are shown from black to white, in the values' own units."""

    centre: float = Field(examples=[40.0])
    width: float = Field(examples=[400.0])


class RangeReply(Reply):
    """Least and greatest value."""

    low: float = Field(examples=[-1024.0])
    high: float = Field(examples=[1650.0])


class ImageReply(Reply):
    """A picture of a case, or a series of frames."""

    frames: int = Field(examples=[1])
    modality: str = Field(examples=["CT"])
    window: WindowReply | None = Field(description="In which it is shown at first.")
    range: RangeReply | None = Field(description="None: there is nothing to window.")
    burned_in: Literal["yes", "no", "unknown"] = Field(
        description="Whether the pixels show who the patient is.", examples=["no"]
    )
    width: int = Field(examples=[512])
    height: int = Field(examples=[512])

    @classmethod
    def of(cls, scan: Scan) -> Self:
        """The reply for an opened picture."""
        window, between = scan.window, scan.value_range
        return cls(
            frames=scan.frames,
            modality=scan.modality,
            window=WindowReply(centre=window.centre, width=window.width) if window else None,
            range=RangeReply(low=between[0], high=between[1]) if between else None,
            burned_in=scan.burned_in,
            width=scan.width,
            height=scan.height,
        )


class Named(Reply):
    """Who said an answer."""

    adapter: str = Field(examples=["mdpo"])
    variant: str = Field(examples=["mdpo"])
    repo: str = Field(examples=["local/phantom-mdpo"])
    sha: str = Field(examples=[SHA])
    digest: str = Field(description="sha256 of the weights; empty for the base.", examples=[DIGEST])

    @classmethod
    def of(cls, one: CaseAnswer) -> Self:
        """The reply for who said an answer."""
        return cls(adapter=one.adapter, variant=one.variant, repo=one.repo, sha=one.sha, digest=one.digest)


class SeenAnswerReply(Reply):
    """One text, and what the rater says of it."""

    letter: str = Field(examples=["A"])
    text: str = Field(examples=["There is a small nodule in the upper zone of the left lung."])
    severity: Judged | None = Field(examples=["minor"])
    errors: list[ErrorType] = Field(examples=[["SLC"]])
    rank: int | None = Field(examples=[1])
    comment: str = Field(examples=[""])
    names: list[Named] | None = Field(
        description="None until the case is done, and each other of the rater's in the list that shows and "
        "asks the same; several who said the same words share a letter."
    )

    @classmethod
    def of(cls, one: SeenAnswer) -> Self:
        """The reply for an answer."""
        return cls(
            letter=one.letter,
            text=one.text,
            severity=one.state.severity,
            errors=list(one.state.errors),
            rank=one.state.rank,
            comment=one.state.comment,
            names=None if one.names is None else [Named.of(who) for who in one.names],
        )


class SeenCaseReply(Reply):
    """A case as its rater sees it now."""

    case: int = Field(examples=[7])
    list: str = Field(examples=["5f0c1d7e"])
    title: str = Field(examples=["Chest, November"])
    number: int = Field(description="Among the rater's own, from 1.", examples=[3])
    of: int = Field(examples=[12])
    prompt: str = Field(examples=["On which side is the nodule?"])
    reference: str = Field(description="The true answer, where it is known.", examples=["Left"])
    modality: str = Field(examples=["CT"])
    instructions: str = Field(examples=["Rate as you would a colleague's draft."])
    images: tuple[ImageReply, ...]
    answers: tuple[SeenAnswerReply, ...]
    comment: str = Field(examples=[""])
    done: bool = Field(examples=[False])
    corrections: int = Field(description="Clicks after the names were seen.", examples=[0])
    previous: int | None = Field(examples=[6])
    next: int | None = Field(examples=[8])

    @classmethod
    def of_case(cls, seen: SeenCase, scans: tuple[Scan, ...]) -> Self:
        """The reply for a case and its opened pictures."""
        case = seen.own.case
        return cls(
            case=case.id,
            list=case.work_list,
            title=seen.work_list.title,
            number=seen.own.number,
            of=seen.of,
            prompt=case.prompt,
            reference=case.reference,
            modality=case.modality,
            instructions=seen.work_list.instructions,
            images=tuple(ImageReply.of(scan) for scan in scans),
            answers=tuple(SeenAnswerReply.of(one) for one in seen.answers),
            comment=seen.state.comment,
            done=seen.own.done,
            corrections=seen.state.corrections,
            previous=seen.previous,
            next=seen.next,
        )
