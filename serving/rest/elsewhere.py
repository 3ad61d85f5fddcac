"""What no route of the API takes, told in the API's own form. Without this the page, which takes every path
that is left, would answer in Gradio's."""

from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send


class Elsewhere(BaseRoute):
    """The last route: other methods of the paths that `routes` take, and all that is left under `/v1/`."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._routes = [route for route in routes if isinstance(route, Route)]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether it is the API's to say that there is nothing."""
        if scope["type"] != "http":
            return Match.NONE, {}
        if found := self._at(scope):
            return Match.FULL, {"route": found[0]}  # what metrics and log name
        return (Match.FULL if scope["path"].startswith("/v1/") else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises HTTPException: 405 with the methods that there are, or 404."""
        if methods := {method for route in self._at(scope) for method in route.methods or ()}:
            allowed = ", ".join(sorted(methods))
            raise HTTPException(405, f"this path takes {allowed}", {"Allow": allowed})
        raise HTTPException(404, "there is nothing at this path")

    def _at(self, scope: Scope) -> list[Route]:
        return [route for route in self._routes if route.matches(scope)[0] is not Match.NONE]
