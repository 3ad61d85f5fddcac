"""An answer's text while its tokens come: what of it may be said already. Knows no model.

The pieces put together are the text of all tokens, without white space around it and cut before the first
stop text. Held back until it is sure: half a character, white space, what may begin a stop text.
"""

from collections.abc import Callable, Sequence


class Text:
    """The text of one answer, token by token."""

    def __init__(self, decode: Callable[[list[int]], str], stop: Sequence[str] = ()) -> None:
        """`decode` gives the text of token ids from an answer's first on."""
        self._decode = decode
        self._stop = tuple(stop)
        self._ids: list[int] = []
        self._said = ""
        self.ended = False
        """True once a stop text has come."""

    def add(self, token: int) -> str:
        """What may be said after one more token, often nothing."""
        self._ids.append(token)
        text = self._text()
        whole = text.rstrip("\ufffd")  # stands for bytes that are no character yet
        open_ = max((_begun(whole, stop) for stop in self._stop), default=0)
        return self._say((text if self.ended else whole[: len(whole) - open_]).rstrip())

    def rest(self) -> str:
        """What was held back and is said after the last token, as no more will come."""
        return self._say(self._text().rstrip())

    def _text(self) -> str:
        """The text so far from its first character that is no white space, cut before a stop text."""
        text = self._decode(self._ids).lstrip()
        places = [place for stop in self._stop if (place := text.find(stop)) >= 0]
        self.ended = bool(places)
        return text[: min(places)] if places else text

    def _say(self, text: str) -> str:
        """What is new. Nothing while the tokens' text is another one than that said; some tokenizers read
        bytes anew until their character is whole."""
        if not text.startswith(self._said):
            return ""
        new = text[len(self._said) :]
        self._said = text
        return new


def _begun(text: str, stop: str) -> int:
    """Characters at the end of `text` with which `stop` may begin."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
