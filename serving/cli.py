"""`medzoo serve`: one base and many adapters behind a REST service and a page."""

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
@click.option("--hub", help="Address of the Hub.  [default: HF_ENDPOINT or https://huggingface.co]")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 takes a free one.  [default: 7860]")
@click.option("--device", help="Where the base runs, such as cpu or cuda.  [default: cpu]")
@click.option("--dtype", help="float32, bfloat16 or float16.  [default: float32]")
@click.option("--slots", type=click.IntRange(1, 256), help="Adapters loaded at once.  [default: 8]")
@click.option("--page/--no-page", default=True, show_default=True, help="Serve the page beside REST.")
def serve(adapters: tuple[str, ...], page: bool, **given: str | int | None) -> None:
    """Answer questions about images by several adapters side by side.

    The page is at the address that is printed, REST under /v1. Every option but --page can also be set
    in the environment, such as MEDZOO_PORT=8080; limits, batch sizes and times only there. Ctrl-C ends
    the server.
    """
    from serving.opening import open_service
    from serving.run import listen, run
    from serving.settings import read_settings

    flags = {name: value for name, value in given.items() if value is not None}
    named = [one.strip() for word in adapters for one in word.split(",") if one.strip()]
    settings = read_settings(**flags, **({"adapters": tuple(named)} if named else {}))
    socket = listen(settings.host, settings.port)
    service = open_service(settings, say=lambda text: click.echo(text, err=True))
    run(service, settings, socket, page=page)
