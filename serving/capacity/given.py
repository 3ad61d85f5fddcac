"""What a forecast rests on: how long things take, what is asked, and what answers it.

`Times` is measured (`serving.capacity.measure`) and lies in a small JSON file, or worked out from rates.
"""

import math
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

from zoo.errors import BadInput

Routing = Literal["random", "affinity", "spread"]
"""Where a question goes. random: to any replica. affinity: to the home of the adapter that it names first.
spread: to the idlest of the adapter's homes, which are two, and two more for each replica that its questions
keep busy."""


@dataclass(frozen=True, kw_only=True)
class Times:
    """Seconds of one replica's work. A pass takes a fixed part and a part for each row."""

    image_s: float
    """To look at a comparison's images, which nobody has asked about before."""
    prompt_s: float
    prompt_row_s: float
    """To run the prompts of a batch, which gives its rows their first token."""
    step_s: float
    step_row_s: float
    """One more token of a batch."""
    load_disk_s: float
    load_host_s: float
    """To load an adapter into a slot, checks included, from its files or from those kept in memory."""
    fetch_s: float
    """To bring an adapter from the Hub."""
    source: str
    """Who says so."""
    of: str = ""
    """The base and its precision that were measured; empty where nobody measured."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if name not in ("source", "of") and not 0 <= value < math.inf:
                raise BadInput(f"{name} is {value}, and a time is at least 0 s", hint="measure it again")
        if self.prompt_s + self.prompt_row_s <= 0 or self.step_s + self.step_row_s <= 0:
            raise BadInput("prompts or steps take no time at all", hint="measure them again")

    def prompt(self, questions: float, rows: float) -> float:
        """The first step of a batch of so many comparisons that have so many rows together."""
        return questions * self.image_s + self.prompt_s + rows * self.prompt_row_s

    def step(self, rows: float) -> float:
        """A further step in which so many rows answer."""
        return self.step_s + rows * self.step_row_s


def read_times(path: Path, *, of: str) -> Times:
    """The times in a file, of a base in a precision.

    Raises:
        BadInput: it is not there, not what `medzoo plan serve --measure` writes, or was measured on another.
    """
    from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

    strict = with_config(ConfigDict(extra="forbid"))(Times)
    try:
        times = TypeAdapter(strict).validate_json(path.read_bytes())
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}", hint="medzoo plan serve --measure FILE") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise BadInput(f"{path}: {where}: {first['msg']}", hint="medzoo plan serve --measure FILE") from None
    if times.of not in ("", of):
        raise BadInput(
            f"{path} has times of {times.of}, and the plan is for {of}",
            hint="--base, --dtype and --load-in-... as they were measured, or --measure FILE anew",
        )
    return times


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Who asks what. Users ask, wait for their answers, think, and ask again."""

    users: int
    think_s: float
    """Mean of the time from an answer's end to the next question, which is exponential."""
    adapters: int
    zipf: float = 1.0
    """The adapter of rank k is asked in proportion to 1 / k^zipf; 0: all alike."""
    rows: int = 1
    """Adapters a comparison."""
    tokens: float = 64.0
    """Of an answer, in the mean of a geometric distribution that is cut at `most_tokens`."""
    most_tokens: int = 256
    burst: int = 1
    """Users who ask in the same moment, such as a class."""

    @cached_property
    def stops(self) -> float:
        """The probability that a token is an answer's last, so that the mean is `tokens`.

        (1 - (1 - stops)^most) / stops = tokens, by bisection.
        """
        low, high = 1e-9, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            longer = (1 - (1 - middle) ** self.most_tokens) / middle > self.tokens
            low, high = (middle, high) if longer else (low, middle)
        return high

    def longest(self, rows: float) -> float:
        """Mean tokens of the longest of so many answers: the sum over n of P(the longest has more than n)."""
        return _longest(self.stops, self.most_tokens, rows)


@dataclass(frozen=True, kw_only=True)
class Place:
    """What answers: replicas of one server, alike; the numbers are those of `serving.settings`."""

    replicas: int
    routing: Routing = "spread"
    slots: int = 8
    max_rows: int = 16
    max_batches: int = 4
    max_waiting_rows: int = 64
    window_s: float = 0.003
    timeout_s: float = 120.0
    adapter_bytes: int
    """Of one adapter's files."""
    host_bytes: int = 1024**3
    cold: bool = False
    """Whether no replica has an adapter's files when it starts."""

    @property
    def host(self) -> int:
        """Adapters whose files are kept in a replica's memory."""
        return self.host_bytes // self.adapter_bytes


@lru_cache(maxsize=256)
def _longest(stops: float, most: int, rows: float) -> float:
    return math.fsum(1 - (1 - (1 - stops) ** tokens) ** rows for tokens in range(most))
