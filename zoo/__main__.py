"""`medzoo`: find a verb in the entry-point table, load that one, run it.

A verb is an entry point of the group `medzoo.verbs`; other distributions may add theirs.
"""

import os
import sys
import time
from importlib.metadata import entry_points, version

import click

from zoo.children import end_with_parent
from zoo.errors import BadInput, ZooError
from zoo.notice import NOTICE

OTHERS_WAIT_S = 30
"""How long one of several processes keeps an error to itself. The first of them says the same if it has met
it too, or was told of it, and then whoever started them ends this one."""


class Verbs(click.Group):
    """The verbs of the entry-point table; a verb's module is imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(entry_points(group="medzoo.verbs").names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = entry_points(group="medzoo.verbs", name=cmd_name)
        if not found:
            return None
        if cmd_name != "train" and "TORCHELASTIC_RUN_ID" in os.environ and os.environ["WORLD_SIZE"] != "1":
            raise BadInput(
                f"a launcher starts several processes, and {cmd_name} is the work of one",
                hint=f"medzoo {cmd_name} without a launcher",
            )
        command: click.Command = next(iter(found)).load()
        return command


@click.command(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=NOTICE,
)
@click.version_option(version("medvlm-zoo"), prog_name="medzoo")
def medzoo() -> None:
    """Preference-tuned medical vision-language models: train, trust, compare and serve."""


def main() -> None:
    """The console script `medzoo`."""
    _run("medzoo")


def hf_medzoo() -> None:
    """The console script `hf-medzoo`, which `hf` runs as its extension `hf medzoo`."""
    _run("hf medzoo")


def _run(called: str) -> None:
    """Run a verb; a `ZooError` becomes a line on stderr and exit status 2. Of several processes that meet the
    same one, the first says it. `called` is what was typed.
    """
    # Read when torch is loaded: threads that wait give their core away. Spinning ones cost another
    # process on the same cores a factor of ten, and this one nothing.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    end_with_parent()
    try:
        medzoo.main(prog_name=called)
    except ZooError as error:
        if os.environ.get("RANK", "0") != "0":
            time.sleep(OTHERS_WAIT_S)
        click.secho(f"{called}: {error}", fg="red", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
