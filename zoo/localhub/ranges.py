"""The Range header of a request for bytes. Pure."""

import re


class Unsatisfiable(Exception):
    """The range lies outside the file."""


def wanted_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte wanted of `size` bytes; None for all of them.

    Several ranges at once, or a header that is no range, get the whole file, as HTTP allows.

    Raises:
        Unsatisfiable: the range lies outside the file.
    """
    found = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", (header or "").replace(" ", ""), re.ASCII)
    if not found or not (found[1] or found[2]):
        return None
    if not found[1]:  # the last n bytes
        count = min(int(found[2]), size)
        first, last = size - count, size - 1
    else:
        first, last = int(found[1]), min(int(found[2] or size - 1), size - 1)
        if found[2] and int(found[2]) < first:
            return None
    if first > last or first >= size:
        raise Unsatisfiable
    return first, last
