"""`medzoo agreement`: how far judges, or experts, agree."""

from pathlib import Path

import click

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option("--key", type=_FILE, help="Key of the sheets (OUT.key.json of `medzoo rate`).")
@click.option(
    "--layout",
    type=click.Choice(["kim"]),
    help="Print what experts saw as the table of a paper alone: kim, table 4 of Kim et al. 2026.",
)
@click.option("--modality", help="Of experts' ratings take those of this modality's cases alone, such as CT.")
def agreement(files: tuple[Path, ...], key: Path | None, layout: str | None, modality: str | None) -> None:
    """Compare the judges in FILES of verdicts, or the experts in FILES of ratings (JSON lines, or sheets that
    `medzoo rate` made, each named after its rater).

    Of each two: the share of equal labels and Cohen's kappa (linearly weighted too where labels are steps of
    a scale); of all together Krippendorff's alpha. Of experts also each adapter's share of answers by
    severity and error type, and where they ranked answers, how often each adapter was preferred to each
    other, and to the base and SFT by strength (Bradley-Terry).

    Intervals are 95 %, over questions; of experts' ratings that know their pictures, over pictures. Ratings
    of several lists are pooled if they are of one base, with the same weights by each name: a case that is in
    two of them is one, a rater is one person, and whoever rated one twice counts with what they said first.
    """
    import shutil

    from zoo.errors import BadInput
    from zoo.evaluation.agreement_table import agreement_text, own_text, shares_text
    from zoo.evaluation.preference_table import preference_text
    from zoo.evaluation.preferences import Preferences, references
    from zoo.evaluation.rated import (
        from_ratings,
        from_verdicts,
        in_order,
        rankings,
        said_again,
        shares,
        unjudged,
    )
    from zoo.evaluation.rated_cases import drawn, pool
    from zoo.evaluation.report.experts import expert_tables
    from zoo.evaluation.report.terminal import as_text
    from zoo.evaluation.sheets import read_sheet
    from zoo.records import Rating, Verdict, read_jsonl

    verdicts: list[Verdict] = []
    by_file: dict[str, list[Rating]] = {}
    for path in files:
        if path.suffix.lower() == ".csv":
            if key is None:
                raise BadInput(f"{path} is a sheet, whose key is needed", hint="--key OUT.key.json")
            by_file[str(path)] = read_sheet(path, key)
            continue
        with path.open("rb") as lines:
            first = next((line for line in lines if line.strip()), b"{}")
        if b'"rater"' in first:
            by_file[str(path)] = read_jsonl(path, Rating)
        else:
            verdicts += read_jsonl(path, Verdict)
    ratings = pool(by_file)
    if modality is not None:
        here = {r.modality for r in ratings}
        ratings = [r for r in ratings if r.modality == modality]
        if not ratings:
            named = ", ".join(sorted(filter(None, here))) or "none"
            raise BadInput(f"no rating is of the modality {modality!r}", hint=f"modalities here: {named}")
    if layout is not None:
        if not ratings:
            raise BadInput(f"--layout {layout} is of experts' ratings, and in these files are none")
        width = max(80, shutil.get_terminal_size((110, 24)).columns)
        click.echo(as_text(expert_tables(ratings), width=width))
        return
    rated = [*from_verdicts(verdicts), *(from_ratings(ratings) if ratings else [])]
    if not ratings and not any(len(one.raters) > 1 for one in rated):
        raise BadInput("there is one judge alone in these files", hint="judge again with another --llm-model")
    click.echo("\n\n".join(map(agreement_text, rated)))
    if ratings:
        if again := said_again(ratings):
            click.echo("\n" + own_text(again))
        click.echo("\n" + shares_text(shares(ratings), unjudged(ratings)))
    preferences = Preferences(rankings(ratings))
    if preferences.adapters:
        ranked = [name for name in in_order(ratings) if name in preferences.adapters]
        variants = {r.adapter: r.variant for r in ratings}
        against = {name: preferences.strengths(name) for name in references(ranked, variants)}
        click.echo("\n" + preference_text(preferences.pairs(), against, drawn=drawn(preferences.units)))
