"""What this machine's user keeps of bases: a commit that the Hub was asked for, a folder that a base lies in.

One JSON file in the user's configuration folder (`$XDG_CONFIG_HOME/medzoo/bases.json`). Of a folder it keeps
each file's size and time too, so that one that was changed is told without reading gigabytes. It knows no
base.
"""

import os
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from zoo.bases._folder import files_in
from zoo.errors import BadInput
from zoo.private_file import changing, write_lines

_WHAT = "file of kept bases"


class Kept(BaseModel):
    """What is kept of one base."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    revision: str
    folder: str = ""
    """Absolute; empty where the base comes from the Hub."""
    files: dict[str, tuple[int, int]] = {}
    """Size in bytes and time of change in nanoseconds of each file in the folder."""

    @classmethod
    def of(cls, revision: str, folder: Path | None) -> "Kept":
        """The same for a folder as it is now."""
        if folder is None:
            return cls(revision=revision)
        place = folder.resolve()
        return cls(revision=revision, folder=str(place), files=_stamps(place))

    def changed(self) -> str:
        """A file that came, went or changed since; empty if none."""
        now = _stamps(Path(self.folder))
        return next(
            (name for name in sorted({*now, *self.files}) if now.get(name) != self.files.get(name)), ""
        )


_FILE = TypeAdapter(dict[str, Kept])


def kept_path() -> Path:
    """Where the file is."""
    named = os.environ.get("XDG_CONFIG_HOME")
    return (Path(named) if named else Path.home() / ".config") / "medzoo" / "bases.json"


def kept_bases() -> dict[str, Kept]:
    """What is kept, by the base's name; empty if there is no such file.

    Raises:
        BadInput: it cannot be read.
    """
    path = kept_path()
    try:
        return _FILE.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise BadInput(f"the {_WHAT} {path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = " ".join([".".join(map(str, first["loc"])), first["msg"]]).strip()
        raise BadInput(f"the {_WHAT} {path} is broken: {where}", hint=f"mend or remove {path}") from None


def keep(name: str, kept: Kept) -> None:
    """Write what is kept of one base.

    Raises:
        BadInput: the file cannot be read or written.
    """
    _change(lambda all_kept: {**all_kept, name: kept})


def forget(name: str) -> None:
    """Keep nothing of that base any more.

    Raises:
        BadInput: nothing is kept of it, or the file cannot be read or written.
    """

    def without(all_kept: dict[str, Kept]) -> dict[str, Kept]:
        if name not in all_kept:
            raise BadInput(f"nothing is kept of {name} on this machine")
        return {other: kept for other, kept in all_kept.items() if other != name}

    _change(without)


def _change(change: Callable[[dict[str, Kept]], dict[str, Kept]]) -> None:
    path = kept_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"the {_WHAT} {path} cannot be written: {error.strerror}") from None
    with changing(path, what=_WHAT):
        text = _FILE.dump_json(change(kept_bases()), indent=2).decode()
        write_lines(path, text.splitlines(), what=_WHAT)


def _stamps(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        path.relative_to(folder).as_posix(): (stat.st_size, stat.st_mtime_ns)
        for path in files_in(folder)
        for stat in (path.stat(),)
    }
