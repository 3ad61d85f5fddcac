"""`medzoo demo`: the main job, end to end, on this machine."""

from pathlib import Path

import click


@click.command()
@click.option("--once", is_flag=True, help="End after one comparison over REST.")
@click.option(
    "--image",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Ask about your own picture (PNG, JPEG, DICOM). Default: a drawn scan.",
)
@click.option("--question", help="What to ask. Default: a description.")
@click.option("--rate", is_flag=True, help="With accounts and a work list of drawn scans to rate blind.")
@click.option("--port", default=7860, show_default=True, help="Port of the page; 0 takes a free one.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".demo"),
    show_default=True,
    help="Where the demo keeps its work; a stopped demo goes on from there.",
)
@click.option(
    "--from",
    "begun",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A folder of a demo that ran elsewhere: take over what it made.",
)
@click.option("--public", is_flag=True, help="Let other machines ask too, without keys: drawn scans alone.")
def demo(
    once: bool,
    image: Path | None,
    question: str | None,
    rate: bool,
    port: int,
    folder: Path,
    begun: Path | None,
    public: bool,
) -> None:
    """Train, evaluate, publish, serve and compare three variants of the phantom base on this machine."""
    from zoo.demo import Demo

    Demo(folder, begun=begun).run(
        port=port, once=once, image=image, question=question, rate=rate, public=public
    )
