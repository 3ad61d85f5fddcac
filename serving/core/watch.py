"""What the engine tells whoever measures it. This one does not listen; `serving.metrics` counts."""

import logging
from collections.abc import Callable

log = logging.getLogger(__name__)


class Watch:
    """Called from any thread, many times a second: be quick. No call carries a text, an image or a name
    that a client chose."""

    def queue(self, rows: int) -> None:
        """So many rows wait now."""

    def batch(self, rows: int) -> None:
        """A batch of so many rows has begun."""

    def step(self, tokens: int, seconds: float) -> None:
        """One step gave so many tokens."""

    def first_token(self, seconds: float) -> None:
        """A comparison's first token came so long after its submission."""

    def loaded(self, seconds: float) -> None:
        """An adapter was checked and loaded."""

    def evicted(self) -> None:
        """A slot was given up for another adapter."""

    def resident(self, adapters: int) -> None:
        """So many slots are filled now."""

    def failed(self, reason: str) -> None:
        """Something ended with an error; `reason` is the error's type."""


def guarded(watch: Watch) -> Watch:
    """The same, whose faults stop nobody who tells it something."""
    careful = Watch()
    for name in [name for name in vars(Watch) if not name.startswith("_")]:
        setattr(careful, name, _guarded(getattr(watch, name)))
    return careful


def _guarded(told: Callable[..., None]) -> Callable[..., None]:
    def tell(*values: object) -> None:
        try:
            told(*values)
        except Exception as error:  # the edge: who measures is another's code
            log.error("a measurement failed: %s", type(error).__name__)

    return tell
