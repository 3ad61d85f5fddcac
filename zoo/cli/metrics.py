"""`medzoo metrics`: what each metric counts, whose formula it is, and what it needs."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from zoo.evaluation.metrics import Metric


@click.command()
@click.argument("name", required=False)
def metrics(name: str | None) -> None:
    """List the metrics, or describe the metric NAME.

    Those marked * are shown unasked by `medzoo score`, for answers that they are for; the others only by
    `--metric NAME`.
    """
    from zoo.evaluation.metrics import get_metric
    from zoo.evaluation.metrics import metrics as every

    if name:
        click.echo("\n".join([name, *_lines(get_metric(name))]))
        return
    width = max(map(len, every()))
    for metric in every().values():
        mark = "*" if metric.usual else " "
        asked = f" Needs a judge asked `{metric.task}`." if metric.task else ""
        click.echo(f"{mark} {metric.name:{width}}  {metric.about}{asked}")


def _lines(metric: "Metric") -> list[str]:
    lines = [
        f"  counts   {metric.about}",
        f"  source   {metric.source}",
        f"  better   {'more' if metric.better > 0 else 'less'}",
        f"  shown    {'unasked' if metric.usual else f'by --metric {metric.name}'}",
    ]
    if metric.task:
        lines.append(f"  judge    medzoo judge --task {metric.task}")
    if metric.needs:
        lines.append(f"  needs    {metric.needs}")
    return lines
