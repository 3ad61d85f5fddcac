"""What an operator may set, by flags of `medzoo serve` or environment variables that begin with MEDZOO_.

Circumstance only: where, how much, how long. What a base or an adapter is stands in their own files. What is
wrong with a combination of settings is `serving.check`'s to say.
"""

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from zoo.errors import BadInput
from zoo.images import Limits

PREFIX = "MEDZOO_"


def _split(written: object) -> object:
    """A list as one text: JSON, or words between commas."""
    if not isinstance(written, str):
        return written
    if written.lstrip().startswith("["):
        return json.loads(written)
    return [word.strip() for word in written.split(",") if word.strip()]


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Ports = Annotated[tuple[Annotated[int, Field(ge=1, le=65535)], ...], NoDecode, BeforeValidator(_split)]


class Settings(BaseSettings):
    """One server's circumstances. A list is written with commas, or as JSON."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, env_ignore_empty=True, allow_inf_nan=False
    )

    base: str = Field(default="phantom", description="Name of the base, one of `medzoo bases`.")
    adapters: Words = Field(
        default=(), description="repo or repo@revision of each adapter; none: all of the Hub's."
    )
    pin: Words = Field(default=(), description="Aliases that give up their slot last.")
    allow: Words = Field(
        default=(), description="Patterns of further repos that a request may name, such as me/*."
    )
    hub: str | None = Field(default=None, description="Address of the Hub; none: HF_ENDPOINT.")
    device: str = Field(default="auto", description="Where the base runs: auto, cpu, cuda, cuda:1.")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="Precision of the base."
    )
    load_in_4bit: bool = Field(default=False, description="Keep the language model's weights in 4 bits.")
    load_in_8bit: bool = Field(default=False, description="Keep the language model's weights in 8 bits.")
    compile: bool = Field(
        default=False, description="Compile the steps of an answer: slow at the first batch of each size."
    )
    cluster: str | None = Field(
        default=None,
        description="Let replicas of the engine answer: local starts them here, auto or HOST:PORT is a Ray "
        "cluster that runs; none: the engine is in this process.",
    )
    replicas: int = Field(default=2, ge=1, description="Replicas that a local cluster has at least.")
    max_replicas: int | None = Field(
        default=None, ge=1, description="Replicas that it has at most, by how much there is to do."
    )

    engine: Literal["embedded", "vllm"] = Field(
        default="embedded", description="What makes the answers: a model in this process, or a vLLM."
    )
    engine_url: str | None = Field(default=None, description="Address of the vLLM: http://127.0.0.1:8000.")
    engine_key: SecretStr | None = Field(default=None, description="Its --api-key.")
    engine_folder: Path | None = Field(
        default=None,
        description="Directory that the vLLM sees under the same path, for adapters; none: a temporary one.",
    )

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=7860, ge=0, le=65535, description="Port; 0 takes a free one.")
    keys_file: Path | None = Field(
        default=None,
        description="File of `medzoo keys`; none: this machine's own clients, or people with accounts, "
        "alone are served.",
    )
    annotations: str | None = Field(
        default=None,
        description="Where accounts and ratings are kept: a file, or postgresql://...; none: nowhere.",
    )
    shared: str | None = Field(
        default=None,
        description="Where several servers keep keys, names and limits together: a file, or postgresql://...",
    )
    shared_cache: Path | None = Field(
        default=None,
        description="Folder on a volume where several servers keep adapters together; none: the Hub's cache.",
    )
    public_demo: bool = Field(
        default=False,
        description="Without keys, let other machines ask the phantom base and its adapters, and no more.",
    )
    proxy_addresses: Words = Field(
        default=(), description="Proxies in front of this server that are believed: 10.1.2.3, 10.1.2.0/24."
    )
    proxy_user_header: str | None = Field(
        default=None, description="Header in which they name the account that asks, such as X-Remote-User."
    )
    max_list_bytes: int = Field(
        default=512 * 1024**2, ge=1, description="Largest list of cases that is uploaded."
    )
    hosts: Words = Field(
        default=(), description="Names by which clients call this server, beside this machine's own."
    )
    requests_per_minute: int = Field(default=600, ge=1, description="Requests a minute of one key.")
    burst: int = Field(default=100, ge=1, description="Requests of one key that may come at once.")
    max_concurrent: int = Field(default=64, ge=1, description="Requests of one key under way at once.")
    max_connections: int = Field(
        default=512, ge=1, description="Connections open at once, of one address a quarter."
    )
    head_timeout_s: float = Field(default=10.0, gt=0, description="Time for a request's head to arrive.")
    body_timeout_s: float = Field(default=60.0, gt=0, description="Time for a request's body to arrive.")

    slots: int = Field(default=8, ge=1, le=256, description="Adapters that are loaded at once.")
    max_rank: int = Field(default=64, ge=1, description="Largest rank of an adapter.")
    max_adapters: int = Field(default=8, ge=1, description="Adapters in a comparison, the base counted.")
    max_new_tokens: int = Field(
        default=256, ge=1, description="Most tokens of an answer; one that names no number may have as many."
    )
    max_question_chars: int = Field(default=2000, ge=1, description="Most characters of a conversation.")
    max_rows: int = Field(default=16, ge=1, description="Answers that are made at once.")
    max_waiting_rows: int = Field(default=64, ge=1, description="Answers that may wait; more are told: busy.")
    batch_window_ms: float = Field(
        default=3.0, ge=0, le=1000, description="How long a question waits for others to share a batch."
    )
    timeout_s: float = Field(default=120.0, gt=0, le=3600, description="Longest wait for an answer.")
    drain_s: float = Field(
        default=25.0, ge=0, le=3600, description="Time to finish what is under way at the end."
    )
    max_adapter_bytes: int = Field(
        default=2 * 1024**3, ge=1, description="Largest adapter, of all its files, that is fetched."
    )
    host_bytes: int = Field(default=1024**3, ge=0, description="Adapters' files kept in memory.")
    feature_bytes: int = Field(default=256 * 1024**2, ge=0, description="Vision features kept in memory.")
    feature_ttl_s: float = Field(default=600.0, gt=0, description="How long they are kept.")

    max_image_bytes: int = Field(default=20 * 1024**2, ge=1, description="Largest file of an image.")
    max_image_pixels: int = Field(default=25_000_000, ge=1, description="Most pixels of an image.")
    max_image_frames: int = Field(default=2000, ge=1, description="Most frames of a DICOM file.")
    remote_images: bool = Field(default=False, description="Fetch images by http(s) address, public ones.")
    remote_ports: Ports = Field(default=(80, 443), description="Ports that they are fetched from.")

    log: Literal["text", "json"] = Field(default="text", description="Form of the log's lines.")
    traces: str | None = Field(
        default=None,
        description="Collector of traces, by OTLP over HTTP: http://collector:4318; none: no traces.",
    )

    @property
    def keyed(self) -> bool:
        """True where programs need a key."""
        return bool(self.keys_file or (self.shared and not self.public_demo))

    @property
    def limits(self) -> Limits:
        """How large an image may be."""
        return Limits(
            max_bytes=self.max_image_bytes,
            max_pixels=self.max_image_pixels,
            max_frames=self.max_image_frames,
        )


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def read_settings(**flags: object) -> Settings:
    """The settings from flags, then the environment, then the defaults.

    Raises:
        BadInput: values that are not allowed, all of them, by name.
    """
    settings, wrong = try_settings(**flags)
    if wrong:
        raise BadInput("; ".join(wrong), hint="`medzoo serve --check` shows every setting and its variable")
    return settings


def try_settings(**flags: object) -> tuple[Settings, list[str]]:
    """The same, with the default in place of each value that is not allowed, and what is wrong with them."""
    try:
        return Settings(**flags), []  # type: ignore[arg-type]
    except ValidationError as error:
        found = error.errors(include_url=False)
    bad = {str(one["loc"][0]): Settings.model_fields[str(one["loc"][0])].default for one in found}
    wrong = [f"{one['loc'][0]} is {one['input']!r}: {one['msg']}" for one in found]
    return Settings(**{**flags, **bad}), wrong
