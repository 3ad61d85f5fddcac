"""Where the tokens of a batch lie, end to end, and which of them see which. Knows no model."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

Part = tuple[slice, slice, torch.Tensor | None]
"""Which tokens of a row ask, which are asked, and True where one sees the other; None: each sees those
before it."""


@dataclass(frozen=True)
class RowLayout:
    """Where a row's tokens lie, and which of them see which."""

    start: int
    prompt: int
    """Tokens of the prompt."""
    responses: tuple[int, ...]
    """Tokens of each response that are run."""
    two_way: tuple[tuple[int, int], ...]
    """Parts of the prompt whose tokens see each other both ways."""
    masks: dict[int | None, torch.Tensor] = field(default_factory=dict)
    """What sees what, by sliding window."""

    @property
    def asked(self) -> int:
        """Tokens of the row, which all have keys and values."""
        return self.prompt + sum(self.responses)

    @property
    def asking(self) -> int:
        """Tokens that have queries."""
        return self.asked

    @property
    def end(self) -> int:
        """Where the next row begins."""
        return self.start + self.asked

    def parts(self, window: int | None, device: torch.device) -> list[Part]:
        """The prompt's tokens among themselves, and the responses' over the whole row."""
        prompt, responses, all_ = slice(0, self.prompt), slice(self.prompt, self.asked), slice(0, self.asked)
        causal = not self.two_way and (window is None or self.prompt <= window)
        mask = None if causal else self.sees(window, device)[: self.prompt, : self.prompt]
        found: list[Part] = [(prompt, prompt, mask)]
        if self.asked > self.prompt:
            found.append((responses, all_, self.sees(window, device)[self.prompt :]))
        return found

    def sees(self, window: int | None, device: torch.device) -> torch.Tensor:
        """True where a token of the row (first index) sees another, (tokens, tokens)."""
        if window not in self.masks:
            part, place = [torch.zeros(self.prompt, dtype=torch.long)], [torch.arange(self.prompt)]
            for number, count in enumerate(self.responses, start=1):
                part.append(torch.full((count,), number))
                place.append(self.prompt + torch.arange(count))
            parts, places = torch.cat(part), torch.cat(place)
            sees = (parts[None] == 0) | (parts[:, None] == parts[None])
            sees &= places[:, None] >= places[None]
            for start, end in self.two_way:
                sees[start:end, start:end] = True
            if window is not None:  # it ends the past of an image's own tokens too
                sees &= places[:, None] - places[None] < window
            self.masks[window] = sees.to(device)
        return self.masks[window]


@dataclass(frozen=True)
class KeptLayout:
    """A row of which only some tokens ask, and all are asked."""

    row: RowLayout
    kept: Sequence[int]
    """Which of the row's tokens ask."""

    @property
    def asked(self) -> int:
        """Tokens of the row, which all have keys and values."""
        return self.row.asked

    @property
    def asking(self) -> int:
        """Tokens that have queries."""
        return len(self.kept)

    def parts(self, window: int | None, device: torch.device) -> list[Part]:
        """The kept tokens over the whole row."""
        sees = self.row.sees(window, device)[list(self.kept)]
        return [(slice(0, self.asking), slice(0, self.asked), sees)]


def kept_layouts(rows: Sequence[RowLayout], kept: Sequence[int]) -> list[KeptLayout]:
    """The rows' layouts where of all tokens only those at `kept`, in order, ask."""
    return [
        KeptLayout(row, [place - row.start for place in kept if row.start <= place < row.end]) for row in rows
    ]
