"""`medzoo plan train`: memory and time of an optimiser step of a variant."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from zoo.cli._plan import Report, next_fitting, place_of, place_options

if TYPE_CHECKING:
    from training.variant import Variant
    from zoo.memory.training import Step


@click.command()
@click.option("--variant", default="dpo", show_default=True, help="Variant, see `medzoo variants`.")
@place_options
@click.option("--rank", type=click.IntRange(min=1), help="Of the LoRA. Default: the variant's.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Pairs a step. Default: the variant's.")
@click.option("--epochs", type=click.IntRange(min=1), help="Default: the variant's.")
@click.option("--micro-batch", type=click.IntRange(min=1), help="Pairs run at once. Default: the batch.")
@click.option("--gradient-checkpointing", is_flag=True, help="Keep one layer's activations in place of all.")
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="GPUs that share the base's layers and each batch out (FSDP); memory is that of one.",
)
@click.option(
    "--response-tokens",
    type=click.IntRange(min=1),
    default=128,
    show_default=True,
    help="Of each response.",
)
@click.option(
    "--pairs",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Of the run; each with images of its own.",
)
def train(**options: Any) -> Report:
    """What a step takes at its most, with pairs that are all as long as is said here."""
    from training.stages import resolved_numbers
    from training.variants import get_variant
    from zoo.bases import known_base
    from zoo.errors import BadInput
    from zoo.memory.peak import weight_bytes
    from zoo.memory.shape import shape_of
    from zoo.memory.training import Lengths, Step, halved, host_bytes, training_peak
    from zoo.memory.work import step_seconds

    base, variant = known_base(options["base_name"]), get_variant(options["variant"])
    shape = shape_of(base)
    if options["dtype"] == "float16":
        raise BadInput("--dtype float16 does not train: small gradients are zero in it", hint="--dtype auto")
    place = place_of(options)
    if options["processes"] > 1 and not place.gpu:
        raise BadInput("--processes plans for GPUs that share a base out", hint="--gpu 24GB")
    if options["processes"] > 1 and place.quantize:
        raise BadInput(
            f"a base in {place.quantize} cannot be shared out among --processes", hint="leave one of them out"
        )
    changes = {name: options[name] for name in ("rank", "batch_size", "epochs") if options[name] is not None}
    numbers = resolved_numbers(variant, base, changes)
    stage = replace(variant, numbers=numbers)
    share = -(-numbers.batch_size // options["processes"])
    step = Step(
        precision=place.precision(place.quantize),
        rank=numbers.rank,
        targets=base.lora_targets,
        dropout=numbers.dropout > 0,
        starts=bool(variant.earlier) or variant.rounds > 1,
        batch=numbers.batch_size,
        micro_batch=min(options["micro_batch"] or share, share),
        checkpointing=options["gradient_checkpointing"],
        lengths=Lengths(
            image=options["image_tokens"] or shape.image_tokens,
            images=options["images"],
            prompt=options["prompt_tokens"],
            response=options["response_tokens"],
        ),
        pairs=options["pairs"],
        processes=options["processes"],
        **_rows(stage),
    )
    wanted = [
        replace(step, precision=place.precision(quantize), checkpointing=kept, micro_batch=part)
        for quantize in (place.quantisations if step.processes == 1 else (None,))
        for kept in ((True,) if step.checkpointing else (False, True))
        for part in halved(step.micro_batch)
    ]
    found = next_fitting(wanted, lambda one: training_peak(shape, one).total, place.room)
    times = {}
    if place.rates:
        seconds = step_seconds(shape, replace(step, batch=share), place.rates, epochs=numbers.epochs)
        steps = -(-options["pairs"] // numbers.batch_size) * numbers.epochs
        times = {"a step": seconds, f"{steps} steps of the last stage": seconds * steps}
    facts = (
        []
        if not place.gpu
        else [f"kept features in this machine's memory: {host_bytes(shape, step) / 2**30:.2f} GiB"]
    )
    if step.processes > 1:
        whole = sum(weight_bytes(shape, step.precision).values()) / 2**30
        facts.append(
            f"each process first reads the base into its machine's memory, {whole:.2f} GiB; what they "
            "exchange takes time that is not counted"
        )
    return Report(
        title=f"train {variant.name} on {base.name}: {_told(step, numbers.epochs)}",
        peak=training_peak(shape, step),
        place=place,
        times=times,
        facts=facts,
        instead=_command(base.name, options, found) if found else "",
    )


def _rows(variant: Variant) -> dict[str, Any]:
    """Which responses follow which image, and whether the whole vocabulary is read."""
    from training.grid import Branch
    from training.objective import branches_of, distributions_of

    branches = [branch for branch in branches_of(variant.objective) if branch is not Branch.QUESTION]
    rejected = sum(branch.on_rejected_image for branch in branches)
    rows = tuple(count for count in (len(branches) - rejected, rejected) if count)
    return {"responses": rows, "distributions": len(distributions_of(variant.objective))}


def _told(step: Step, epochs: int) -> str:
    lengths, precision = step.lengths, step.precision
    how = precision.quantize or {2: "16 bits", 4: "float32"}[precision.bytes]
    ways = [how, f"rank {step.rank}", f"{step.batch} pairs a step"]
    ways += [f"{step.processes} processes"] if step.processes > 1 else []
    ways += [f"{step.micro_batch} at once"] if step.micro_batch < step.share else []
    ways += ["gradient checkpointing"] if step.checkpointing else []
    texts = f"{lengths.prompt} of the question, {lengths.response} of each response"
    tokens = f"{lengths.images} x {lengths.image} of images, {texts}"
    return f"{', '.join(ways)}, {epochs} epochs\n  tokens: {tokens}"


def _command(base: str, options: dict[str, Any], step: Step) -> str:
    """What to type for the settings that fit."""
    words = ["medzoo", "train"]
    if step.processes > 1:
        words = ["accelerate", "launch", "--config_file", "deploy/accelerate/fsdp.yaml"]
        words += ["--num_processes", str(step.processes), "-m", "training"]
    words += [options["variant"], "--base", base]
    words += [] if options["dtype"] == "auto" else ["--dtype", options["dtype"]]
    for name in ("rank", "batch_size", "epochs"):
        words += [f"--{name.replace('_', '-')}", str(options[name])] if options[name] is not None else []
    words += [f"--load-in-{step.precision.quantize}"] if step.precision.quantize else []
    words += ["--gradient-checkpointing"] if step.checkpointing else []
    words += ["--micro-batch", str(step.micro_batch)] if step.micro_batch < step.share else []
    return shlex.join([*words, "--out", "OUT"])
