"""Options that several verbs share, and what they stand for."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from zoo.cli._base import Command, names_of, with_options
from zoo.cli._llm import LLM_OPTIONS, endpoint, named_model

if TYPE_CHECKING:
    from training.stages import Sources
    from training.start import Start
    from training.variant import Variant
    from zoo.vlm.model import VisionLanguageModel

SEED = click.option("--seed", default=0, show_default=True, help="Seed of everything random.")
BASE = click.option(
    "--base", "base_name", default="phantom", show_default=True, help="Base, see `medzoo bases`."
)
SET = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="FIELD=VALUE",
    help="An ablation: set a field that the variant declares, see `medzoo variants VARIANT`. Repeatable.",
)
REFERENCE = click.option(
    "--reference",
    default="base",
    show_default=True,
    metavar="base|sft|FOLDER|OWNER/NAME[@REV]",
    help="Where training begins, and its reference: the base, an SFT adapter trained first on the same "
    "questions, or an adapter.",
)


def question_options(command: Command) -> Command:
    """Which questions, and what stands in for what the base cannot do."""
    return with_options(command, _QUESTION_OPTIONS)


_QUESTION_OPTIONS = (
    click.option("--dataset", default="phantom", show_default=True, help="Data set, see `medzoo datasets`."),
    click.option("--split", default="train", show_default=True, help="Split of the questions."),
    click.option(
        "--data-dir",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        help="Folder that holds the data set in its official layout, or as plain records.",
    ),
    click.option(
        "--limit",
        type=click.IntRange(min=0),
        help="Questions to take, balanced by type; 0 takes all. Default: 500 of phantom's, else all.",
    ),
    click.option(
        "--answers",
        "answers_file",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="JSON lines with the base's answers by question_id, for a base that is too weak or not at hand.",
    ),
    click.option(
        "--heat-maps",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        help="Folder of precomputed heat maps, IMAGE-NAME.npy.",
    ),
    *LLM_OPTIONS,
    click.option(
        "--debater",
        "debaters",
        nargs=2,
        multiple=True,
        metavar="URL MODEL",
        help="A model that scores relevance in MMedPO's debate; without one a rule does. Repeatable.",
    ),
)

QUESTION_NAMES = names_of(_QUESTION_OPTIONS)


def next_command(verb: str, *words: str | Path, **options: Any) -> str:
    """A command for the user to type next, without the options that are None."""
    given = [
        (f"--{key.replace('_', '-')}", str(value)) for key, value in options.items() if value is not None
    ]
    return shlex.join(["medzoo", verb, *map(str, words), *(word for pair in given for word in pair)])


def typed(*names: str) -> list[str]:
    """Those of the running verb's options, by parameter name, that the user gave, as words to type again."""
    context = click.get_current_context()
    words: list[str] = []
    for param in context.command.params:
        if param.name not in names or context.get_parameter_source(param.name) != ParameterSource.COMMANDLINE:
            continue
        given = context.params[param.name]
        for value in given if param.multiple else [given]:
            parts = [] if value is True else value if isinstance(value, tuple) else [value]
            words += [param.opts[0], *map(str, parts)]
    return words


def parse_settings(words: tuple[str, ...]) -> dict[str, str]:
    """FIELD=VALUE words as a mapping.

    Raises:
        BadInput: a word without =, or a field twice.
    """
    from zoo.errors import BadInput

    found: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise BadInput(f"--set {word}", hint="--set FIELD=VALUE")
        if key in found:
            raise BadInput(f"--set {key} is given twice")
        found[key] = value
    return found


def sources(out: Path, options: Mapping[str, Any], *, seed: int, says: bool = True) -> Sources:
    """The questions and models that `question_options` name; `out` is the folder that is being made. `says`:
    whether what is to be known of the questions is told."""
    from training.pairs.answers import FileAnswers
    from training.stages import Sources
    from zoo.datasets import get_dataset, load_questions

    sample = get_dataset(options["dataset"]).sample
    questions = load_questions(
        options["dataset"],
        options["split"],
        limit=sample if options["limit"] is None else options["limit"] or None,
        seed=seed,
        data_dir=options["data_dir"],
    )
    for note in questions.notes if says else ():
        click.echo(note, err=True)
    named = named_model(options)
    models = [
        endpoint(url, model, options, out, restricted=questions.restricted)
        for url, model in (*named, *options["debaters"])
    ]
    return Sources(
        questions=questions,
        seed=seed,
        answers=FileAnswers(options["answers_file"]) if options["answers_file"] else None,
        writer=models[0] if named else None,
        debaters=tuple(models[len(named) :]),
        heat_maps=options["heat_maps"],
    )


def made_before(pairs: Path, dataset: str | None, split: str | None, *, seed: int) -> Sources:
    """What a run whose pairs are all made before has in place of questions: none of that data set.

    `dataset` and `split` are those that the user gave, if any.

    Raises:
        BadRecord: the folder is no pair set.
        BadInput: its pairs are of another data set or split.
    """
    from PIL import Image

    from training.pairs.report import read_report
    from training.stages import Sources
    from zoo.datasets import QuestionSet, no_regions
    from zoo.errors import BadInput

    report = read_report(pairs)
    for option, asked, has in (("--dataset", dataset, report.dataset), ("--split", split, report.split)):
        if asked not in (None, has):
            raise BadInput(
                f"{option} {asked}: the pairs in {pairs} are of {report.dataset}/{report.split}",
                hint=f"leave {option} out, or leave --pairs out",
            )
    none = QuestionSet(
        name=report.dataset,
        split=report.split,
        license=report.license,
        publishable=report.publishable,
        restricted=not report.publishable,  # the report says no more, and what is restricted is not published
        questions=(),
        open_image=Image.open,
        regions=no_regions,
    )
    return Sources(questions=none, seed=seed)


def see_reference(reference: str) -> None:
    """See, before a base is loaded, that `--reference` can name something.

    Raises:
        BadInput: it is no word, no folder and no repo.
    """
    from zoo.errors import BadInput

    if reference not in ("base", "sft") and not Path(reference).is_dir() and "/" not in reference:
        raise BadInput(
            f"--reference {reference} is neither base, sft, a folder, nor a repo", hint="--reference sft"
        )


def find_start(vlm: VisionLanguageModel, reference: str) -> Start | None:
    """The adapter that `--reference` names; None for the base.

    Raises:
        BadInput: see `see_reference`.
    """
    from training.start import read_start
    from zoo.hub import fetch, parse_ref

    see_reference(reference)
    if reference == "base":
        return None
    if Path(reference).is_dir():
        return read_start(vlm, Path(reference))
    ref = parse_ref(reference)
    folder, sha = fetch(ref.repo, ref.revision)
    return read_start(vlm, folder, identity=f"{ref.repo}@{sha}")


def more_than_one(variant: Variant) -> bool:
    """Whether a variant has several stages or rounds, each with pairs of its own."""
    return bool(variant.earlier) or variant.rounds > 1


def after_sft(variant: Variant) -> Variant:
    """`--reference sft`: the variant with SFT as its first stage."""
    from dataclasses import replace

    from training.variants import get_variant

    first = replace(get_variant("sft"), name="sft")
    return replace(variant, earlier=(first, *variant.earlier))
