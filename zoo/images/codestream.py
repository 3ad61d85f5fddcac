"""The bytes of a JPEG or JPEG 2000 codestream without anything in them but what its pixels need.

Pixels are not decoded. Markers by ITU-T T.81 Annex B and T.800 Annex A.
"""

import re
import struct
from collections.abc import Iterator

_AFTER_SCAN = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
"""What ends entropy-coded data: a marker that neither restarts nor stands for a byte of 255."""
_JPEG = {*range(0xC0, 0xD0), 0xDA, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF}
"""Frames, tables and scans."""
_JPEG2000 = {0x50, 0x51, 0x52, 0x53, 0x5C, 0x5D, 0x5E, 0x5F, 0x60, 0x61}
"""Size, coding, quantisation, regions and packed packet headers; no comments, and no lengths of parts, which
leaving out others makes untrue and no decoder needs."""


def pixels_only(codestream: bytes) -> bytes | None:
    """The same codestream without comments, application data, thumbnails and whatever follows its end; None
    if it is no whole JPEG or JPEG 2000 codestream. Decoders give the same pixels of it."""
    try:
        if codestream[:2] == b"\xff\xd8":
            return b"\xff\xd8" + b"".join(_jpeg(codestream))
        if codestream[:4] == b"\xff\x4f\xff\x51":
            return b"\xff\x4f" + b"".join(_jpeg2000(codestream))
    except (ValueError, IndexError, struct.error):
        pass
    return None


def _jpeg(data: bytes) -> Iterator[bytes]:
    at = 2
    while True:
        marker, segment, at = _segment(data, at)
        if marker == 0xE0 and segment[4:9] == b"JFIF\0":  # density, and no thumbnail
            yield _application(marker, segment[4:16] + b"\0\0")
        elif marker == 0xEE and segment[4:9] == b"Adobe":  # says in which colours the pixels are
            yield _application(marker, segment[4:16])
        elif marker in _JPEG:
            yield segment
        elif marker == 0xD9:
            yield segment
            return
        if marker == 0xDA:
            end = _AFTER_SCAN.search(data, at)
            if end is None:
                raise ValueError("the scan has no end")
            yield data[at : end.start()]
            at = end.start()


def _application(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def _jpeg2000(data: bytes) -> Iterator[bytes]:
    header, at = _header(data, 2, until=0x90)
    yield header
    while data[at : at + 2] == b"\xff\x90":
        (length,) = struct.unpack_from(">I", data, at + 6)
        end = at + length if length else data.rindex(b"\xff\xd9")
        header, body = _header(data, at + 12, until=0x93)
        if not body <= end <= len(data):
            raise ValueError("the tile is cut short")
        size = 12 + len(header) + end - body if length else 0
        yield data[at : at + 6] + struct.pack(">I", size) + data[at + 10 : at + 12]
        yield header + data[body:end]
        at = end
    yield b"\xff\xd9"


def _header(data: bytes, at: int, *, until: int) -> tuple[bytes, int]:
    """What is kept of the segments of a JPEG 2000 header, and where the marker is that ends it."""
    kept = []
    while data[at : at + 2] != bytes((0xFF, until)):
        marker, segment, at = _segment(data, at)
        if marker in _JPEG2000:
            kept.append(segment)
    return b"".join(kept), at


def _segment(data: bytes, at: int) -> tuple[int, bytes, int]:
    """The marker at `at`, with its segment, itself included, and where the next begins."""
    if data[at] != 0xFF:
        raise ValueError("no marker where one must be")
    while data[at + 1] == 0xFF:  # may stand before any marker
        at += 1
    marker = data[at + 1]
    size = 2 if marker == 0xD9 else 2 + struct.unpack_from(">H", data, at + 2)[0]
    segment = data[at : at + size]
    if len(segment) < size or (size < 4 and marker != 0xD9):
        raise ValueError("the segment is cut short")
    return marker, segment, at + size
