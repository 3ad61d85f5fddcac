"""`medzoo plan`: memory and time of training and of serving, before either is begun.

A plan is an entry point of the group `medzoo.plans`: a command that gives a `Report`.
"""

import json
from importlib.metadata import entry_points
from typing import Any

import click

from zoo.cli._plan import Report, place_options


class Plans(click.Group):
    """The plans of the entry-point table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(entry_points(group="medzoo.plans").names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = entry_points(group="medzoo.plans", name=cmd_name)
        command: click.Command | None = next(iter(found)).load() if found else None
        return command


@click.group(cls=Plans, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print bytes and seconds as JSON.")
@click.option("--variant", help="Variant to train, see `medzoo variants`.  [default: dpo]")
@place_options
def plan(as_json: bool, **options: Any) -> dict[str, Report]:
    """Say what training and serving a base take, whether that fits, and what would.

    Nothing is loaded, so the base need not be here. Memory is that of tensors at their most. Options before
    `train` or `serve` are for both; each has more of its own.
    """
    ctx = click.get_current_context()
    if ctx.invoked_subcommand is not None:
        ctx.default_map = {ctx.invoked_subcommand: _given(ctx)}
        return {}
    found = {}
    for name in plan.list_commands(ctx):
        command = plan.get_command(ctx, name)
        assert command is not None
        known = {param.name for param in command.params}
        found[name] = ctx.invoke(
            command, **{key: value for key, value in _given(ctx).items() if key in known}
        )
    return found


@plan.result_callback()
def tell(found: dict[str, Report] | Report, as_json: bool, **_: Any) -> None:
    """Print what was planned."""
    ctx = click.get_current_context()
    reports = {ctx.invoked_subcommand or "": found} if isinstance(found, Report) else found
    if as_json:
        click.echo(json.dumps({name: report.as_data() for name, report in reports.items()}, indent=2))
        return
    click.echo("\n\n".join("\n".join(report.lines()) for report in reports.values()))


def _given(ctx: click.Context) -> dict[str, Any]:
    """Options that were typed before the plan's name."""
    typed = click.core.ParameterSource.COMMANDLINE
    return {name: value for name, value in ctx.params.items() if ctx.get_parameter_source(name) == typed}
