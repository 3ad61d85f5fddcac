"""Every error a user can meet, as a tree.

A message says what was wrong and with which value; `hint` says what to type or do next. The command
line prints both, the REST service answers with both. Nothing here knows where an error is shown.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class ZooError(Exception):
    """Anything the zoo refuses or could not do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  next: {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by what it says, for the constructors differ."""
        return type(self).__new__, (type(self), self.message), vars(self)


class BadInput(ZooError):
    """What the user gave cannot be used as it is."""

    def __init__(self, message: str, *, hint: str = "", param: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.param = param
        """Name of the one field that is wrong, where there is one."""


class BadRecord(BadInput):
    """A line of a JSON-lines file is not the record it should be."""


class BadManifest(BadInput):
    """A `zoo.json` that is not a valid manifest."""


class BadImage(BadInput):
    """A file that is no readable image, or one beyond the limits."""


class ImageTooLarge(BadImage):
    """An image with more bytes or pixels than the limits allow."""


class NotInstalled(BadInput):
    """What was asked needs a library, or data, that is not on this machine."""


class BadDeclaration(ZooError):
    """A file of variants, bases or data sets that declares nothing, or nonsense."""


class UnknownName(BadInput):
    """A name that nothing here bears."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        near = get_close_matches(name[:80], known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"
        super().__init__(f"no {kind} is named {name[:80]!r}", hint=hint)


class HubError(ZooError):
    """A Hub could not be asked, or refused."""


class HubUnreachable(HubError):
    """A Hub did not answer at all; what is on disk may still serve."""


class NotOnHub(HubError):
    """The repository, revision or file is not there, or not for this user."""


class EndpointFailed(ZooError):
    """A language model's endpoint gave no answer, tried again and again; what it gave before is kept."""


class BadAdapter(ZooError):
    """Adapter weights that must not be served or scored."""


class WrongBase(BadAdapter):
    """An adapter that was made for another base, or another revision of it."""


class NotPlainLora(BadAdapter):
    """An adapter with a feature that plain LoRA lacks, such as DoRA."""


class BrokenWeights(BadAdapter):
    """A weights file that is no whole safetensors file."""


class WrongTensors(BadAdapter):
    """Weights that lack a tensor, have one too many or one of another shape."""


class NotFinite(BadAdapter):
    """Weights with a NaN or an infinity."""


class NoEffect(BadAdapter):
    """An adapter whose weights change nothing."""


class DigestMismatch(BadAdapter):
    """Weights whose sha256 is not the one that the manifest states."""


class Busy(ZooError):
    """Nothing is free to take this on now; the same call may go through later."""

    def __init__(self, message: str, *, hint: str = "ask again in a few seconds", after_s: float = 5) -> None:
        super().__init__(message, hint=hint)
        self.after_s = after_s
        """Seconds after which it is worth trying again."""


class DatabaseAway(Busy):
    """The database that several servers share does not answer."""


class TooSlow(ZooError):
    """A request that did not arrive whole in time."""


class Stopped(ZooError):
    """The server is ending, or its engine has ended."""


class DeadlinePassed(ZooError):
    """An answer that was not there in time; it was given up."""


class EngineFailed(ZooError):
    """The engine failed on this comparison alone."""


class ClusterFailed(ZooError):
    """A cluster of Ray that cannot be started or joined, or whose processes end again and again."""


class NoKey(ZooError):
    """A key is needed, and there was none or an unknown one."""


class NotAllowed(ZooError):
    """The key, or the operator's settings, do not allow this."""


class NotOpen(ZooError):
    """A work list that takes no ratings now: its answers are being made, or it is closed."""


class TrainingFailed(ZooError):
    """A run that must not go on: a loss that is not finite, a checkpoint of another run."""
