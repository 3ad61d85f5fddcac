"""What was said of an answer already, so that one that is begun anew says nothing twice and nothing else."""

from dataclasses import replace

from zoo.asking import Piece
from zoo.errors import EngineFailed


class Told:
    """The words that whoever listens has heard, row by row."""

    def __init__(self, rows: int) -> None:
        self._heard = [""] * rows
        self._said = [""] * rows
        self._over: set[int] = set()

    def anew(self) -> None:
        """The answers begin once more, elsewhere."""
        self._said = [""] * len(self._said)

    def new(self, piece: Piece) -> Piece | None:
        """What of a piece is yet to be told; None: nothing.

        Raises:
            EngineFailed: it is not what was told before.
        """
        row = piece.row
        said = self._said[row] = self._said[row] + piece.text
        heard = self._heard[row]
        goes_on = row in self._over and len(said) > len(heard)
        if goes_on or not (said.startswith(heard) or heard.startswith(said)):
            raise EngineFailed(
                "a replica was lost in the middle of its answer, and another one answers otherwise",
                hint="ask again",
            )
        self._heard[row] = max(heard, said, key=len)
        ends = piece.finish is not None and row not in self._over
        if piece.finish is not None:
            if len(said) < len(heard):
                raise EngineFailed(
                    "a replica was lost in the middle of its answer, and another one ends it before",
                    hint="ask again",
                )
            self._over.add(row)
        fresh = said[len(heard) :]
        return replace(piece, text=fresh) if fresh or ends else None
