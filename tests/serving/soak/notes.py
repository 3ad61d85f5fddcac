"""What the clients of a soak were told, and how it is read off the wire. Judges the form of endings alone."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.serving.soak.verdict import Heard


@dataclass
class Notes:
    """All that was told."""

    heard: list[Heard] = field(default_factory=list)
    errors: Counter[tuple[int, str]] = field(default_factory=Counter)
    """Named errors, by status and type; status 0 for one that came within a stream."""
    messages: set[str] = field(default_factory=set)
    """The errors' messages, to be searched for what they must not hold."""
    nameless: list[str] = field(default_factory=list)
    """Endings that are neither an answer nor an error in the one form, and pieces unlike the whole."""
    actions: Counter[str] = field(default_factory=Counter)

    def is_answer(self, reply: httpx.Response) -> bool:
        """True for a reply without an error; one with an error is noted."""
        if reply.status_code == 200:
            return True
        try:
            self._error(reply.status_code, reply.json()["error"])
        except (ValueError, KeyError, TypeError):
            self.nameless.append(f"{reply.request.url.path}: {reply.status_code} {reply.text[:200]!r}")
        return False

    def is_error(self, event: dict[str, Any]) -> bool:
        """True for an event that ends a stream with an error, which is noted."""
        if "error" not in event:
            return False
        self._error(0, event["error"])
        return True

    def _error(self, status: int, error: dict[str, Any]) -> None:
        self.errors[status, error["type"]] += 1
        self.messages.add(error["message"])


async def events(reply: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """The events of a stream, each as the object in its `data`, up to `[DONE]`."""
    async for line in reply.aiter_lines():
        if line.startswith("data:") and (data := line.removeprefix("data:").strip()) != "[DONE]":
            yield json.loads(data)


def stated(reply: httpx.Response) -> list[tuple[str, str]]:
    """`repo@sha` and digest of each row, as the headers say; the base's digest is empty."""
    adapters = reply.headers["x-medzoo-adapter"].split(",")
    digests = reply.headers["x-medzoo-digest"].split(",")
    return [
        (adapter.strip(), digest.strip().removesuffix("none"))
        for adapter, digest in zip(adapters, digests, strict=True)
    ]
