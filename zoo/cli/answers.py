"""`medzoo answers`: answers in LLaVA-Med's form into predictions that `medzoo score` reads, and back."""

from pathlib import Path
from typing import Any

import click

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("files", metavar="ANSWERS...", nargs=-1, required=True, type=_FILE)
@click.option("--questions", type=_FILE, help="The file of their questions: pictures, truths, answer types.")
@click.option("--dataset", help="Data set of the questions.")
@click.option("--split", default="test", show_default=True, help="Its split.")
@click.option("--adapter", help="Name of the model; `base` for the base.  [default: the rows' model_id]")
@click.option("--variant", help="How it was tuned; `sft` for SFT.  [default: the adapter's name]")
@click.option("--base", default="unknown", show_default=True, help="Its base, as NAME@REVISION.")
@click.option(
    "--answer-type", type=click.Choice(["closed", "open", "report"]), help="Of rows that state none."
)
@click.option("--back", is_flag=True, help="The other way: ANSWERS is a predictions.jsonl.")
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
def answers(
    files: tuple[Path, ...],
    questions: Path | None,
    dataset: str | None,
    adapter: str | None,
    variant: str | None,
    back: bool,
    out: Path,
    **source: Any,
) -> None:
    """Write the answers in the files ANSWERS, in LLaVA-Med's form, as the predictions of one adapter.

    A row has question_id, prompt, text, answer and answer_type; the last two may come from --questions. With
    --back one adapter's predictions on one benchmark become such rows.
    """
    from zoo.errors import BadInput
    from zoo.evaluation.foreign import Source, read_foreign, write_foreign
    from zoo.records import Prediction, read_jsonl, write_jsonl

    if out.exists():
        raise BadInput(f"--out {out} exists already", hint="choose another --out, or remove it")
    if back:
        read = list(dict.fromkeys(p for file in files for p in read_jsonl(file, Prediction)))
        of_all = [p for p in read if p.shown == "own" and dataset in (None, p.dataset)]
        wheres = sorted({f"{p.dataset}/{p.split}" for p in of_all})
        if len(wheres) != 1:
            raise BadInput(
                f"these are answers to {', '.join(wheres) or 'other questions, or other pictures'}; a "
                "file in this form is of one benchmark",
                hint="choose one with --dataset",
            )
        names = dict.fromkeys(p.adapter for p in of_all)
        if adapter not in names and (adapter or len(names) != 1):
            raise BadInput(f"the answers are of {', '.join(names)}", hint="choose one with --adapter")
        chosen = [p for p in of_all if p.adapter == (adapter or next(iter(names)))]
        write_foreign(out, chosen)
        click.echo(f"{len(chosen)} answers of {chosen[0].adapter} to {out}")
        if any(p.shown != "own" for p in read):
            click.echo("Answers to other pictures (image ablation) are left out.", err=True)
        return
    if not dataset:
        raise BadInput("the data set is not known", hint="name it: --dataset slake")
    found = read_foreign(
        files, questions, Source(dataset=dataset, adapter=adapter or "", variant=variant or "", **source)
    )
    if questions is None:
        click.echo("Without --questions the pictures are not known: intervals may be too narrow.", err=True)
    write_jsonl(out, found)
    click.echo(f"{len(found)} answers of {found[0].adapter} to {out}; next: medzoo score {out}")
