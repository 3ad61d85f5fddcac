"""`medzoo train`: the adapter of a variant, or of several, from questions or from pairs made before."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from training.cli.ending import table, what_next
from training.cli.execution import CACHE_NAMES, EXECUTION_NAMES, execution_options
from training.cli.options import (
    BASE,
    REFERENCE,
    SEED,
    SET,
    parse_settings,
    question_options,
    see_reference,
)
from training.cli.refusals import see_pairs, see_whose_folder, variant_of
from training.cli.sections import Sectioned
from zoo.cli._base import BASE_NAMES, base_options, base_settings

if TYPE_CHECKING:
    from training.stages import Job
    from training.start import Start
    from training.variant import Variant
    from zoo.datasets import QuestionSet
    from zoo.vlm.model import VisionLanguageModel

    Say = Callable[[str], None]

_SECTIONS = {
    "What to train": ("every", "settings", "reference", "out"),
    "On which questions": ("dataset", "split", "data_dir", "limit", "seed", "pairs_dir"),
    "What makes the pairs, beside the base": (
        "answers_file",
        "heat_maps",
        "llm_url",
        "llm_model",
        "debaters",
        "llm_concurrency",
        "llm_cache",
        "send_restricted_data",
    ),
    "Numbers, where they are not to be the variant's": ("learning_rate", "epochs", "batch_size", "rank"),
    "The base and this machine": (
        "base_name",
        *BASE_NAMES,
        *EXECUTION_NAMES,
        *CACHE_NAMES,
    ),
}


@click.command(cls=Sectioned, sections=_SECTIONS)
@click.argument("names", metavar="[VARIANT]...", nargs=-1)
@click.option(
    "--all", "every", is_flag=True, help="Every variant; those that base and questions do not fit are named."
)
@BASE
@base_options
@click.option(
    "--pairs",
    "pairs_dir",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Pairs made before. Without it they are made from the data set, in OUT/pairs.",
)
@question_options
@SET
@REFERENCE
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Adapter folder: zoo.json, the LoRA's weights, log.jsonl with a line a step, training.png, and the "
    "pairs and stages that were made for it. Of several variants, the folder of their folders. A killed run "
    "goes on there.",
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(min=0, min_open=True),
    help="Default: the variant's times the base's scale.",
)
@click.option("--epochs", type=click.IntRange(min=1), help="Default: the variant's.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Pairs a step. Default: the variant's.")
@click.option(
    "--rank",
    type=click.IntRange(min=1),
    help="Rank of the LoRA, alpha in proportion. Default: the variant's, or the base's cap.",
)
@execution_options
@SEED
def train(names: tuple[str, ...], out: Path, **options: Any) -> None:
    """Train the LoRA adapter of VARIANT, all its stages and rounds; a killed run goes on from its last
    checkpoint.

    Several VARIANTs, or --all, are trained one after the other in one go, each into OUT/VARIANT: pairs with
    the same steps are made once, an image is seen once and the reference asked once for all of them. With
    --reference sft the SFT adapter is trained once. One that fails ends no other; the same command goes on
    with what is not finished.

    On several GPUs: accelerate launch --multi_gpu --num_processes N -m training VARIANT ...
    A base too large for one, several machines: docs/scale.md.
    """
    from zoo.bases import get_base
    from zoo.cli._out import check_out
    from zoo.datasets import get_dataset
    from zoo.errors import BadInput

    how = base_settings(options, trains=True)
    if options["every"] == bool(names):
        raise BadInput("which variants?", hint="name some of `medzoo variants`, or give --all, not both")
    if twice := {name for name in names if names.count(name) > 1}:
        raise BadInput(f"{min(twice)} is named twice")
    get_base(options["base_name"])
    get_dataset(options["dataset"])
    see_reference(options["reference"])
    several = len(names) != 1
    see_whose_folder(out, several=several)
    settings = parse_settings(options["settings"])
    from training.variants import variants  # torch: seconds to import

    asked = [variant_of(name, settings, of_many=several) for name in names or variants()]
    check_out(out)
    if several:
        _several(asked, out, options, how)
    else:
        _one(asked[0], out, options, how)


def _one(variant: Variant, out: Path, options: Mapping[str, Any], how: Mapping[str, Any]) -> None:
    from training.cli.options import after_sft, find_start, more_than_one

    sft, pairs = options["reference"] == "sft", options["pairs_dir"]
    variant = after_sft(variant) if sft else variant
    see_pairs(pairs, [variant], out, sft=sft)

    from training.pairs.report import read_report
    from training.stages import run_stages  # takes seconds, so what can be refused was refused before

    with _job(out, options, how, needs_questions=more_than_one(variant)) as (job, load, say):
        vlm = load()
        start = None if sft else find_start(vlm, options["reference"])
        manifest = run_stages(vlm, variant, job, out, start=start)
    own = out / "pairs"
    for line in read_report(own if own.exists() or pairs is None else pairs).lines():
        say(line)
    for stage in manifest.earlier:
        say(f"stage {stage.variant}: {stage.steps} steps on {stage.pairs} pairs in {stage.seconds:.0f} s")
    say(
        f"{manifest.identity}: {manifest.training.steps} steps on {manifest.data.pairs} pairs "
        f"in {manifest.cost.seconds:.0f} s, in {out}"
    )
    for line in what_next([out], manifest, out, options):
        say(line)


def _several(asked: Sequence[Variant], out: Path, options: Mapping[str, Any], how: Mapping[str, Any]) -> None:
    from training.cli.options import find_start, more_than_one

    sft = options["reference"] == "sft"
    see_pairs(options["pairs_dir"], asked, out, sft=sft)

    from training.several import run_several, shape_of  # takes seconds
    from training.variants import get_variant

    first = get_variant("sft", shape_of(parse_settings(options["settings"]))) if sft else None

    def begin(vlm: VisionLanguageModel) -> Start | None:
        return None if sft else find_start(vlm, options["reference"])

    with _job(out, options, how, needs_questions=sft or any(map(more_than_one, asked))) as (job, load, say):
        outcomes = run_several(load, asked, job, out, find_start=begin, sft=first, say=say)
    for line in table(outcomes):
        say(line)
    made = [(outcome.folder, outcome.manifest) for outcome in outcomes if outcome.manifest]
    if made:
        for line in what_next([folder for folder, _ in made], made[0][1], out, options):
            say(line)
    if not made or any(outcome.fits and not outcome.manifest for outcome in outcomes):
        raise SystemExit(1)


@contextmanager
def _job(
    out: Path, options: Mapping[str, Any], how: Mapping[str, Any], *, needs_questions: bool
) -> Iterator[tuple[Job, Callable[[], VisionLanguageModel], Say]]:
    """What is to be trained, how the base is loaded, and how to say something once."""
    from training.alone import alone
    from training.cli.execution import opened_store
    from training.cli.options import made_before, sources
    from training.execution import Execution
    from training.log import need_tensorboard
    from training.processes import launched
    from training.stages import Job
    from zoo.bases import get_base
    from zoo.vlm.model import load_base

    if options["tensorboard"]:
        need_tensorboard()
    base, pairs, seed = get_base(options["base_name"]), options["pairs_dir"], options["seed"]
    changes = {name: options[name] for name in ("learning_rate", "epochs", "batch_size", "rank")}
    processes = launched(device=how["device"])
    with ExitStack() as stack:
        if not processes.main:  # its notes and bars are the main process's too
            stack.enter_context(redirect_stderr(stack.enter_context(open(os.devnull, "w"))))
        else:
            stack.enter_context(alone(out))
        if pairs is None or needs_questions:
            found = sources(out, options, seed=seed)
        else:
            given = click.get_current_context().get_parameter_source
            asked = [
                options[name] if given(name) is not ParameterSource.DEFAULT else None
                for name in ("dataset", "split")
            ]
            found = made_before(pairs, *asked, seed=seed)
        store = stack.enter_context(
            opened_store(
                out,
                options["cache"],
                gigabytes=options["cache_gb"],
                restricted=_restricted(found.questions, pairs),
                processes=processes,
            )
        )
        job = Job(
            sources=found,
            seed=seed,
            changes={key: value for key, value in changes.items() if value is not None},
            pairs=pairs,
            execution=Execution(
                store=store,
                processes=processes,
                **{name: options[name] for name in EXECUTION_NAMES},
            ),
        )
        yield (
            job,
            lambda: load_base(base, **how, sharded=processes.sharded),
            click.echo if processes.main else _say_nothing,
        )


def _restricted(questions: QuestionSet, pairs: Path | None) -> str:
    """Which of the data of a run is not to be passed on; empty if all may."""
    from training.pairs.report import read_report

    if questions.restricted:
        return f"{questions.name}/{questions.split}"
    if pairs is not None and not (report := read_report(pairs)).publishable:
        return f"{report.dataset}/{report.split}"
    return ""


def _say_nothing(message: str) -> None:
    pass
