"""`medzoo plan serve`: memory and time of a server at its fullest, and how many such servers people need."""

from __future__ import annotations

import shlex
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

import click

from serving.cli._capacity import CapacityReport, capacity_options, check_options, forecast_of
from zoo.cli._plan import Place, Report, next_fitting, place_of, place_options
from zoo.errors import BadInput

if TYPE_CHECKING:
    from serving.capacity.given import Times
    from serving.settings import Settings
    from zoo.memory.serving import Serving
    from zoo.memory.shape import Shape


@click.command()
@place_options
@click.option("--slots", type=click.IntRange(1, 256), help="Adapters loaded at once.  [default: 8]")
@click.option("--max-rank", type=click.IntRange(min=1), help="Largest rank of an adapter.  [default: 64]")
@click.option("--rank", type=click.IntRange(min=1), help="Of the adapters themselves.  [default: 16]")
@click.option("--max-rows", type=click.IntRange(min=1), help="Answers made at once.  [default: 16]")
@click.option(
    "--max-new-tokens", type=click.IntRange(min=1), help="Most tokens of an answer.  [default: 256]"
)
@capacity_options
def serve(**options: Any) -> Report:
    """What a server takes with every slot filled and all rows answering; settings as of `medzoo serve`, and
    of MEDZOO_MAX_RANK, MEDZOO_MAX_ROWS, MEDZOO_MAX_NEW_TOKENS.

    With --users also how many such servers that many people need, by a queueing model and, with --simulate,
    by the server's own scheduler in simulated time.
    """
    from serving.capacity.estimate import adapter_bytes
    from serving.settings import Settings
    from zoo.bases import known_base
    from zoo.memory.serving import Serving, serving_peak, slot_bytes
    from zoo.memory.shape import shape_of
    from zoo.memory.work import first_token_seconds, token_seconds

    check_options(options)
    base = known_base(options["base_name"])
    shape, place = shape_of(base), place_of(options)
    names = ("slots", "max_rank", "max_rows", "max_new_tokens")
    settings = Settings(**{name: options[name] for name in names if options[name] is not None})
    serving = Serving(
        precision=place.precision(place.quantize),
        targets=base.lora_targets,
        slots=settings.slots,
        max_rank=settings.max_rank,
        rank=min(options["rank"] or 16, settings.max_rank),
        rows=settings.max_rows,
        image=options["image_tokens"] or shape.image_tokens,
        images=options["images"],
        prompt=options["prompt_tokens"],
        answer=settings.max_new_tokens,
        features=settings.feature_bytes,
    )
    wanted = [
        replace(serving, precision=place.precision(quantize), slots=slots, rows=rows, max_rank=rank)
        for quantize, slots, rows, rank in product(
            place.quantisations,
            _fewer(serving.slots, 1),
            _fewer(serving.rows, min(serving.rows, 4)),
            _fewer(serving.max_rank, serving.rank),
        )
    ]
    found = next_fitting(wanted, lambda one: serving_peak(shape, one).total, place.room)
    rates, times = place.rates, {}
    if rates:
        times["a first token of every row"] = first_token_seconds(shape, serving, rates)
        if rates.bytes:
            times["each further token of every row"] = token_seconds(shape, serving, rates)
    how = serving.precision.quantize or {2: "16 bits", 4: "float32"}[serving.precision.bytes]
    host = f"adapters' files in this machine's memory: up to {settings.host_bytes / 2**30:.2f} GiB"
    slot = slot_bytes(shape, serving)
    report = Report(
        title=f"serve {base.name}: {how}, {serving.slots} slots of rank {serving.max_rank} for adapters of "
        f"rank {serving.rank}, {serving.rows} rows\n  tokens: {serving.images} x {serving.image} of images, "
        f"{serving.prompt} of the question, {serving.answer} of an answer",
        peak=serving_peak(shape, serving),
        place=place,
        times=times,
        facts=[f"a slot takes {slot / 2**20:.0f} MiB; {host}"],
        instead=_command(base.name, options["dtype"], settings, found) if found else "",
    )
    if options["measure"]:
        _measure(options, serving)
    if not options["users"]:
        return report
    seconds = _times(options, shape, serving, place)
    return CapacityReport(
        **vars(report),
        capacity=forecast_of(options, settings, seconds, adapter_bytes(shape, serving)),
        command=_command(base.name, options["dtype"], settings, serving),
    )


def _measure(options: dict[str, Any], serving: Serving) -> None:
    """Load the base on this machine and write how long it takes."""
    from serving.capacity.measure import measured, write_times
    from serving.engines.banked import load_banked
    from zoo.bases import get_base
    from zoo.cli._out import check_out
    from zoo.manifest import read_manifest

    if not options["adapter"]:
        raise BadInput(
            "--measure needs an adapter of this base", hint="--adapter FOLDER, such as one of `medzoo pull`"
        )
    check_out(options["measure"], file=True, option="--measure")
    model = load_banked(
        get_base(options["base_name"]),
        device="auto",
        dtype=_dtype(options, serving),
        quantize=serving.precision.quantize,
        slots=serving.slots,
        max_rank=serving.max_rank,
        max_rows=serving.rows,
    )
    found = measured(
        model,
        options["adapter"],
        read_manifest(options["adapter"]),
        slots=serving.slots,
        rows=serving.rows,
        of=_of(options, serving),
    )
    write_times(options["measure"], found)
    click.echo(f"times written to {options['measure']}", err=True)


def _times(options: dict[str, Any], shape: Shape, serving: Serving, place: Place) -> Times:
    """How long a replica takes: measured, else worked out."""
    from serving.capacity.estimate import estimated
    from serving.capacity.given import read_times

    if path := options["times"] or options["measure"]:
        return read_times(path, of=_of(options, serving))
    if not place.rates or not place.rates.bytes:
        raise BadInput(
            "how long that device takes is not known", hint="give --tflops and --bandwidth, or --times FILE"
        )
    return estimated(shape, serving, place.rates)


def _of(options: dict[str, Any], serving: Serving) -> str:
    """What times are of."""
    return f"{options['base_name']} in {serving.precision.quantize or _dtype(options, serving)}"


def _dtype(options: dict[str, Any], serving: Serving) -> str:
    asked: str = options["dtype"]
    return {2: "bfloat16", 4: "float32"}[serving.precision.bytes] if asked == "auto" else asked


def _fewer(most: int, least: int) -> list[int]:
    """So many, half of them, and so on down to the least."""
    found = [most]
    while found[-1] > least:
        found.append(max(found[-1] // 2, least))
    return found


def _command(base: str, dtype: str, settings: Settings, serving: Serving) -> str:
    """What to type for the settings that fit."""
    from serving.settings import variable

    now = {"max_rank": serving.max_rank, "max_rows": serving.rows, "max_new_tokens": serving.answer}
    usual = type(settings)()
    words = [f"{variable(name)}={value}" for name, value in now.items() if value != getattr(usual, name)]
    words += ["medzoo", "serve", "--base", base]
    words += [] if dtype == "auto" else ["--dtype", dtype]
    words += [] if serving.slots == usual.slots else ["--slots", str(serving.slots)]
    words += [f"--load-in-{serving.precision.quantize}"] if serving.precision.quantize else []
    return shlex.join(words)
