"""`medzoo ls`: the adapters that a Hub holds."""

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from zoo.catalog import Entry


@click.command()
@click.option("--base", help="Only adapters of this base, such as phantom.  [default: all]")
@click.option("--variant", help="Only adapters of this variant, such as mdpo.  [default: all]")
@click.option("--dataset", help="Only adapters trained or scored on this data set.  [default: all]")
@click.option("--metric", default="accuracy", show_default=True, help="The score to show and sort by.")
@click.option("--hub", help="Address of the Hub.  [default: HF_ENDPOINT or https://huggingface.co]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object an adapter in a list.")
def ls(
    base: str | None, variant: str | None, dataset: str | None, metric: str, hub: str | None, as_json: bool
) -> None:
    """List the zoo's adapters on a Hub, the best first within a base and data set.

    An adapter whose manifest cannot be read is listed with the reason.
    """
    from zoo.catalog import adapters

    entries = adapters(base=base, variant=variant, dataset=dataset, metric=metric, endpoint=hub)
    if as_json:
        listed = [_data(entry, metric, dataset) for entry in entries]
        click.echo(json.dumps(listed, indent=2, ensure_ascii=False))
        return
    if not entries:
        from zoo.hub import hub_address, shown

        click.echo(f"no adapters of the zoo on {shown(hub_address(hub))} that match")
        return
    head = ("repo", "sha", "base", "variant", "data set", f"{metric} (95 % interval)", "n", "made")
    _print_table(head, [_row(entry, metric, dataset) for entry in entries if entry.manifest])
    for entry in entries:
        if entry.error is not None:
            click.secho(f"{entry.repo}  {entry.sha[:8]}  broken: {entry.error.message}", fg="red")


def _row(entry: "Entry", metric: str, dataset: str | None) -> tuple[str, ...]:
    manifest = entry.manifest
    assert manifest is not None
    score = entry.score(metric, dataset=dataset)
    return (
        entry.repo,
        entry.sha[:8],
        manifest.base.name,
        manifest.variant.name,
        score.dataset if score else manifest.data.dataset,
        f"{score.value:.3f} ({score.low:.3f}-{score.high:.3f})" if score else "not scored",
        str(score.n) if score else "-",
        manifest.created[:10],
    )


def _print_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    if not rows:
        return
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _data(entry: "Entry", metric: str, dataset: str | None) -> dict[str, Any]:
    manifest = entry.manifest
    score = entry.score(metric, dataset=dataset)
    return {
        "repo": entry.repo,
        "sha": entry.sha,
        "base": manifest.base.name if manifest else None,
        "variant": manifest.variant.name if manifest else None,
        "dataset": manifest.data.dataset if manifest else None,
        "score": score.model_dump(mode="json") if score else None,
        "weights_sha256": manifest.weights_sha256 if manifest else None,
        "created": manifest.created if manifest else None,
        "error": str(entry.error) if entry.error else None,
    }
