"""For which request something is done, in whatever thread, so that its log lines and spans can be found.

Knows no web framework and no tracing library: the ids of W3C's Trace Context are words of hexadecimal digits.
"""

import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Value = TypeVar("Value")

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A request. As it is by default: nobody's, such as what is done when the server begins."""

    request: str = ""
    """Its id; those of all, where something is done for several together."""
    trace: str = ""
    """32 digits."""
    span: str = ""
    """16 digits: the request itself in its trace."""
    parent: str = ""
    """16 digits: what the caller did it for; empty where the trace begins here."""
    sampled: bool = True
    """False: the caller wants no spans."""


NOBODY = Origin()
_current: ContextVar[Origin] = ContextVar("origin", default=NOBODY)


def arriving(*, request: str = "", traceparent: str = "") -> Origin:
    """A request with the id and the header of W3C's Trace Context that its caller gave; an id that is empty
    and a header that is unreadable are as none."""
    request = request or secrets.token_hex(8)
    found = _TRACEPARENT.fullmatch(traceparent)
    if found:
        version, trace, parent, flags, more = found.groups()
        if version != "ff" and not (version == "00" and more) and int(trace, 16) and int(parent, 16):
            sampled = bool(int(flags, 16) & 1)
            return Origin(
                request=request, trace=trace, span=secrets.token_hex(8), parent=parent, sampled=sampled
            )
    return Origin(request=request, trace=secrets.token_hex(16), span=secrets.token_hex(8))


def origin() -> Origin:
    """The request that this thread or task is at."""
    return _current.get()


@contextmanager
def on_behalf(*of: Origin) -> Iterator[None]:
    """What is done in the block is done for this request, or for several together."""
    before = _current.set(of[0] if len(of) == 1 else _together(of))
    try:
        yield
    finally:
        _current.reset(before)


def bound(call: Callable[Given, Value]) -> Callable[Given, Value]:
    """The same call, for another thread to make on behalf of the request that this one is at."""
    mine = origin()

    def made(*given: Given.args, **named: Given.kwargs) -> Value:
        with on_behalf(mine):
            return call(*given, **named)

    return made


def _together(several: Sequence[Origin]) -> Origin:
    """Only their ids: a span has one parent."""
    return Origin(request=" ".join(dict.fromkeys(one.request for one in several if one.request)))
