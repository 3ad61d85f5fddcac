"""What the page's own scripts can send to Gradio's routes; anything else never reaches Gradio, which has no
errors for it: it fails, and prints what it was sent."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException

MOST_PARTS = 10_000
"""Commas and brackets of a body: the image in it has none, and many small values take long to read."""
_MOST_NAME = 100
"""Characters of a session's name."""


@dataclass(frozen=True)
class Wording:
    """The functions of a page by number, with how many values each takes, and the components that ask the
    server."""

    functions: Mapping[int, int]
    components: Collection[int]

    def check(self, route: str, body: bytes) -> None:
        """Raise HTTPException, 422, if a body to `queue/join` or `component_server` is none of the page's."""
        if sum(body.count(one) for one in b",[{") > MOST_PARTS:
            raise HTTPException(422, f"the body holds more than {MOST_PARTS} values")
        try:
            said = json.loads(body)
        except (ValueError, RecursionError):
            raise HTTPException(422, "the body is not JSON") from None
        fits = self._is_call if route == "queue/join" else self._is_look
        session = said.get("session_hash") if isinstance(said, dict) else None
        if not isinstance(session, str) or len(session) > _MOST_NAME or not fits(said):
            raise HTTPException(422, "the page sends no such thing")

    def _is_call(self, said: dict[str, Any]) -> bool:
        number, values = said.get("fn_index"), said.get("data")
        if type(number) is not int or number not in self.functions:
            return False
        return isinstance(values, list) and len(values) == self.functions[number]

    def _is_look(self, said: dict[str, Any]) -> bool:
        number, words = said.get("component_id"), (said.get("fn_name"), said.get("data"))
        known = type(number) is int and number in self.components
        return known and all(isinstance(word, str) for word in words)
