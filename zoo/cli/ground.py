"""`medzoo ground`: whether a base and its adapters look where the finding is."""

from pathlib import Path
from typing import Any

import click

from zoo.cli._base import base_options, base_settings


@click.command()
@click.argument("adapters", nargs=-1, metavar="[FOLDER|REPO[@REVISION]]...")
@click.option("--base", "base_name", default="phantom", show_default=True, help="Base, see `medzoo bases`.")
@click.option(
    "--benchmark",
    default="phantom/test",
    show_default=True,
    metavar="NAME[/SPLIT][=FOLDER]",
    help="Data set whose split (test) is asked, and its folder; its findings must be marked.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="Questions to look at, balanced by type; those about unmarked pictures are left out.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the sample of questions.")
@click.option(
    "--suffix/--no-suffix",
    default=True,
    show_default=True,
    help="End both prompts with the request for a word or phrase, as VGMED does and FiRe-MPO does not.",
)
@click.option(
    "--hub", help="Hub of adapters given as REPO.  [default: HF_ENDPOINT or https://huggingface.co]"
)
@base_options
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="File of a JSON line a question and adapter; a picture of the layers goes beside it.",
)
def ground(
    adapters: tuple[str, ...],
    base_name: str,
    benchmark: str,
    limit: int,
    seed: int,
    suffix: bool,
    hub: str | None,
    out: Path,
    **options: Any,
) -> None:
    """Measure how the attention of the base and of adapters lies on pictures' marked findings, by layer.

    The last prompt token's attention to the question is divided by that to a general description of the same
    image (VGMED). A model may look at a finding and misread it: this is no accuracy.
    """
    from zoo.bases import get_base

    how, base = base_settings(options), get_base(base_name)

    from zoo.catalog import verified  # the rest imports torch, which takes seconds
    from zoo.cli._asked import adapter_folders, questions_of
    from zoo.cli._out import check_out
    from zoo.errors import BadInput
    from zoo.evaluation.ground import ground as look
    from zoo.evaluation.ground import write_rows
    from zoo.evaluation.plan import adapter_names
    from zoo.evaluation.report.grounded import MEASURES, grounding_tables, summed_up
    from zoo.evaluation.report.pictures import need_matplotlib
    from zoo.evaluation.report.terminal import as_text
    from zoo.notice import NOTICE
    from zoo.vlm.model import load_base

    need_matplotlib()
    picture = out.with_suffix(".png")
    if out == picture or out.is_dir():
        raise BadInput(
            f"--out {out} is to be a file of JSON lines", hint=f"--out {out.with_suffix('.jsonl')}"
        )
    check_out(out, file=True)
    questions = questions_of(benchmark, limit=limit, seed=seed)
    folders, _ = adapter_folders(adapters, hub=hub)
    names = adapter_names([verified(folder) for folder in folders])
    found = look(load_base(base, **how), folders, questions, names=names, suffix=suffix)
    write_rows(out, found.rows)

    from zoo.evaluation.report.layers import layer_lines
    from zoo.figures import save

    looked = {measure: summed_up(found.rows, measure) for measure in MEASURES}
    save(layer_lines(looked, title=f"{questions.name}/{questions.split}"), picture)
    notes = [*(f"{note}." for note in questions.notes), *found.notes]
    click.echo(f"\n{as_text(grounding_tables(found.rows, notes))}\n\n{NOTICE}\n\n{out}\n{picture}")
