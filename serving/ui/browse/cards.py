"""The card of an adapter that is served here, from the files of the very commit, as HTML."""

from html import escape

from serving.service import Listing
from serving.ui.browse.markdown import LIMIT, card_html
from zoo.manifest import PICTURE_NAME

README_NAME = "README.md"
_MOST_PICTURE = 2**20
"""Bytes of the picture of the training run; a larger one is left out."""


def card_of(listing: Listing) -> str:
    """Its README.md, and how its training went as a picture where the card shows it."""
    if listing.files is None:
        return f'<p class="mz-problem">{escape(listing.status.reason)}</p>'
    text = _read(listing, README_NAME, most=4 * LIMIT + 4).decode("utf-8", errors="replace")
    if not text.strip():
        return '<p class="mz-nothing">It was published without a card.</p>'
    picture = _read(listing, PICTURE_NAME, most=_MOST_PICTURE + 1)
    return card_html(text, pictures={PICTURE_NAME: picture} if 0 < len(picture) <= _MOST_PICTURE else {})


def _read(listing: Listing, name: str, *, most: int) -> bytes:
    """The file's first bytes; none if it is not there."""
    assert listing.files is not None
    try:
        with (listing.files.folder / name).open("rb") as file:
            return file.read(most)
    except OSError:
        return b""
