"""A request's images, however they are given, as pictures."""

from collections.abc import Sequence
from typing import Protocol

from fastapi.concurrency import run_in_threadpool
from PIL import Image

from zoo.errors import BadInput, NotAllowed
from zoo.images import Limits, data_uri_bytes, decode


class Remote(Protocol):
    """Whatever fetches images by their address."""

    async def fetch(self, url: str) -> bytes:
        """The bytes that lie there; raises a ZooError."""


async def load_images(
    given: Sequence[bytes | str], *, most: int, limits: Limits, remote: Remote | None
) -> tuple[Image.Image, ...]:
    """Files' bytes, data URIs and http(s) addresses -> pictures, in order.

    Raises:
        BadInput: more than `most`; none of them is touched.
        NotAllowed: an address, and the operator has not allowed any.
        ImageTooLarge, BadImage: see `zoo.images`.
    """
    if len(given) > most:
        raise BadInput(f"{len(given)} images in one question, the limit is {most}")
    return tuple([await _load(one, limits, remote) for one in given])


async def _load(given: bytes | str, limits: Limits, remote: Remote | None) -> Image.Image:
    if isinstance(given, str) and given[:8].lower().startswith(("http://", "https://")):
        if remote is None:
            raise NotAllowed(
                "images by their address are off on this server",
                hint="send the image itself, as data:image/png;base64,...; its operator can set "
                "MEDZOO_REMOTE_IMAGES",
            )
        given = await remote.fetch(given)
    return await run_in_threadpool(_decode, given, limits)


def _decode(given: bytes | str, limits: Limits) -> Image.Image:
    data = data_uri_bytes(given, limits=limits) if isinstance(given, str) else given
    return decode(data, limits=limits)
