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


class PooledList(Reply):
    """A list whose ratings are in the results."""

    id: str = Field(examples=["5f0c1d7e"])
    title: str = Field(examples=["Chest, November"])
    cases: int = Field(examples=[12])


class ResultsReply(Reply):
    """What the ratings of a list, or of several together, come to."""

    id: str = Field(examples=["5f0c1d7e"])
    title: str = Field(examples=["Chest, November"])
    state: State = Field(examples=["open"])
    cases: int = Field(description="Of all lists.", examples=[12])
    pooled: list[PooledList] = Field(description="The list and those that were asked for beside it.")
    in_several: int = Field(
        description="How many rated cases are in several of the lists. Each counts once.", examples=[0]
    )
    progress: list[RaterProgress] = Field(description="In all lists together.")
    modalities: list[str] = Field(description="That the cases have.", examples=[["CT", "MR"]])
    error_types: list[ErrorType] = Field(description="With which cases are tagged.", examples=[["SLC"]])
    plots: list[Plot] = Field(description="That there is something to draw for.")
    outcome: Outcome
