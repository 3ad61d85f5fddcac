"""Images by http(s) address, without lending this machine's place in the network to whoever asks.

A name is resolved once, every address it has must be of the open internet, and the connection is made to the
very address that was checked. Redirects are not followed, no proxy is used, nothing is sent but the request.
What an address said, or why it could not be reached, is told to no one: only that it gave no image. Names
are resolved in threads of their own, since a name server may keep one for as long as it likes.
"""

import asyncio
import re
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

import h11

from serving.defence.addresses import Address, is_public
from zoo.errors import BadImage, Busy, ImageTooLarge, NotAllowed

MOST_ADDRESSES = 4
"""Addresses of one name that are tried."""
AT_ONCE = 8
"""Images that are fetched at once."""
WAITING = 32
"""Images that may wait for that."""
_CHUNK = 64 * 1024
_PLAIN = re.compile(r"[!-\[\]-~]{1,2000}")
"""A URL's characters: printable ASCII but the backslash, which some read as a slash."""
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")
_HINT = "send the image itself, as a data URI"

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port -> its addresses."""


@dataclass(frozen=True)
class _Place:
    secure: bool
    host: str
    port: int
    target: str
    """Path and query."""

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


_resolving = threading.BoundedSemaphore(2 * AT_ONCE)
"""Twice as many, as some may be names that nobody waits for any more."""


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, asked of the system.

    Raises:
        OSError: it has none.
        Busy: too many names are being asked for.
    """
    if not _resolving.acquire(blocking=False):
        raise _busy()
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def settle(addresses: list[str], error: OSError | UnicodeError | None) -> None:
        if found.done():  # nobody waits any more
            return
        if error is None:
            found.set_result(addresses)
        else:
            found.set_exception(error)

    def ask() -> None:
        addresses: list[str] = []
        failed: OSError | UnicodeError | None = None
        try:
            told = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = [str(address[0]) for *_, address in told]
        except (OSError, UnicodeError) as error:
            failed = error
        finally:
            _resolving.release()
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, addresses, failed)

    threading.Thread(target=ask, name="name", daemon=True).start()
    return await found


class RemoteImages:
    """Fetches one image an address. `resolve` and `public` are what a test puts others in place of."""

    def __init__(
        self,
        *,
        max_bytes: int,
        ports: Sequence[int] = (80, 443),
        timeout_s: float = 10.0,
        resolve: Resolve = resolve,
        public: Callable[[Address], bool] = is_public,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._max_bytes = max_bytes
        self._ports = ports
        self._timeout_s = timeout_s
        self._resolve = resolve
        self._public = public
        self._context = context or ssl.create_default_context()
        self._room = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def fetch(self, url: str) -> bytes:
        """The file that lies at an address: the start of a PNG, JPEG, JPEG 2000 or DICOM file is in it.

        Raises:
            NotAllowed: another scheme or port, a user name, an address that is not public, a redirect.
            ImageTooLarge: more than `max_bytes`; found while it arrives.
            BadImage: the address gives no image, or not in time.
            Busy: too many images are being fetched.
        """
        place = self._read(url)
        try:
            async with self._turn(), asyncio.timeout(self._timeout_s):
                data = await self._get(place, await self._checked(place))
        except TimeoutError:
            raise BadImage(f"no image came within {self._timeout_s:g} s", hint=_HINT) from None
        if not data.startswith(_MAGIC) and data[128:132] != b"DICM":
            raise BadImage("what lies at the image's address is no PNG, JPEG or DICOM file", hint=_HINT)
        return data

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One of the few places, waited for as long as an image may take."""
        if self._waiting >= WAITING:
            raise _busy()
        self._waiting += 1
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._room.acquire()
        except TimeoutError:
            raise _busy() from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._room.release()

    def _read(self, url: str) -> _Place:
        try:
            parts = urlsplit(url) if _PLAIN.fullmatch(url) else None
            port = parts.port if parts else None
        except ValueError:
            parts = None
        if parts is None or not parts.hostname or "%" in parts.netloc:
            raise BadImage("the image's address cannot be read", hint=_HINT)
        if parts.scheme not in ("http", "https"):
            raise NotAllowed(f"images are not fetched by {parts.scheme[:20]!r}", hint="http or https")
        if "@" in parts.netloc:
            raise NotAllowed("the image's address holds a user name", hint="leave it out")
        secure = parts.scheme == "https"
        port = (443 if secure else 80) if port is None else port
        if port not in self._ports:
            allowed = ", ".join(map(str, self._ports))
            raise NotAllowed(f"images are not fetched from port {port}; allowed: {allowed}", hint=_HINT)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return _Place(secure, parts.hostname, port, target)

    async def _checked(self, place: _Place) -> list[Address]:
        """The addresses of a host, if all of them may be connected to."""
        try:
            written = await self._resolve(place.host, place.port)
            found = list(dict.fromkeys(ip_address(one) for one in written))
        except (OSError, UnicodeError, ValueError):
            raise _nothing() from None
        if not all(self._public(address) for address in found):
            raise NotAllowed("the image's address is not one of the open internet", hint=_HINT)
        return found[:MOST_ADDRESSES]

    async def _get(self, place: _Place, addresses: Sequence[Address]) -> bytes:
        for address in addresses:
            try:
                reader, writer = await asyncio.open_connection(
                    str(address),
                    place.port,
                    ssl=self._context if place.secure else None,
                    server_hostname=place.host if place.secure else None,
                )
            except OSError:  # a certificate that does not fit is one too
                continue
            try:
                return await self._read_reply(place, reader, writer)
            except (OSError, h11.ProtocolError):
                raise _nothing() from None
            finally:
                writer.transport.abort()
        raise _nothing()

    async def _read_reply(
        self, place: _Place, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes:
        connection = h11.Connection(h11.CLIENT)
        headers = [
            ("host", place.authority),
            ("user-agent", "medzoo"),
            ("accept", "image/png, image/jpeg, image/jp2, application/dicom"),
            ("accept-encoding", "identity"),
            ("connection", "close"),
        ]
        request = h11.Request(method="GET", target=place.target, headers=headers)
        writer.write(connection.send(request) + connection.send(h11.EndOfMessage()))
        body = bytearray()
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(_CHUNK))
            elif isinstance(event, h11.Response):
                self._check_head(event)
            elif isinstance(event, h11.Data):
                body += event.data
                self._check_size(len(body))
            elif isinstance(event, h11.EndOfMessage):
                return bytes(body)

    def _check_head(self, head: h11.Response) -> None:
        if 300 <= head.status_code < 400:
            raise NotAllowed("the image's address redirects", hint="give the address where the image lies")
        said = dict(head.headers)
        if head.status_code != 200 or said.get(b"content-encoding", b"identity") != b"identity":
            raise _nothing()
        self._check_size(int(said.get(b"content-length", b"0")))

    def _check_size(self, size: int) -> None:
        if size > self._max_bytes:
            raise ImageTooLarge(
                f"the image at the address has {size} bytes or more, the limit is {self._max_bytes}",
                hint="send a smaller file",
            )


def _nothing() -> BadImage:
    return BadImage("the image's address gave no image", hint=_HINT)


def _busy() -> Busy:
    return Busy("too many images are fetched by their addresses", hint=f"ask again later, or {_HINT}")
