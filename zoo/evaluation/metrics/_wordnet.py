"""WordNet for METEOR's synonyms, from wherever it lies: nltk's own data, $WNSEARCHDIR, Debian's folder.

It is never fetched. Debian's packages wordnet-base and wordnet-sense-index suffice as they are: they lack the
file `lexnames` that nltk reads first, in which METEOR looks nothing up. Versions of WordNet differ in their
synonyms; Debian's and nltk's `wordnet` are 3.0.
"""

import io
import os
import warnings
from functools import cache
from pathlib import Path
from typing import Any

from zoo.errors import NotInstalled
from zoo.evaluation.metrics._library import library

DEBIAN = Path("/usr/share/wordnet")
FOLDER = "WNSEARCHDIR"
"""Environment variable of WordNet's own programs: the folder of its files."""
STEP = "apt-get install wordnet-base wordnet-sense-index, or python -m nltk.downloader wordnet"
_LEXICOGRAPHER_FILES = 45


@cache
def wordnet() -> Any:
    """The reader of WordNet, as nltk has it.

    Raises:
        NotInstalled: nltk is not installed, WordNet is nowhere to be found, or it lacks a file.
    """
    corpus = library("nltk.corpus")
    named = os.environ.get(FOLDER)
    if not named:
        try:
            corpus.wordnet.ensure_loaded()
            return corpus.wordnet
        except LookupError:
            pass
    folder = Path(named) if named else DEBIAN
    if not (folder / "data.noun").is_file():
        raise NotInstalled(
            f"METEOR needs WordNet, which is neither among nltk's data nor in {folder}",
            hint=f"{STEP}, or {FOLDER}=FOLDER with its files",
        )
    try:
        return read_wordnet(folder)
    except OSError as error:
        raise NotInstalled(f"WordNet in {folder} is not whole: {error}", hint=STEP) from error


def read_wordnet(folder: Path) -> Any:
    """A reader of the WordNet files in `folder`, with or without `lexnames`."""
    plain = library("nltk.corpus.reader.wordnet").WordNetCorpusReader
    allowed = library("nltk.data").path  # nltk opens nothing outside of these folders
    if str(folder) not in allowed:
        allowed.append(str(folder))

    def opened(self: Any, file: str) -> Any:
        if file == "lexnames" and not (folder / file).is_file():
            return io.StringIO("".join(f"{n:02d}\tfile-{n}\t0\n" for n in range(_LEXICOGRAPHER_FILES)))
        return plain.open(self, file)

    def unmapped(self: Any) -> None:
        """Other languages' data are mapped to version 3.0, which nltk would look for here."""

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The multilingual functions")
        return type("WordNet", (plain,), {"open": opened, "map_wn": unmapped})(str(folder), None)
