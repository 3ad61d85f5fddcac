"""`medzoo judge`: ask a judge about stored answers, once."""

from pathlib import Path
from typing import Any

import click

from zoo.cli._llm import endpoint, llm_options, named_model

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("predictions", nargs=-1, required=True, type=_FILE)
@click.option(
    "--task",
    "tasks",
    multiple=True,
    required=True,
    type=click.Choice(["correct", "facts", "relevance", "green"]),
    help="correct: open answers right or wrong; facts: which of the truth's facts an answer states or "
    "contradicts; relevance: how much it matters, 0 to 1; green: errors of chest X-ray reports. Repeatable.",
)
@click.option(
    "--facts",
    "facts_file",
    type=_FILE,
    help="Verdicts whose facts are labelled, in place of splitting the truths anew: so two judges can be "
    "compared fact by fact.",
)
@llm_options
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Verdicts (JSON lines). What is in it already is kept, and not asked again.",
)
def judge(
    predictions: tuple[Path, ...],
    tasks: tuple[Any, ...],
    facts_file: Path | None,
    out: Path,
    **options: Any,
) -> None:
    """Ask a judge about the answers in the files PREDICTIONS, and keep what it says, word for word.

    Replies of a model are on disk as they come: after a kill the same command asks only for the missing ones.
    `medzoo score --verdicts` makes scores of them, `medzoo agreement` compares two judges.
    """
    from zoo.cli._out import check_out
    from zoo.evaluation.judging.endpoint import EndpointJudge
    from zoo.evaluation.judging.judge import Judge
    from zoo.evaluation.judging.rules import Rules
    from zoo.evaluation.judging.verdicts import (
        can_be_read,
        is_restricted,
        judge_answers,
        merged,
        unknown_terms,
    )
    from zoo.records import Prediction, Verdict, read_jsonl, write_jsonl

    check_out(out, file=True)
    answers = [p for path in predictions for p in read_jsonl(path, Prediction)]
    verdicts = read_jsonl(out, Verdict) if out.exists() else []
    facts_from = read_jsonl(facts_file, Verdict) if facts_file else []
    of: Judge = Rules()
    model = None
    for url, name in named_model(options):
        for dataset in unknown_terms(answers):
            click.echo(f"{dataset} is taken as restricted: the zoo does not know its terms", err=True)
        model = endpoint(url, name, options, out, restricted=is_restricted(answers))
        of = EndpointJudge(model, can_be_read)
    for task in tasks:
        found = judge_answers(of, task, answers, known=verdicts, facts_from=facts_from)
        verdicts = merged(verdicts, found.verdicts)
        write_jsonl(out, verdicts)
        click.echo(
            f"{found.verdicts[0].judge}: {len(found.verdicts)} verdicts, {found.asked} of them new"
            + (f"; {found.unread} cannot be read and will count as failed" if found.unread else "")
        )
    if model is not None:
        click.echo(f"asked {model.name}: {model.usage}")
    click.echo(f"in {out}: {len(verdicts)} verdicts")
