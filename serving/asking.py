"""What is asked, and a comparison under way: who answers is known, the answers come.

Knows no engine but by the ticket that it gave, and no HTTP.
"""

from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from serving.core.engine import Output, Ticket
from serving.core.requests import Answer, Answering, Comparison
from serving.futures import arrived
from zoo.asking import Sampling, Turn
from zoo.errors import DeadlinePassed

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked of the service."""

    images: tuple["Image", ...] = field(default=(), repr=False)
    """Empty where they are given by an `Opening`."""
    turns: tuple[Turn, ...] = field(repr=False)
    adapters: tuple[str, ...]
    """Aliases, `repo`, `repo@revision`, or `base`; one row each."""
    sampling: Sampling | None = None
    """None: greedy, as long as the server allows."""
    client: str = ""
    """Who asks, for fairness; never an identifier of a patient."""


Opening = Callable[[], Awaitable[tuple["Image", ...]]]
"""Gives the images of a question, as many as its turns name; called when all else of it makes sense."""


@dataclass(frozen=True)
class Checked:
    """What is asked, found to make sense."""

    asked: Asked
    turns: tuple[Turn, ...] = field(repr=False)
    names: tuple[str, ...]
    sampling: Sampling
    arrived: float
    deadline: float


class Asking:
    """A comparison under way: who answers is known, the answers come."""

    def __init__(
        self,
        *,
        question: str,
        sampling: Sampling,
        answering: tuple[Answering, ...],
        ticket: Ticket,
        arrived: float,
        submitted: float,
        deadline: float,
        clock: Callable[[], float],
    ) -> None:
        self.answering = answering
        """One a row, in the order asked."""
        self.ticket = ticket
        self._question, self._sampling = question, sampling
        self._arrived, self._deadline, self._clock = arrived, deadline, clock
        self._before_ms = (submitted - arrived) * 1000
        """From the question's arrival to its submission to the engine."""

    @property
    def overdue(self) -> bool:
        """True once its time is over."""
        return self._clock() > self._deadline

    @property
    def left_s(self) -> float:
        """Seconds until its time is over."""
        return max(0.0, self._deadline - self._clock())

    @property
    def seed(self) -> int:
        """Of every answer's sample."""
        return self._sampling.seed

    def cancel(self) -> None:
        """Nobody waits for the answers any more; their rows are freed."""
        self.ticket.cancel()

    def result(self) -> Comparison:
        """Wait for all answers.

        Raises:
            DeadlinePassed: they were not there in time; the rows are freed.
            ZooError: what went wrong.
        """
        try:
            outputs = self.ticket.done.result(timeout=self.left_s)
        except FutureTimeout:
            self.ticket.cancel()
            raise too_late(self._deadline - self._arrived) from None
        return self.comparison(outputs)

    async def wait(self) -> Comparison:
        """The same for a caller in an event loop.

        Raises:
            DeadlinePassed, ZooError: see `result`.
        """
        try:
            outputs = await arrived(self.ticket.done, within_s=self.left_s)
        except TimeoutError:
            self.ticket.cancel()
            raise too_late(self._deadline - self._arrived) from None
        return self.comparison(outputs)

    def comparison(self, outputs: Sequence[Output]) -> Comparison:
        """The engine's outputs with all that is known of who gave them."""
        answers = tuple(
            Answer(
                asked=who.asked,
                adapter=who.adapter,
                variant=who.variant,
                base=who.base,
                hub_unreachable=who.hub_unreachable,
                seed=self._sampling.seed,
                load=output.load,
                text=output.text,
                finish=output.finish,
                left_off=output.left_off,
                tokens=output.tokens,
                prompt_tokens=output.prompt_tokens,
                first_token_ms=self._before_ms + output.first_token_ms,
                milliseconds=self._before_ms + output.milliseconds,
            )
            for who, output in zip(self.answering, outputs, strict=True)
        )
        took = (self._clock() - self._arrived) * 1000
        return Comparison(question=self._question, answers=answers, milliseconds=took)


def too_late(seconds: float) -> DeadlinePassed:
    """The error for an answer that was not there within so many seconds."""
    return DeadlinePassed(f"no answer within {seconds:.0f} s", hint="ask again later")
