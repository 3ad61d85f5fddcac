"""What looking at something came to, for people: right, wrong or unknown, each with what to do next. The
checks themselves are elsewhere."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that is said and does not hold."""

    what: str
    value: str
    """What was found."""
    next: str
    """What to type or do."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    faults: tuple[Fault, ...] = ()
    told: str = ""
    """What was found to be right, in a few words."""
    unknown: str = ""
    """Why it, or a part of it, could not be looked at."""
    withheld: str = ""
    """What may not be published, and so was not looked at."""
