"""Where a verb's work is to go. Knows nothing of what the verb makes."""

import os
from pathlib import Path

from zoo.errors import BadInput


def check_out(out: Path, *, file: bool = False, option: str = "--out") -> None:
    """See, before hours of work, that a folder, or a file, can be made at `out`, whose folders are made;
    `option` is by what it was told.

    Raises:
        BadInput: it is a file in a folder's place, or nothing can be written there.
    """
    if out.is_file() and not file:
        raise BadInput(
            f"{option} {out} is a file, and a folder is to be made there", hint=f"choose another {option}"
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"{option} {out}: {error.strerror} ({error.filename})", hint=f"choose another {option}"
        ) from None
    if not os.access(out if out.exists() else out.parent, os.W_OK):
        raise BadInput(f"{option} {out}: nothing may be written there", hint=f"choose another {option}")
