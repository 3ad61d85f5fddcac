"""Of pairs that came with the data set, those alone that came with a weight."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from training.pairs.step import Draft, Dropped, Part, Tools


@dataclass(frozen=True)
class Weighed:
    """Drops what no step before it gave a weight, so that none is trained on as if it had one."""

    makes: ClassVar[tuple[Part, ...]] = ()
    needs_policy: ClassVar[bool] = False

    def run(self, drafts: Sequence[Draft], tools: Tools) -> list[Draft | Dropped]:
        return [
            draft if draft.weight is not None else Dropped(draft, "no weight is given") for draft in drafts
        ]
