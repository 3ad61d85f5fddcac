"""A running `medzoo serve`, asked over REST: the client's half of what `serving.rest` says.

Needs no model and no web framework. Sends an image to the address that it was given and to no other. Knows
nothing of where the image came from.
"""

import base64
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import closing, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import httpx2

from serving.core.requests import AdapterId, Answer, Answering, Comparison
from zoo import errors

if TYPE_CHECKING:
    from serving.service import Listing

CONNECT_S = 10.0
"""Longest wait for a connection."""


class Client:
    """One server."""

    def __init__(self, url: str, *, key: str | None, timeout_s: float) -> None:
        """Raises: see `serving.api.Zoo.connect`."""
        self._timeout_s = timeout_s
        try:
            address = httpx2.URL(url)
        except httpx2.InvalidURL:
            address = httpx2.URL("")
        if address.scheme not in ("http", "https") or not address.host or address.userinfo:
            raise errors.BadInput(
                f"{url.rpartition('@')[2]!r} is no address of a server",
                hint="write it as http://127.0.0.1:7860; a key goes apart from it",
            )
        self._http = httpx2.Client(
            base_url=address,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx2.Timeout(timeout_s, connect=CONNECT_S),
            trust_env=not _is_this_machine(address.host),  # the environment may name a proxy
        )

    def begin(
        self, images: tuple[bytes, ...], question: str, adapters: tuple[str, ...], wishes: Mapping[str, Any]
    ) -> "Feed":
        """See `serving.api.Zoo.stream`."""
        body = {
            # The server goes by the bytes, whatever they are called.
            "images": [f"data:application/dicom;base64,{base64.b64encode(one).decode()}" for one in images],
            "question": question,
            "adapters": adapters,
            "stream": True,
            **wishes,
        }
        return Feed(self._send("POST", "v1/compare", json=body), self._speaking)

    def adapters(self) -> "list[Listing]":
        """See `serving.api.Zoo.adapters`."""
        reply = self._send("GET", "v1/adapters")
        with self._speaking(), closing(reply):
            reply.read()
        try:
            return [_listing(one) for one in reply.json()["adapters"]]
        except (ValueError, KeyError, TypeError):
            raise _no_medzoo(reply) from None

    def close(self) -> None:
        """End the connections."""
        self._http.close()

    def _send(self, method: str, path: str, **content: Any) -> httpx2.Response:
        """The reply, its body not read yet, if it is one of success."""
        if self._http.is_closed:
            raise errors.Stopped("this connection was closed")
        with self._speaking():
            reply = self._http.send(self._http.build_request(method, path, **content), stream=True)
            if reply.status_code == 200:
                return reply
            with closing(reply):
                reply.read()
        raise _refused(reply)

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """What can go wrong with a connection, by name."""
        try:
            yield
        except httpx2.ReadTimeout:
            raise errors.DeadlinePassed(
                f"{self._http.base_url} said nothing for {self._timeout_s:g} s", hint="ask again later"
            ) from None
        except httpx2.HTTPError as error:
            raise errors.ZooError(
                f"{self._http.base_url} cannot be asked, or broke off: {type(error).__name__}",
                hint="look whether `medzoo serve` runs there",
            ) from error


@dataclass(frozen=True)
class Words:
    """What a row has just said."""

    row: int
    text: str


class Feed:
    """A comparison that a server streams."""

    def __init__(self, reply: httpx2.Response, speaking: Any) -> None:
        self._reply, self._speaking = reply, speaking
        self._events = self._read()
        self._end: Comparison | BaseException = CancelledError()
        self.answering = tuple(_answering(one) for one in next(self._events)["rows"])

    def __iter__(self) -> Iterator[Words]:
        """See `serving.api.Stream`."""
        try:
            for found in self._events:
                if "text" in found:
                    yield Words(found["row"], found["text"])
        except GeneratorExit:
            self.cancel()
            raise

    def result(self) -> Comparison:
        """See `serving.api.Stream`."""
        for _ in self._events:
            pass
        if isinstance(self._end, BaseException):
            raise self._end
        return self._end

    def cancel(self) -> None:
        """See `serving.api.Stream`: the server sees that nobody listens any more."""
        self._events.close()
        self._reply.close()

    def _read(self) -> Generator[dict[str, Any]]:
        """The events before the last."""
        try:
            with closing(self._reply), self._speaking():
                for event in httpx2.EventSource(self._reply):
                    found: Any = event.json()
                    if event.event == "error":
                        raise _error(found["error"])
                    if event.event == "comparison":
                        self._end = _comparison(found)
                        return
                    yield found
                raise httpx2.ReadError("the stream ended before its end")
        except errors.ZooError as error:
            self._end = error
            raise


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refused(reply: httpx2.Response) -> errors.ZooError:
    """The server's own error, if it is one of `medzoo serve`."""
    try:
        fault = reply.json()["error"]
        return _error(fault, after_s=float(reply.headers.get("Retry-After", 5)))
    except (ValueError, KeyError, TypeError):
        return _no_medzoo(reply)


def _no_medzoo(reply: httpx2.Response) -> errors.ZooError:
    return errors.ZooError(
        f"{reply.request.url} answered {reply.status_code}, and not as `medzoo serve` does",
        hint="give the address that `medzoo serve` prints",
    )


def _error(fault: Mapping[str, Any], *, after_s: float = 5) -> errors.ZooError:
    """The error that the server met, as the same class here."""
    kind = getattr(errors, fault["type"], None)
    if not (isinstance(kind, type) and issubclass(kind, errors.ZooError)):
        kind = errors.ZooError
    error: errors.ZooError = kind.__new__(kind)
    message, hint = str(fault["message"]), str(fault.get("hint", ""))
    if isinstance(error, errors.BadInput):  # its kinds make their messages of other things
        errors.BadInput.__init__(error, message, hint=hint)
    elif isinstance(error, errors.Busy):
        errors.Busy.__init__(error, message, hint=hint, after_s=after_s)
    else:
        errors.ZooError.__init__(error, message, hint=hint)
    return error


def _adapter(found: Mapping[str, Any]) -> AdapterId:
    return AdapterId(found["repo"], found["sha"], found["digest"])


def _answering(found: Mapping[str, Any]) -> Answering:
    return Answering(
        asked=found["asked"],
        adapter=_adapter(found),
        variant=found["variant"],
        base=found["base"],
        hub_unreachable=found["hub_unreachable"],
    )


def _comparison(found: Mapping[str, Any]) -> Comparison:
    answers = tuple(
        Answer(
            asked=one["asked"],
            adapter=_adapter(one),
            variant=one["variant"],
            base=one["base"],
            hub_unreachable=one["hub_unreachable"],
            seed=one["seed"],
            load=one["load"],
            text=one["text"],
            finish=one["finish"],
            left_off=one.get("left_off", 0),  # servers of 0.1.0 do not say
            tokens=one["tokens"],
            prompt_tokens=one["prompt_tokens"],
            first_token_ms=one["first_token_ms"],
            milliseconds=one["milliseconds"],
        )
        for one in found["answers"]
    )
    return Comparison(question=found["question"], answers=answers, milliseconds=found["milliseconds"])


def _listing(found: Mapping[str, Any]) -> "Listing":
    from serving.core.registry import Status
    from serving.service import Listing
    from zoo.manifest import Evaluation

    repo, _, sha = found["id"].partition("@")
    return Listing(
        alias=found["alias"],
        written=found["written"],
        adapter=AdapterId(repo, sha, found["digest"]) if repo else None,
        variant=found["variant"],
        title=found["title"],
        base=found["base"],
        status=Status(found["state"], found["reason"]),
        evaluation=tuple(Evaluation.model_validate(one) for one in found["evaluation"]),
    )
