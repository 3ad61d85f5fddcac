"""The form that every error has: OpenAI's, and beside it what to do next."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from zoo import errors

CODES: tuple[tuple[type[errors.ZooError], str | None], ...] = (
    (errors.UnknownName, "model_not_found"),
    (errors.NotOnHub, "model_not_found"),
    (errors.NoKey, "invalid_api_key"),
    (errors.DatabaseAway, None),  # a kind of Busy that no client has caused
    (errors.Busy, "rate_limit_exceeded"),
)
"""OpenAI's own words, for the clients that look for them."""


class Fault(BaseModel):
    """What was wrong, with which value, and what to do next."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: str = Field(description="The kind of error, by which a program can tell it.")
    message: str
    param: str | None = Field(default=None, description="The request's field that is wrong.")
    code: str | None = Field(default=None, description="OpenAI's word for it, where it has one.")
    hint: str = ""


class ErrorReply(BaseModel):
    """Every error has this form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    error: Fault

    @classmethod
    def of(cls, error: errors.ZooError) -> Self:
        """The reply for an error."""
        fault = Fault(
            type=type(error).__name__,
            message=error.message,
            param=error.param if isinstance(error, errors.BadInput) else None,
            code=next((code for kind, code in CODES if isinstance(error, kind)), None),
            hint=error.hint,
        )
        return cls(error=fault)
