"""`medzoo score`: recompute every number from stored answers, without a model."""

from pathlib import Path

import click


@click.command()
@click.argument("predictions", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--sft", help="Name of the SFT adapter in the file.  [default: the one of the variant sft]")
@click.option("--json", "as_json", is_flag=True, help="Print every score as JSON.")
def score(predictions: Path, sft: str | None, as_json: bool) -> None:
    """Score the answers in the file PREDICTIONS (predictions.jsonl)."""
    import json
    from dataclasses import asdict

    from zoo.evaluation.score import score_predictions
    from zoo.evaluation.table import score_table
    from zoo.records import Prediction, read_jsonl

    scores = score_predictions(read_jsonl(predictions, Prediction), sft=sft)
    click.echo(json.dumps([asdict(s) for s in scores], indent=2) if as_json else score_table(scores))
