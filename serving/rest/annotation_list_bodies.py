"""What the routes of work lists reply. Only an administrator is told of adapters, of other raters and of
problems."""

from pydantic import Field

from serving.annotations.beside import NO_SFT
from serving.annotations.records import AccountRole, State
from serving.rest.answers import Reply


class RaterReply(Reply):
    """Someone who may be given cases."""

    name: str = Field(examples=["ana"])
    role: AccountRole = Field(examples=["rater"])
    closed: bool = Field(description="True: they cannot sign in any more.", examples=[False])


class MineReply(Reply):
    """How far whoever asks is."""

    assigned: int = Field(examples=[12])
    done: int = Field(examples=[3])


class ProgressReply(MineReply):
    """How far a rater is."""

    rater: str = Field(examples=["ana"])


class ProblemReply(Reply):
    """Why a case has no answers: the kind of the error, never a word of the case."""

    case: int = Field(examples=[7])
    number: int = Field(examples=[3])
    problem: str = Field(examples=["EngineFailed"])


class ListReply(Reply):
    """A work list."""

    id: str = Field(examples=["5f0c1d7e"])
    title: str = Field(examples=["Chest, November"])
    instructions: str = Field(examples=[""])
    state: State = Field(examples=["open"])
    adapters: list[str] = Field(description="Empty for raters.", examples=[["base", "sft", "mdpo"]])
    overlap: int = Field(description="How many rate each case.", examples=[2])
    keep: bool = Field(description="True: what it showed stays when it is closed.", examples=[False])
    made_at: str = Field(examples=["2026-11-22T09:00:00.000000+00:00"])
    closed_at: str | None = Field(examples=[None])
    cases: int = Field(examples=[12])
    mine: MineReply | None = Field(description="None: no case is theirs.")
    raters: list[ProgressReply] = Field(description="Empty for raters.")
    answered: int = Field(description="Cases that have their answers.", examples=[12])
    problems: list[ProblemReply] = Field(description="Empty for raters.")
    repeats: int = Field(
        description="Cases that show and ask what an earlier one does; 0 for raters.", examples=[0]
    )
    remarks: list[str] = Field(
        description="What is not beside its adapters; empty for raters, and until a case has its answers.",
        examples=[[NO_SFT]],
    )


class CaseReply(Reply):
    """A case of a list, to a rater their own."""

    case: int = Field(examples=[7])
    number: int = Field(description="Among the rater's own; in the list for an administrator.", examples=[3])
    done: bool = Field(description="For an administrator: by all its raters.", examples=[False])
    opened: bool = Field(description="For an administrator: by any.", examples=[True])
    raters_done: int | None = Field(default=None, description="For an administrator.", examples=[1])


class ActReply(Reply):
    """A line of the log of acts."""

    made_at: str = Field(examples=["2026-11-22T09:00:00.000000+00:00"])
    who: str = Field(examples=["ana"])
    act: str = Field(examples=["closed list"])
    what: str = Field(examples=["5f0c1d7e"])
