"""A verb whose help shows its options in sections. Knows no option by name."""

from collections.abc import Mapping, Sequence
from typing import Any

import click


class Sectioned(click.Command):
    """A command with many options; those that no section names come last."""

    def __init__(self, *args: Any, sections: Mapping[str, Sequence[str]], **rest: Any) -> None:
        """`sections` holds the options' parameter names by heading."""
        super().__init__(*args, **rest)
        self._sections = sections

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        records = {option.name: option.get_help_record(ctx) for option in options}
        named = {heading: [records.pop(name) for name in names] for heading, names in self._sections.items()}
        for heading, rows in {**named, "Other": list(records.values())}.items():
            if shown := [row for row in rows if row is not None]:
                with formatter.section(heading):
                    formatter.write_dl(shown)
