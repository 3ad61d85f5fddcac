"""A request's images, however they are given, as pictures."""

from collections.abc import Sequence
from typing import Protocol

from PIL import Image

from serving.pictures import Pictures
from zoo.errors import NotAllowed


class Remote(Protocol):
    """Whatever fetches images by their address."""

    async def fetch(self, url: str) -> bytes:
        """The bytes that lie there; raises a ZooError."""


async def load_images(
    given: Sequence[bytes | str], *, pictures: Pictures, remote: Remote | None
) -> tuple[Image.Image, ...]:
    """Files' bytes, data URIs and http(s) addresses -> pictures, in order.

    Raises:
        NotAllowed: an address, and the operator has not allowed any.
        Busy, ImageTooLarge, BadImage: see `Pictures.open`.
    """
    return tuple([await _load(one, pictures, remote) for one in given])


async def _load(given: bytes | str, pictures: Pictures, remote: Remote | None) -> Image.Image:
    if isinstance(given, str) and given[:8].lower().startswith(("http://", "https://")):
        if remote is None:
            raise NotAllowed(
                "images by their address are off on this server",
                hint="send the image itself, as data:image/png;base64,...; its operator can set "
                "MEDZOO_REMOTE_IMAGES",
            )
        given = await remote.fetch(given)
    return await pictures.open(given)
