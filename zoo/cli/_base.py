"""How a base is loaded: the options that every verb with a model has. Knows no base and no verb."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from zoo.errors import BadInput

Command = TypeVar("Command", bound=Callable[..., Any])
Option = Callable[[Any], Any]
"""What `click.option` gives."""

_OPTIONS = (
    click.option(
        "--device",
        default="auto",
        show_default=True,
        help="Where the base runs, such as cpu, cuda or cuda:1; auto is the GPU where there is one.",
    ),
    click.option(
        "--dtype",
        type=click.Choice(["auto", "float32", "bfloat16", "float16"]),
        default="auto",
        show_default=True,
        help="Precision of the base; auto is bfloat16 on a GPU that has it, else float32. A LoRA in training "
        "is in float32 with any; float16 answers and does not train.",
    ),
    click.option(
        "--load-in-4bit",
        is_flag=True,
        help="Keep the language model's weights in 4 bits (QLoRA): about a quarter of bfloat16's memory, and "
        "slower, for they are unpacked at every step. Another base than the whole one: say so with results.",
    ),
    click.option(
        "--load-in-8bit", is_flag=True, help="The same in 8 bits: half of bfloat16's memory, less is lost."
    ),
)


def with_options(command: Command, options: Sequence[Option]) -> Command:
    """A command with some options more, in their order."""
    for option in reversed(options):
        command = option(command)
    return command


def names_of(options: Sequence[Option]) -> tuple[str, ...]:
    """The names of the parameters that options are for."""
    verb = click.command()(with_options(lambda **_: None, options))
    return tuple(param.name or "" for param in verb.params)


BASE_NAMES = names_of(_OPTIONS)


def base_options(command: Command) -> Command:
    """`--device`, `--dtype`, `--load-in-4bit` and `--load-in-8bit`."""
    return with_options(command, _OPTIONS)


def base_settings(options: dict[str, Any], *, trains: bool = False) -> dict[str, Any]:
    """What `zoo.vlm.model.load_base` takes beside the base, out of `options`, which lose it.

    Raises:
        BadInput: both 4 and 8 bits, or training in float16, whose small gradients become zero.
    """
    four, eight = options.pop("load_in_4bit"), options.pop("load_in_8bit")
    device, dtype = options.pop("device"), options.pop("dtype")
    if four and eight:
        raise BadInput("--load-in-4bit and --load-in-8bit exclude each other", hint="give one of them")
    if trains and dtype == "float16":
        raise BadInput("--dtype float16 does not train: small gradients are zero in it", hint="--dtype auto")
    return {"device": device, "dtype": dtype, "quantize": "4bit" if four else "8bit" if eight else None}
