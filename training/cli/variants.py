"""`medzoo variants`: the ways of tuning, as a list or one in full."""

import click

from training.cli.options import SET, parse_settings


@click.command()
@click.argument("name", required=False)
@SET
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def variants(name: str | None, settings: tuple[str, ...], as_json: bool) -> None:
    """List the variants, or print one in full."""
    import json

    from training.describe import in_full, summary
    from training.variants import get_variant
    from training.variants import variants as all_variants
    from zoo.errors import BadInput

    if name is None:
        if settings:
            raise BadInput("--set goes with one variant", hint="medzoo variants VARIANT --set FIELD=VALUE")
        found = [summary(variant) for variant in all_variants().values()]
        if as_json:
            click.echo(json.dumps(found, indent=2))
            return
        for row in found:
            click.echo(f"{click.style(row['name'].ljust(18), bold=True)} {row['title']}")
            click.echo(f"{'':<4}objective   {row['objective']}")
            click.echo(f"{'':<4}needs       {row['needs']}")
            click.echo(f"{'':<4}paper       {row['paper']}")
            for departure in row["departures"]:
                click.echo(f"{'':<4}departure   {departure}")
        click.echo(f"\n{len(found)} variants. One in full: medzoo variants NAME")
        return
    data = in_full(get_variant(name, parse_settings(settings)))
    click.echo(json.dumps(data, indent=2) if as_json else "\n".join(_lines(data)))


def _lines(data: dict[str, object], indent: str = "") -> list[str]:
    """Nested data as indented lines."""
    found = []
    for key, value in data.items():
        if isinstance(value, dict):
            found += [f"{indent}{key}:", *_lines(value, indent + "  ")]
        elif isinstance(value, list) and value:
            found.append(f"{indent}{key}:")
            for item in value:
                if isinstance(item, dict) and any(isinstance(v, (dict, list)) for v in item.values()):
                    found += [f"{indent}  -", *_lines(item, indent + "    ")]
                elif isinstance(item, dict):
                    found.append(f"{indent}  - " + ", ".join(f"{k} {v}" for k, v in item.items()))
                else:
                    found.append(f"{indent}  - {item}")
        else:
            found.append(f"{indent}{key}: {value if value not in ([], '') else 'none'}")
    return found
