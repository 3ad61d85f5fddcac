"""All that stands between a request and the application, put around it in the right order."""

from dataclasses import dataclass, field

from fastapi import FastAPI

from serving.defence.arrival import Arrival, Bounds
from serving.defence.callers import NEW_LIST, Callers
from serving.defence.gate import Gate, Inside, Others, Refuse
from serving.defence.pace import Pace
from serving.defence.remote import RemoteImages

LIST_TIMEOUT_S = 600.0
"""In which a list of cases must be here whole."""


@dataclass(frozen=True, kw_only=True)
class Defence:
    """What one server lets in, and how much of it."""

    callers: Callers
    pace: Pace
    body_timeout_s: float = 60.0
    """In which a request's body must be here whole."""
    max_list_bytes: int = 512 * 1024**2
    """Of a list of cases, which an administrator uploads with its images."""
    inside: Inside = field(default_factory=Inside)
    """What is under way, and whether more is let in."""
    remote: RemoteImages | None = None
    """None: images by address are not fetched."""
    others: Others | None = None
    """What is shared with other servers."""
    framed_by: str = ""
    """A site whose pages may show this server's in a frame, such as https://huggingface.co; empty: none."""


def put_around(app: FastAPI, defence: Defence, *, max_body: int, refuse: Refuse) -> None:
    """Let in only what `defence` lets in, with bodies of at most `max_body` bytes. Who may not ask is told so
    before a byte of the body is read."""
    lists = Bounds(max_bytes=defence.max_list_bytes, timeout_s=LIST_TIMEOUT_S)
    app.add_middleware(
        Arrival,
        max_bytes=max_body,
        timeout_s=defence.body_timeout_s,
        refuse=refuse,
        elsewhere={("POST", NEW_LIST): lists},
    )
    app.add_middleware(
        Gate,
        callers=defence.callers,
        pace=defence.pace,
        refuse=refuse,
        inside=defence.inside,
        others=defence.others,
    )
