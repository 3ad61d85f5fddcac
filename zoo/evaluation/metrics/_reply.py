"""The JSON in a judge's reply. What it must say is each metric's to know."""

import json
import re
from typing import Any

_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)


def json_in(reply: str) -> Any:
    """The JSON value that a reply is, or that is in its one fence; None where there is none or several.

    Text around a bare value makes it no JSON: which of a reply's values was meant is not guessed.
    """
    fenced = _FENCED.findall(reply)
    try:
        return json.loads(fenced[0] if len(fenced) == 1 else reply)
    except (ValueError, RecursionError):
        return None
