"""What an operator may set, by flags of `medzoo serve` or environment variables that begin with MEDZOO_.

Circumstance only: where, how much, how long. What a base or an adapter is stands in their own files.
"""

from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from zoo.errors import BadInput


class Settings(BaseSettings):
    """One server's circumstances."""

    model_config = SettingsConfigDict(env_prefix="MEDZOO_", extra="forbid", frozen=True)

    base: str = "phantom"
    """Name of the base, one of `medzoo bases`."""
    adapters: tuple[str, ...] = ()
    """`repo` or `repo@revision` of each adapter with an alias; none means all of the Hub's for the base.
    As an environment variable a JSON list."""
    hub: str | None = None
    """Address of the Hub; none means HF_ENDPOINT or huggingface.co."""
    host: str = "127.0.0.1"
    port: int = Field(default=7860, ge=0, le=65535)
    """0 takes a free one."""
    device: str = "cpu"
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    slots: int = Field(default=8, ge=1, le=256)
    """Adapters that are loaded at once."""
    max_rank: int = Field(default=64, ge=1)
    max_adapters: int = Field(default=8, ge=1)
    """Adapters in one comparison, the base counted."""
    max_new_tokens: int = Field(default=64, ge=1)
    max_rows: int = Field(default=16, ge=1)
    """Answers in one batch."""
    max_waiting_rows: int = Field(default=64, ge=1)
    """Answers that may wait; beyond it the server says that it is busy."""
    max_image_bytes: int = Field(default=20 * 1024 * 1024, ge=1)
    max_image_pixels: int = Field(default=25_000_000, ge=1)
    max_question_chars: int = Field(default=2000, ge=1)
    feature_bytes: int = Field(default=256 * 1024 * 1024, ge=0)
    """Vision features kept in memory."""
    feature_ttl_s: float = Field(default=600.0, gt=0)
    timeout_s: float = Field(default=120.0, gt=0)
    """Longest wait for an answer."""


def read_settings(**flags: object) -> Settings:
    """The settings from flags, then the environment, then the defaults.

    Raises:
        BadInput: a value that is not allowed, by name.
    """
    try:
        return Settings(**flags)  # type: ignore[arg-type]
    except (ValidationError, SettingsError) as error:
        if isinstance(error, SettingsError):
            raise BadInput(f"the environment holds an unreadable setting: {error}") from error
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        raise BadInput(
            f"{name} is {first['input']!r}: {first['msg']}", hint=f"set --{name} or MEDZOO_{name.upper()}"
        ) from error
