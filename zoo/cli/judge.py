"""`medzoo judge`: ask a judge about stored answers, once."""

import shlex
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
    type=click.Choice(["correct", "facts", "relevance", "green"]),
    help="correct: open answers right or wrong; facts: which of the truth's facts an answer states or "
    "contradicts; relevance: how much it matters, 0 to 1; green: errors of chest X-ray reports. Repeatable.  "
    "[default: all that are for one of the answers]",
)
@click.option(
    "--shown",
    multiple=True,
    type=click.Choice(["own", "noise", "other"]),
    help="Only answers to these pictures: the question's own, noise, another patient's. Repeatable.  "
    "[default: all]",
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
    type=click.Path(path_type=Path, dir_okay=False),
    help="Verdicts (JSON lines). What is in it already is kept, and not asked again.  "
    "[default: verdicts.jsonl beside the first of PREDICTIONS]",
)
def judge(
    predictions: tuple[Path, ...],
    tasks: tuple[Any, ...],
    shown: tuple[str, ...],
    facts_file: Path | None,
    out: Path | None,
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
        tasks_for,
        unknown_terms,
    )
    from zoo.records import VERDICTS_NAME, Prediction, Verdict, read_jsonl, write_jsonl

    out = out or predictions[0].with_name(VERDICTS_NAME)
    check_out(out, file=True)
    found = dict.fromkeys(p for path in predictions for p in read_jsonl(path, Prediction))
    answers = [p for p in found if not shown or p.shown in shown]
    verdicts = read_jsonl(out, Verdict) if out.exists() else []
    facts_from = read_jsonl(facts_file, Verdict) if facts_file else []
    of: Judge = Rules()
    model = None
    for url, name in named_model(options):
        for dataset in unknown_terms(answers):
            click.echo(f"{dataset} is taken as restricted: the zoo does not know its terms", err=True)
        model = endpoint(url, name, options, out, restricted=is_restricted(answers))
        of = EndpointJudge(model, can_be_read)
    for task in tasks or tasks_for(answers):
        done = judge_answers(of, task, answers, known=verdicts, facts_from=facts_from)
        verdicts = merged(verdicts, done.verdicts)
        write_jsonl(out, verdicts)
        click.echo(
            f"{done.verdicts[0].judge}: {len(done.verdicts)} verdicts, {done.asked} of them new"
            + (f"; {done.unread} cannot be read and will count as failed" if done.unread else "")
        )
    if model is not None:
        click.echo(f"asked {model.name}: {model.usage}")
    click.echo(f"in {out}: {len(verdicts)} verdicts")
    click.echo(f"  next: {shlex.join(['medzoo', 'score', *map(str, predictions), '--verdicts', str(out)])}")
