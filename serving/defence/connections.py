"""Connections that cannot be held open for nothing: uvicorn's HTTP/1.1 with a time for each request's head, a
bound on how many there are in all and of one address, and replies that reach a client still sending.

uvicorn closes a connection that is idle between requests, and waits for ever for a head that comes a byte
at a time, for the rest of a body that was refused, or for a client that does not read. What is refused here
is told in bytes made beforehand: no application has seen the request yet.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from serving.defence.addresses import is_loopback, network_of
from serving.defence.gate import HEALTH
from serving.defence.proxies import Proxies

LINGER_S = 2.0
"""How long a client may go on sending after its reply; a connection closed at once loses the reply."""
UNREAD_S = 30.0
"""How long replies may lie here unread."""
SHARE = 4
"""One address may have this part of all connections; this machine and the operator's proxies may have them
all."""
SPARE = 8
"""Connections beyond all others, on which what watches over the server may ask how it is, no more."""
SPARE_S = 1.0
"""How soon it has to."""
_ASKS_HEALTH = tuple(f"GET {path} ".encode() for path in HEALTH)


@dataclass(frozen=True, kw_only=True)
class Refusals:
    """Bodies of the replies, as JSON."""

    slow: bytes
    crowded: bytes
    unreadable: bytes


def connections(
    *, most: int, head_timeout_s: float, refusals: Refusals, proxies: Proxies | None = None
) -> type[asyncio.Protocol]:
    """The protocol that uvicorn takes as its `http`: at most so many at once, and `SPARE` more."""

    class Connection(_Connection):
        pass

    Connection.most, Connection.head_timeout_s, Connection.refusals = most, head_timeout_s, refusals
    Connection.proxies = proxies or Proxies()
    return Connection


class _Connection(H11Protocol):
    most: int
    head_timeout_s: float
    refusals: Refusals
    proxies: Proxies
    _timer: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _heard = False
    _lingers = False
    _is_spare = False
    peer = ""
    """Whose connection it is."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(_Closing(transport, self))  # type: ignore[arg-type]
        trusted = self.proxies.trusted({"client": self.client})
        self.peer = _peer(self.client[0]) if self.client and not trusted else ""
        held = [one for one in self.connections if isinstance(one, _Connection)]
        self._is_spare = len(held) > self.most
        crowd = sum(one.peer == self.peer for one in held) if self.peer else 0
        if len(held) > self.most + SPARE or crowd > max(1, self.most // SHARE):
            self._refuse(503, self.refusals.crowded)
        else:
            wait_s = SPARE_S if self._is_spare else self.head_timeout_s
            self._timer = self.loop.call_later(wait_s, self._expire)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.expect_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def expect_reading(self) -> None:
        """End the connection soon if what was said on it is not read."""
        if self._unread is None:
            self._unread = self.loop.call_later(UNREAD_S, self.transport.abort)

    def data_received(self, data: bytes) -> None:
        if self._lingers:
            return
        if self._is_spare and not data.startswith(_ASKS_HEALTH):
            self._refuse(503, self.refusals.crowded)
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
        if self._is_spare:
            self.transport.close()
        elif self._timer is None and self.still_sending:
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
            self._transport.close()  # when what was said is read
            self._connection.expect_reading()


def _peer(host: str) -> str:
    """Who counts as one; this machine is nobody."""
    return "" if is_loopback(host) else network_of(host)
