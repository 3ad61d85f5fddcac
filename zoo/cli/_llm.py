"""A language model's endpoint: the options that every verb with a writer or judge has. Knows no verb."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli._base import Command, with_options
from zoo.errors import BadInput

if TYPE_CHECKING:
    from zoo.llm import ChatEndpoint

LLM_OPTIONS = (
    click.option(
        "--llm",
        "llm_url",
        metavar="URL",
        help="OpenAI-compatible endpoint that writes and judges, such as http://127.0.0.1:8000/v1; its key "
        "is read from MEDZOO_LLM_KEY. Without it the rules of the lexicon stand in.",
    ),
    click.option("--llm-model", metavar="NAME", help="Model to ask at --llm."),
    click.option(
        "--llm-concurrency",
        type=click.IntRange(min=1),
        default=8,
        show_default=True,
        help="Calls to a model at once.",
    ),
    click.option(
        "--llm-cache",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder of replies already paid for. Default: OUT.calls.",
    ),
    click.option(
        "--send-restricted-data",
        is_flag=True,
        help="Let texts of a data set marked restricted reach an endpoint that is not on this machine.",
    ),
)


def llm_options(command: Command) -> Command:
    """`--llm`, `--llm-model`, and how it is asked."""
    return with_options(command, LLM_OPTIONS)


def named_model(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The address and model that `--llm` and `--llm-model` name, if they do.

    Raises:
        BadInput: one of the two is given without the other.
    """
    if bool(options["llm_url"]) != bool(options["llm_model"]):
        raise BadInput("--llm and --llm-model go together", hint="--llm URL --llm-model NAME")
    return [(options["llm_url"], options["llm_model"])] if options["llm_url"] else []


def endpoint(
    url: str, model: str, options: Mapping[str, Any], out: Path, *, restricted: bool
) -> ChatEndpoint:
    """The model at `url`, as the options say; its replies are kept beside `out` unless they say otherwise.

    Raises:
        BadInput: what is to be asked about is `restricted` and may not be sent there.
    """
    from zoo.llm import ChatEndpoint, check_may_send

    check_may_send(url, restricted, options["send_restricted_data"])
    cache = options["llm_cache"] or out.with_name(out.name + ".calls")
    return ChatEndpoint(url, model, cache=cache, concurrency=options["llm_concurrency"])
