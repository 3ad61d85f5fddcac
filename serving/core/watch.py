"""What the engine, the library and the web application tell whoever measures them. This one does not listen;
`serving.metrics` counts, `serving.traces` makes spans.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from serving.core.requests import AdapterId

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Course:
    """How a comparison went from its submission to the engine on. The times follow one another."""

    looks: bool
    """True: it was asked where its adapters look."""
    adapters: tuple[AdapterId | None, ...]
    """One a row; None is the base."""
    waited_s: float
    """For slots, loads and a batch."""
    first_s: float
    """Its images were encoded and its prompts run: to the first token."""
    decoded_s: float
    """To its end."""
    tokens: tuple[int, ...] = ()
    finish: tuple[str, ...] = ()
    """One a row, as the tokens, where it has answers."""
    error: str = ""
    """Type of what ended it otherwise."""


class Watch:
    """Called from any thread, many times a second: be quick. For which request it is called,
    `serving.core.origin` knows. No call carries a text, an image or a name that a client chose and nobody has
    found to be an adapter's; errors are types."""

    def queue(self, rows: int) -> None:
        """So many rows wait now."""

    def batch(self, rows: int) -> None:
        """A batch of so many rows has begun."""

    def step(self, tokens: int, seconds: float) -> None:
        """One step gave so many tokens."""

    def first_token(self, seconds: float) -> None:
        """A comparison's first token came so long after its submission."""

    def ended(self, course: Course) -> None:
        """A comparison is over, however it ended."""

    def loaded(self, adapter: AdapterId, seconds: float, source: str, error: str) -> None:
        """An adapter was checked and loaded, from `memory` or `disk`; or it was not, for an error."""

    def evicted(self) -> None:
        """A slot was given up for another adapter."""

    def resident(self, adapters: int) -> None:
        """So many slots are filled now."""

    def hub(self, call: str, seconds: float, adapter: str, error: str) -> None:
        """A Hub was asked to `resolve` a name or to give files (`fetch`), then of `adapter`, repo@sha, unless
        that is an error."""

    def images(self, count: int, pixels: int, seconds: float, error: str) -> None:
        """The images of a question were opened, after any fetching."""

    def failed(self, reason: str) -> None:
        """Something ended with an error; `reason` is the error's type."""

    def again(self, why: str) -> None:
        """What was asked of a replica began anew at another: the first was `lost`, `silent` or `busy`."""

    def replicas(self, standing: int, gone: int) -> None:
        """So many replicas answer, and so many have ceased to."""

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered; `route` is a template, never the path that was asked for."""

    def close(self) -> None:
        """Nothing more is told."""


def guarded(*watches: Watch) -> Watch:
    """One that tells all of these, whose faults stop nobody who tells it something."""
    careful = Watch()
    for name in [name for name in vars(Watch) if not name.startswith("_")]:
        setattr(careful, name, _guarded([getattr(watch, name) for watch in watches]))
    return careful


def _guarded(told: Sequence[Callable[..., None]]) -> Callable[..., None]:
    def tell(*values: object) -> None:
        for one in told:
            try:
                one(*values)
            except Exception as error:  # the edge: who measures is another's code
                log.error("a measurement failed: %s", type(error).__name__)

    return tell
