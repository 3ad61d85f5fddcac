"""How answers are drawn, as requests of both forms say it."""

import secrets
from typing import Annotated

from pydantic import Field

from zoo.asking import HOTTEST, Sampling

Temperature = Annotated[
    float, Field(ge=0, le=HOTTEST, description="0, the default, takes the likeliest token.")
]
TopP = Annotated[
    float, Field(gt=0, le=1, description="Draw from the likeliest tokens that hold this share together.")
]
MaxTokens = Annotated[
    int,
    Field(
        ge=1,
        description="Most new tokens. The default is the server's limit; more than that counts as the limit, "
        "and an answer that was cut there has the finish `length`.",
    ),
]
Seed = Annotated[
    int, Field(ge=0, lt=2**63, description="Of the sample; the server draws one where none is given.")
]
Stop = Annotated[str, Field(min_length=1, max_length=200)]


def sampling(
    *,
    most: int,
    temperature: float | None,
    top_p: float | None,
    max_tokens: int | None,
    seed: int | None,
    stop: list[str],
) -> Sampling:
    """How answers are drawn, by what a request says: greedy unless it says otherwise, at most `most` tokens.
    A sample without a seed gets one here, so that it can be had again."""
    drawn = secrets.randbelow(2**31) if temperature and seed is None else 0
    return Sampling(
        max_tokens=most if max_tokens is None else max_tokens,
        temperature=temperature or 0.0,
        top_p=1.0 if top_p is None else top_p,
        seed=drawn if seed is None else seed,
        stop=tuple(stop),
    )
