"""Checks as lines for people, or as JSON. Knows no verb."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from zoo.checks import Check


def tell(kind: str, name: str, checks: "Sequence[Check]", *, as_json: bool = False) -> None:
    """Print what was found of `name`, a thing of that kind, and end with 1 if anything is wrong."""
    faults = sum(len(one.faults) for one in checks)
    if as_json:
        told = {kind: name, "faults": faults, "checks": [asdict(one) for one in checks]}
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        _lines(name, checks)
        count = f"{faults} fault{'s' if faults != 1 else ''}" if faults else "no fault"
        click.secho(count, fg="red" if faults else "green")
    if faults:
        sys.exit(1)


def _lines(name: str, checks: "Sequence[Check]") -> None:
    click.echo(name)
    width = max(len(one.name) for one in checks)
    for one in checks:
        if not one.faults and one.told:
            _line("ok", "green", one.name.ljust(width), one.told)
        for fault in one.faults:
            _line("FAULT", "red", one.name.ljust(width), f"{fault.what}: {fault.value}")
            click.echo(f"  {'':8}  {'':{width}}  next: {fault.next}")
        if one.withheld:
            _line("withheld", "yellow", one.name.ljust(width), one.withheld)
        if one.unknown:
            _line("unknown", "yellow", one.name.ljust(width), one.unknown)


def _line(mark: str, colour: str, name: str, said: str) -> None:
    click.echo(f"  {click.style(mark.ljust(8), fg=colour)}  {name}  {said}")
