"""Connections that cannot be held open for nothing: uvicorn's HTTP/1.1 with a time for each request's head, a
bound on how many there are, and replies that reach a client which is still sending.

uvicorn closes a connection that is idle between requests, and waits for ever for a head that comes a byte
at a time, or for the rest of a body that was refused. What is refused here is told in bytes made
beforehand: no application has seen the request yet.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

LINGER_S = 2.0
"""How long a client may go on sending after its reply; a connection closed at once loses the reply."""


@dataclass(frozen=True, kw_only=True)
class Refusals:
    """Bodies of the replies, as JSON."""

    slow: bytes
    crowded: bytes
    unreadable: bytes


def connections(*, most: int, head_timeout_s: float, refusals: Refusals) -> type[asyncio.Protocol]:
    """The protocol that uvicorn takes as its `http`: at most so many at once."""

    class Connection(_Connection):
        pass

    Connection.most, Connection.head_timeout_s, Connection.refusals = most, head_timeout_s, refusals
    return Connection


class _Connection(H11Protocol):
    most: int
    head_timeout_s: float
    refusals: Refusals
    _timer: asyncio.TimerHandle | None = None
    _heard = False
    _lingers = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(_Closing(transport, self))  # type: ignore[arg-type]
        if len(self.connections) > self.most:
            self._refuse(503, self.refusals.crowded)
        else:
            self._timer = self.loop.call_later(self.head_timeout_s, self._expire)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._lingers:
            return
        self._heard = True
        super().data_received(data)
        if not self._between_requests:
            self._stop_timer()
        elif self._timer is None:
            self._timer = self.loop.call_later(self.head_timeout_s, self._expire)

    def on_response_complete(self) -> None:
        self._heard = False
        super().on_response_complete()
        if self._timer is None and self.still_sending:
            self._timer = self.loop.call_later(LINGER_S, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, self.refusals.unreadable)

    @property
    def still_sending(self) -> bool:
        """The body of the request is not here whole."""
        return self.cycle is not None and self.conn.their_state is h11.SEND_BODY

    def linger(self) -> None:
        """Close this side, and the other when it has had time to read."""
        self._lingers = True
        self._stop_timer()
        self._timer = self.loop.call_later(LINGER_S, self.transport.abort)

    @property
    def _between_requests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        if self._heard:
            self._refuse(408, self.refusals.slow)
        else:
            self.transport.close()

    def _refuse(self, status: int, body: bytes) -> None:
        """Reply outside of any request and close; a reply under way breaks off instead."""
        if self._between_requests and not self.transport.is_closing():
            reason = {400: "Bad Request", 408: "Request Timeout", 503: "Service Unavailable"}[status]
            head = (
                f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()


class _Closing:
    """A transport that closes only its own side while the client is still sending."""

    def __init__(self, transport: asyncio.Transport, connection: _Connection) -> None:
        self._transport = transport
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def close(self) -> None:
        if self._connection.still_sending and not self._transport.is_closing():
            self._transport.write_eof()
            self._connection.linger()
        else:
            self._transport.close()
