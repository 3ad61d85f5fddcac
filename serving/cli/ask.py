"""`medzoo ask`: one question about an image, to several adapters, here or on a running server."""

import sys
from typing import TYPE_CHECKING, Any

import click

from zoo.asking import HOTTEST
from zoo.cli._base import BASE_NAMES, base_options

if TYPE_CHECKING:
    from serving.api import Zoo

HERE_ONLY: tuple[str, ...] = ("base", "hub", *BASE_NAMES)
"""Options of a base that is loaded here."""
WISHES = ("max_tokens", "temperature", "top_p", "seed", "stop")


@click.command()
@click.argument("image")
@click.argument("question")
@click.option(
    "--adapter",
    "--adapters",
    "adapters",
    multiple=True,
    metavar="NAME",
    help="Who answers: base, a variant's name, REPO[@REVISION] of the Hub, or a folder that `medzoo train` "
    "made, written with ./ or / (not with --server); again for more, or with commas.  [default: base]",
)
@click.option("--image", "more", multiple=True, metavar="FILE", help="One more image; again for more.")
@click.option("--frame", type=click.IntRange(min=0), help="Frame of a DICOM file.  [default: the middle one]")
@click.option("--server", metavar="URL", help="Ask a running `medzoo serve` in place of loading a base here.")
@click.option(
    "--key", envvar="MEDZOO_KEY", help="API key for --server; others on this machine cannot see MEDZOO_KEY."
)
@click.option("--base", default="phantom", show_default=True, help="Base, see `medzoo bases`.")
@click.option("--hub", help="Address of the Hub.  [default: HF_ENDPOINT or https://huggingface.co]")
@base_options
@click.option(
    "--max-tokens",
    type=click.IntRange(min=1),
    help="Most tokens of an answer.  [default: as many as are allowed, 256]",
)
@click.option("--temperature", type=click.FloatRange(0, HOTTEST), help="0, the default, is greedy.")
@click.option(
    "--top-p", type=click.FloatRange(0, 1, min_open=True), help="Share of the likeliest tokens.  [default: 1]"
)
@click.option(
    "--seed", type=click.IntRange(min=0), help="Seed of the sample.  [default: a fresh one, which is told]"
)
@click.option("--stop", multiple=True, help="Text before which an answer ends; again for more.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object with all that is known, at the end.")
def ask(
    image: str,
    question: str,
    adapters: tuple[str, ...],
    more: tuple[str, ...],
    frame: int | None,
    server: str | None,
    key: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Ask QUESTION about IMAGE, a PNG, JPEG or DICOM file or - for stdin.

    One adapter's answer is all that stdout gets; several stand there side by side, each with the commit and
    the weights that gave it.

    Without --server these settings of `medzoo serve` hold in the environment too: MEDZOO_HUB, MEDZOO_COMPILE,
    MEDZOO_MAX_RANK, MEDZOO_MAX_NEW_TOKENS, MEDZOO_MAX_QUESTION_CHARS, MEDZOO_TIMEOUT_S and MEDZOO_MAX_IMAGE_
    with BYTES, PIXELS or FRAMES.

    \b
    medzoo ask scan.png "What is shown?" --adapters base,./out/mdpo
    medzoo ask scan.png "What is shown?" --adapters base,mdpo --server http://127.0.0.1:7860
    """
    from serving.api import Zoo
    from serving.api.folders import is_folder
    from serving.api.pictures import file_bytes
    from serving.cli.showing import show_one, show_several
    from serving.core.requests import BASE
    from zoo.errors import BadInput, NoKey

    names = [name.strip() for word in adapters or (BASE,) for name in word.split(",") if name.strip()]
    wishes = {name: options[name] for name in WISHES if options[name] not in (None, ())}
    given = [sys.stdin.buffer.read() if one == "-" else one for one in (image, *more)]
    images = file_bytes(given, frame=frame)  # before a base is loaded in vain
    source = click.get_current_context().get_parameter_source
    if server:
        misplaced = [name for name in HERE_ONLY if source(name) is click.core.ParameterSource.COMMANDLINE]
        if misplaced:
            option = "--" + misplaced[0].replace("_", "-")
            raise BadInput(f"{option} is for a base that is loaded here, and --server has its own")
        if folder := next((name for name in names if is_folder(name)), None):
            raise BadInput(
                f"{folder} is a folder of this machine, and a server answers by what a Hub holds",
                hint="leave --server out to ask it here, or publish it with `medzoo publish`",
            )
        zoo = Zoo.connect(server, key=key)
    else:
        if source("key") is click.core.ParameterSource.COMMANDLINE:
            raise BadInput("--key is for a --server")
        zoo = _open(names, options)
    with zoo:
        try:
            stream = zoo.stream(images, question, names, **wishes)
        except NoKey as error:
            raise NoKey(error.message, hint="give --key KEY or set MEDZOO_KEY") from None
        if as_json:
            from serving.rest.answers import CompareReply

            click.echo(CompareReply.of(stream.result()).model_dump_json(indent=2))
        elif len(names) == 1:
            show_one(stream)
        else:
            show_several(stream)


def _open(names: list[str], options: dict[str, Any]) -> "Zoo":
    """A zoo in this process, as large as this one comparison needs it."""
    from serving.api import Zoo
    from serving.cli.bars import hide_bars
    from serving.core.requests import BASE

    hide_bars(options["base"])
    adapters = [name for name in names if name != BASE]
    return Zoo(
        options["base"],
        adapters,
        hub=options["hub"],
        say=lambda text: click.echo(text, err=True),
        slots=max(1, len(adapters)),
        max_adapters=max(1, len(names)),
        max_rows=max(1, len(names)),
        **({"max_new_tokens": options["max_tokens"]} if options["max_tokens"] else {}),
        **{name: options[name] for name in BASE_NAMES},
    )
