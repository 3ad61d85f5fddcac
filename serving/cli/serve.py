"""`medzoo serve`: one base and many adapters behind a REST service and a page."""

import sys

import click


@click.command()
@click.option("--base", help="Name of the base, one of `medzoo bases`.  [default: phantom]")
@click.option(
    "--adapter",
    "--adapters",
    "adapters",
    multiple=True,
    metavar="REPO[@REVISION]",
    help="An adapter to serve under its variant's name; give it again for more, or separate by commas.  "
    "[default: all adapters of the Hub for this base]",
)
@click.option(
    "--pin", multiple=True, metavar="ALIAS", help="An adapter whose slot is given up last; as --adapter."
)
@click.option(
    "--allow",
    multiple=True,
    metavar="PATTERN",
    help="Further repos that a request may name, such as me/*; as --adapter.  [default: none]",
)
@click.option("--hub", help="Address of the Hub.  [default: HF_ENDPOINT or https://huggingface.co]")
@click.option(
    "--host", help="Address to listen on; all but 127.0.0.1 need keys or accounts.  [default: 127.0.0.1]"
)
@click.option(
    "--annotations",
    metavar="FILE|URL",
    help="Keep accounts and ratings there, and let browsers sign in: a file, or postgresql://...  "
    "[default: nowhere]",
)
@click.option(
    "--shared",
    metavar="FILE|URL",
    help="Keep keys, names and limits there, together with other servers: a file, or postgresql://...  "
    "[default: nowhere]",
)
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 takes a free one.  [default: 7860]")
@click.option("--engine", help="What makes the answers, embedded or vllm.  [default: embedded]")
@click.option("--engine-url", help="Address of the vLLM, which `medzoo vllm-args` says how to start.")
@click.option("--device", help="Where the base runs, such as cpu, cuda or cuda:1.  [default: auto]")
@click.option("--dtype", help="auto, float32, bfloat16 or float16.  [default: auto]")
@click.option("--load-in-4bit", is_flag=True, default=None, help="Keep the language model in 4 bits.")
@click.option("--load-in-8bit", is_flag=True, default=None, help="Keep the language model in 8 bits.")
@click.option("--compile", is_flag=True, default=None, help="Compile the steps of an answer.")
@click.option("--slots", type=click.IntRange(1, 256), help="Adapters loaded at once.  [default: 8]")
@click.option(
    "--cluster",
    is_flag=False,
    flag_value="local",
    metavar="[ADDRESS]",
    help="Let several replicas answer: on this machine, or on the Ray cluster at an address.",
)
@click.option("--replicas", type=click.IntRange(1), help="Replicas with --cluster.  [default: 2]")
@click.option("--page/--no-page", default=True, show_default=True, help="Serve the page beside REST.")
@click.option(
    "--check", is_flag=True, help="Print every setting, where the base is, and what is wrong; start nothing."
)
def serve(page: bool, check: bool, **given: str | int | tuple[str, ...] | None) -> None:
    """Answer questions about images by several adapters side by side.

    The page is at the address that is printed, REST under /v1. Every option but --page can also be set
    in the environment, such as MEDZOO_PORT=8080; keys, limits, batch sizes and times only there: --check
    lists them. Ctrl-C or SIGTERM lets what is under way come to its end; a second one does not.
    """
    from serving.check import check_settings, table
    from serving.cli.bars import hide_bars
    from zoo.errors import BadInput

    found = check_settings({name: _words(value) for name, value in given.items() if value not in (None, ())})
    for remark in found.remarks:
        click.echo(f"remark: {remark}", err=True)
    if check:
        click.echo(table(found.rows))
        if found.base:
            click.echo(f"base {found.settings.base}: {found.base}")
        for problem in found.problems:
            click.echo(f"wrong: {problem}", err=True)
        if not found.problems:
            keys = found.settings.keyed
            people = found.settings.annotations is not None
            served = ["holders of a key"] * keys + ["those who sign in"] * people
            served += ["whoever reaches it, about drawn scans"] * found.settings.public_demo
            click.echo(f"all is well; {' and '.join(served) or 'no keys: this machine alone'}")
        sys.exit(1 if found.problems else 0)
    if found.problems:
        raise BadInput("; ".join(found.problems), hint="`medzoo serve --check` shows every setting")

    from serving.opening import open_service, open_shared
    from serving.run import listen, run

    settings = found.settings
    hide_bars(settings.base)
    socket = listen(settings.host, settings.port)
    shared = open_shared(settings)
    service = open_service(settings, say=lambda text: click.echo(text, err=True), shared=shared)
    sys.exit(0 if run(service, settings, socket, page=page, shared=shared) else 1)


def _words(value: str | int | tuple[str, ...] | None) -> object:
    """What was given several times, or between commas, as one list."""
    if not isinstance(value, tuple):
        return value
    return tuple(word.strip() for words in value for word in words.split(",") if word.strip())
