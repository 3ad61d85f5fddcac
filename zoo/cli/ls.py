"""`medzoo ls`: the adapters that a Hub holds."""

import json
from typing import TYPE_CHECKING, Any

import click

from zoo.records import RULES

if TYPE_CHECKING:
    from zoo.catalog import Entry

SPARE = ("made", "license", "judge", "sha", "n", "data set")
"""Columns that a narrow terminal goes without, the first first."""


@click.command()
@click.option("--base", help="Only adapters of this base, such as phantom.  [default: all]")
@click.option("--variant", help="Only adapters of this variant, such as mdpo.  [default: all]")
@click.option("--dataset", help="Only adapters trained or scored on this data set.  [default: all]")
@click.option("--license", help="Only adapters under this licence, such as apache-2.0.  [default: all]")
@click.option("--metric", default="accuracy", show_default=True, help="The score to show and sort by.")
@click.option("--min", "least", type=float, help="Only adapters whose score is at least this.")
@click.option(
    "--sort",
    type=click.Choice(["base", "metric", "date", "repo"]),
    default="base",
    show_default=True,
    help="By base and data set, there the best first; the best first; the newest first; by name. Scores of "
    "several judges or splits are ranked apart.",
)
@click.option("--hub", help="Address of the Hub.  [default: HF_ENDPOINT or https://huggingface.co]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object an adapter in a list.")
def ls(metric: str, sort: Any, hub: str | None, as_json: bool, **only: Any) -> None:
    """List the zoo's adapters on a Hub, with what each adds to SFT.

    An adapter whose manifest cannot be read is listed last, with the reason.
    """
    from zoo.catalog import adapters
    from zoo.evaluation.metrics import get_metric

    entries = adapters(
        **only, metric=metric, better=get_metric(metric).better, order=sort, versions=True, endpoint=hub
    )
    dataset = only["dataset"]
    if as_json:
        listed = [_data(entry, metric, dataset) for entry in entries]
        click.echo(json.dumps(listed, indent=2, ensure_ascii=False))
        return
    if not entries:
        from zoo.hub import hub_address, shown

        click.echo(f"no adapters of the zoo on {shown(hub_address(hub))} that match")
        return
    _print_table([entry for entry in entries if entry.manifest], metric, dataset)
    for entry in entries:
        if entry.error is not None:
            click.secho(f"{entry.repo}  {entry.sha[:8]}  broken: {entry.error.message}", fg="red")


def _print_table(entries: list["Entry"], metric: str, dataset: str | None) -> None:
    from zoo.cli._text import aligned, legend

    if not entries:
        return
    rows = [_row(entry, metric, dataset) for entry in entries]
    score = f"{metric} (95 % interval)"
    head = {"repo": "repo", "version": "", "sha": "sha", "base": "base", "variant": "variant"}
    head |= {"data set": "data set", "score": score, "over SFT": "over SFT", "n": "n", "judge": "judge"}
    head |= {"license": "license", "made": "made", "open": ""}
    shown = [key for key in head if any(row[key] for row in rows)]
    first, *lines = aligned(
        [[head[key] for key in shown], *([row[key] for key in shown] for row in rows)], spare=SPARE
    )
    click.secho(first, bold=True)
    click.echo("\n".join([*lines, *legend([[row["over SFT"]] for row in rows])]))
    scores = [e for entry in entries if (e := entry.score(metric, dataset=dataset))]
    kinds = sorted({e.split + ("" if e.judge == RULES else f" by {e.judge}") for e in scores})
    if len(kinds) > 1:
        click.secho(f"{metric} is not comparable between: {'; '.join(kinds)}", fg="yellow")


def _row(entry: "Entry", metric: str, dataset: str | None) -> dict[str, str]:
    from zoo.cli._text import between

    manifest = entry.manifest
    assert manifest is not None
    e = entry.score(metric, dataset=dataset)
    gate = f"gated ({entry.gated})" if entry.gated else ""
    return {
        "repo": entry.repo,
        "version": entry.version,
        "sha": entry.sha[:8],
        "base": manifest.base.name,
        "variant": manifest.variant.name,
        "data set": e.dataset if e else manifest.data.dataset,
        "score": f"{e.value:.3f} ({e.low:.3f}-{e.high:.3f})" if e else "not scored",
        "over SFT": between(e.value, e.sft_value, e.over_sft) if e else "-",
        "n": str(e.n) if e else "-",
        "judge": e.judge if e and e.judge != RULES else "",
        "license": manifest.license,
        "made": manifest.created[:10],
        "open": ", ".join(word for word in ("private" if entry.private else "", gate) if word),
    }


def _data(entry: "Entry", metric: str, dataset: str | None) -> dict[str, Any]:
    manifest = entry.manifest
    score = entry.score(metric, dataset=dataset)
    return {
        "repo": entry.repo,
        "sha": entry.sha,
        "version": entry.version or None,
        "private": entry.private,
        "gated": entry.gated or None,
        "base": manifest.base.name if manifest else None,
        "variant": manifest.variant.name if manifest else None,
        "dataset": manifest.data.dataset if manifest else None,
        "license": manifest.license if manifest else None,
        "score": score.model_dump(mode="json") if score else None,
        "weights_sha256": manifest.weights_sha256 if manifest else None,
        "created": manifest.created if manifest else None,
        "error": str(entry.error) if entry.error else None,
    }
