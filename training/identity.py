"""What decides a run, as JSON-ready data in its folder, and how two runs that differ are told apart.

Knows no key by name.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.errors import BadInput

_VARIANTS = "variants"
_DIGEST = re.compile(r"[0-9a-f]{40,}")


def open_job(path: Path, identity: Mapping[str, Any], *, variants: Sequence[str] = ()) -> None:
    """Write down in `path` what the run in its folder is, or see that the one there is the same. `variants`
    are those of a list; they are written down for the reader alone, and may become more.

    Raises:
        BadInput: it is another one.
    """
    known = []
    if path.exists():
        was = json.loads(path.read_text(encoding="utf-8"))
        known = was.pop(_VARIANTS, [])
        if told := difference(was, identity, where=path.parent):
            again = f"; {path.name} names its variants" if known else ""
            raise BadInput(told, hint=f"go on with the command of that run, or choose another --out{again}")
    path.parent.mkdir(parents=True, exist_ok=True)
    named = {_VARIANTS: list(dict.fromkeys([*known, *variants]))} if variants else {}
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps({**identity, **named}, indent=2) + "\n", encoding="utf-8")
    os.replace(part, path)


def difference(was: Mapping[str, Any], now: Mapping[str, Any], *, where: Path) -> str:
    """The first thing in which this run, `now`, is another than the one in `where`, as a sentence; empty if
    there is none. None and an absent key mean alike that something was not given."""
    for name, old, new in _leaves("", was, now):
        if _DIGEST.fullmatch(str(old)) and _DIGEST.fullmatch(str(new)):  # which tell nobody anything
            return f"{name}: another here than in the run in {where}"
        here = "is not given here" if new is None else f"is {_shown(new)} here"
        there = "was not given it" if old is None else f"has {_shown(old)}"
        return f"{name} {here}, and the run in {where} {there}"
    return ""


def _leaves(name: str, was: Any, now: Any) -> Iterator[tuple[str, Any, Any]]:
    """What differs, each by the innermost name that it has."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for key in {**now, **was}:
            yield from _leaves(key, was.get(key), now.get(key))
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for old, new in zip(was, now, strict=True):
            yield from _leaves(name, old, new)
    elif was != now:
        yield name, was, now


def _shown(value: Any) -> str:
    """A value for people; of a digest its beginning."""
    return _DIGEST.sub(lambda found: found[0][:12], value if isinstance(value, str) else json.dumps(value))
