"""What all plans share: where a base is to run, how fast that is, and how a plan is told."""

from __future__ import annotations

import math
import os
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from zoo.cli._base import Command, names_of, with_options
from zoo.errors import BadInput

if TYPE_CHECKING:
    from zoo.memory.peak import Peak, Precision, Quantize
    from zoo.memory.work import Rates

_BAR = 30
"""Characters of the longest bar."""
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(G|GB|GiB)?", re.IGNORECASE)


class Size(click.ParamType):  # type: ignore[type-arg]  # older clicks have no argument
    """Memory such as 24GB, in bytes. Cards are named in GB and have as many GiB, or nearly."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = _SIZE.fullmatch(value.strip())
        if not found or not float(found[1]):
            self.fail(f"{value!r} is no size such as 24GB", param, ctx)
        return round(float(found[1]) * 2**30)


_OPTIONS = (
    click.option(
        "--base", "base_name", default="phantom", show_default=True, help="Base, see `medzoo bases`."
    ),
    click.option("--gpu", type=Size(), help="Plan for a GPU with so much memory, such as 24GB."),
    click.option("--memory", type=Size(), help="Plan for a CPU with so much memory. Default: this machine."),
    click.option(
        "--dtype",
        type=click.Choice(["auto", "float32", "bfloat16", "float16"]),
        default="auto",
        show_default=True,
        help="Precision of the base; auto is bfloat16 on a GPU, float32 on a CPU.",
    ),
    click.option("--load-in-4bit", is_flag=True, help="The language model's weights in 4 bits."),
    click.option("--load-in-8bit", is_flag=True, help="The language model's weights in 8 bits."),
    click.option("--image-tokens", type=click.IntRange(min=1), help="Of an image. Default: the base's most."),
    click.option("--images", type=click.IntRange(min=1), default=1, show_default=True, help="In a question."),
    click.option(
        "--prompt-tokens",
        type=click.IntRange(min=1),
        default=64,
        show_default=True,
        help="Of a question beside its images, the template's included.",
    ),
    click.option(
        "--tflops",
        type=click.FloatRange(min=0, min_open=True),
        help="10^12 operations a second of one large product of matrices there. Default: measured, where "
        "the plan is for this machine.",
    ),
    click.option(
        "--bandwidth",
        type=click.FloatRange(min=0, min_open=True),
        help="GB a second that it reads from its memory. Default: as --tflops.",
    ),
)
PLACE_NAMES = names_of(_OPTIONS)


def place_options(command: Command) -> Command:
    """Which base, where, in what precision, with questions of what length."""
    return with_options(command, _OPTIONS)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a base is to run."""

    gpu: bool
    room: int
    """Bytes for tensors; a GPU's without what is taken beside them."""
    bytes: int
    """Of a number in the base's precision."""
    quantize: Quantize | None
    rates: Rates | None
    """None: nobody has said or measured."""

    def precision(self, quantize: Quantize | None) -> Precision:
        """The base's, with its language model in 4 or 8 bits or neither."""
        from zoo.memory.peak import Precision

        return Precision(bytes=self.bytes, quantize=quantize, lazy=not self.gpu)

    @property
    def quantisations(self) -> tuple[Quantize | None, ...]:
        """What was asked for, and what takes less."""
        every: tuple[Quantize | None, ...] = (None, "8bit", "4bit")
        return every[every.index(self.quantize) :]


def place_of(options: Mapping[str, Any]) -> Place:
    """Where the options say, this machine where they do not.

    Raises:
        BadInput: options that exclude each other.
    """
    from zoo.memory.peak import CONTEXT_BYTES

    if options["gpu"] and options["memory"]:
        raise BadInput("--gpu and --memory exclude each other", hint="give one of them")
    if options["load_in_4bit"] and options["load_in_8bit"]:
        raise BadInput("--load-in-4bit and --load-in-8bit exclude each other", hint="give one of them")
    here = None if options["gpu"] or options["memory"] else _here()
    gpu = here[0] if here else bool(options["gpu"])
    size = here[1] if here else options["gpu"] or options["memory"]
    if gpu and size <= CONTEXT_BYTES:
        raise BadInput(f"--gpu of {size / 2**30:.3g} GiB is less than what CUDA itself takes, 1 GiB")
    dtype = options["dtype"] if options["dtype"] != "auto" else "bfloat16" if gpu else "float32"
    return Place(
        gpu=gpu,
        room=size - CONTEXT_BYTES if gpu else size,
        bytes=4 if dtype == "float32" else 2,
        quantize="4bit" if options["load_in_4bit"] else "8bit" if options["load_in_8bit"] else None,
        rates=_rates(options, dtype, gpu=gpu),
    )


def _here() -> tuple[bool, int]:
    """Whether this machine has a GPU, and the bytes of that, or of itself."""
    from zoo.vlm.probe import gpu_bytes

    found = gpu_bytes()
    return found is not None, found or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _rates(options: Mapping[str, Any], dtype: str, *, gpu: bool) -> Rates | None:
    from zoo.memory.work import Rates
    from zoo.vlm.probe import gpu_bytes, measured_rates

    if options["tflops"]:
        read = (options["bandwidth"] or 0) * 1e9
        return Rates(operations=options["tflops"] * 1e12, bytes=read, source="as told")
    if gpu != (gpu_bytes() is not None):
        return None
    operations, read = measured_rates(dtype)
    return Rates(operations=operations, bytes=read, source="measured here")


@dataclass(frozen=True, kw_only=True)
class Report:
    """A plan to be told."""

    title: str
    peak: Peak
    place: Place
    times: Mapping[str, float] = field(default_factory=dict)
    """Seconds by what they are for."""
    facts: Sequence[str] = ()
    instead: str = ""
    """A command that fits, where what was asked does not."""

    @property
    def fits(self) -> bool:
        """Whether there is room."""
        return self.peak.total <= self.place.room

    def as_data(self) -> dict[str, Any]:
        """For JSON: bytes and seconds."""
        rates = self.place.rates
        return {
            "title": self.title,
            "held": dict(self.peak.held),
            "passes": dict(self.peak.passes),
            "loading": self.peak.loading,
            "total": self.peak.total,
            "room": self.place.room,
            "fits": self.fits,
            "seconds": dict(self.times),
            "rates": rates and {"operations": rates.operations, "bytes": rates.bytes, "source": rates.source},
            "facts": list(self.facts),
            "instead": self.instead or None,
        }

    def lines(self) -> list[str]:
        """For people."""
        total, room = self.peak.total, self.place.room
        widest = max(len(name) for name in (*self.peak.held, *self.peak.passes)) + 4
        found = [self.title]
        found += [_row(name, size, total, widest) for name, size in self.peak.held.items()]
        found.append("one at a time")
        for name, size in self.peak.passes.items():
            mark = "> " if name == self.peak.highest else "  "
            found.append(_row(f"{mark}{name}", size, total, widest))
        if self.peak.loading:
            found.append(_row("while it loads", self.peak.loading, total, widest))
        beside = "; beside it about 1 GiB for CUDA itself" if self.place.gpu else ""
        says = "fits" if self.fits else "does NOT fit"
        found.append(f"most at once {_told(total)}: {says} in {_told(room)}{beside}")
        found += [line for fact in self.facts for line in _wrapped(fact)]
        if self.times and self.place.rates:
            each = ", ".join(f"{name} {_time(seconds)}" for name, seconds in self.times.items())
            rates = self.place.rates
            read = f", {rates.bytes / 1e9:.0f} GB/s" if rates.bytes else ""
            rate = f"{rates.operations / 1e12:.3g} TFLOP/s{read}, {rates.source}"
            found += _wrapped(f"time, an estimate by operations and bytes alone ({rate}): {each}")
        elif not self.place.rates:
            found.append("time: not known for a device that is not here; give --tflops and --bandwidth")
        if not self.fits:
            found.append(f"this fits: {self.instead}" if self.instead else "no settings of this base fit")
        return found


def _row(name: str, size: int, total: int, width: int) -> str:
    return f"  {name:<{width}}{_told(size):>11}  {'█' * math.ceil(_BAR * size / total)}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 80, subsequent_indent="  ")


def _told(size: int) -> str:
    return f"{size / 2**30:.2f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def _time(seconds: float) -> str:
    if seconds < 0.1:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 120 else f"{seconds / 60:.3g} min"


def next_fitting(wanted: Sequence[Any], total: Callable[[Any], int], room: int) -> Any | None:
    """The first settings whose total fits; None if none does."""
    return next((one for one in wanted if total(one) <= room), None)
