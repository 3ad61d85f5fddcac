"""Where the last whole sentence of a text ends, so that one that was cut off is not read as if it were whole.

It reads reports as they are written, in English mostly, by rules; where these cannot tell, there is no end.
"""

import re

_ENDS = re.compile(r"""[.!?]+["'”’)\]*_]*(?=\s|$)|[。！？]["”’）】]*|\n""")
"""What may end a sentence: its mark with what closes behind it, or a line's end."""
_SHORT = frozenset(
    {"al", "approx", "ca", "cf", "dept", "dr", "ed", "est", "fig", "figs", "hx", "incl", "jr", "lt", "mr"}
    | {"mrs", "ms", "mt", "pat", "prof", "pt", "resp", "rt", "sr", "st", "vol", "vs"}
)
"""Words with a stop that stand before capitals and numbers. No units: `It measures 5 cm.` is a sentence."""


def whole_sentences(text: str) -> str:
    """A text that was cut off, up to the end of its last whole sentence or line; all of it if it has none.

    A stop ends no sentence behind an abbreviation, a single letter or a number (`1.` may have been going on
    as `1.5 cm`, or count a list), nor before a small letter or a number that counts nothing. A line's end
    ends none behind a heading, nor before a small letter.
    """
    ends = [found.end() for found in _ENDS.finditer(text) if _is_end(text, found)]
    return text[: ends[-1]].rstrip() if ends else text


def _is_end(text: str, found: re.Match[str]) -> bool:
    line, after = text[: found.start()].rpartition("\n")[2], text[found.end() :].lstrip()
    if found[0] == "\n":
        bare = line.strip(" \t*_")
        heading = not bare or bare.endswith(":") or line.startswith("#") or line.strip().endswith("**")
        return not heading and not after[:1].islower()
    if found[0][0] != ".":
        return True
    word = re.split(r"[\s([\"'“‘/-]", line)[-1].strip("*_").casefold()
    short = word in _SHORT or len(word) <= 1 or "." in word or not re.search(r"[^\W\d]", word)
    goes_on = after[:1].islower() or re.match(r"\d+(?![.)]\s|\d)", after)
    return (not short or found[0].startswith("..")) and not goes_on
