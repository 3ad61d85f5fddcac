"""What the routes of results reply."""

from typing import Literal, get_args

from pydantic import Field

from serving.annotations.outcome import Outcome
from serving.annotations.records import State
from serving.rest.answers import Reply
from zoo.records import ErrorType

Plot = Literal["strengths", "severity", "wins"]
PLOTS: tuple[Plot, ...] = get_args(Plot)


class RaterProgress(Reply):
    """How far a rater is."""

    rater: str = Field(description="Their pseudonym.", examples=["rater-5f0c1d7e"])
    assigned: int = Field(examples=[12])
    done: int = Field(examples=[3])


class ResultsReply(Reply):
    """What the ratings of a list come to."""

    id: str = Field(examples=["5f0c1d7e"])
    title: str = Field(examples=["Chest, November"])
    state: State = Field(examples=["open"])
    cases: int = Field(examples=[12])
    progress: list[RaterProgress]
    modalities: list[str] = Field(description="That the list's cases have.", examples=[["CT", "MR"]])
    error_types: list[ErrorType] = Field(description="With which cases are tagged.", examples=[["SLC"]])
    plots: list[Plot] = Field(description="That there is something to draw for.")
    outcome: Outcome
