"""The rejected response that came with the data set, and its weight, as they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from training.pairs.step import Draft, Dropped, Part, Tools


@dataclass(frozen=True)
class Given:
    """Pairs as given. A question that came without a weight gives a pair without one."""

    makes: ClassVar[tuple[Part, ...]] = ("rejected", "weight")
    needs_policy: ClassVar[bool] = False

    def run(self, drafts: Sequence[Draft], tools: Tools) -> list[Draft | Dropped]:
        found: list[Draft | Dropped] = []
        for draft in drafts:
            given = tools.questions.given.get(draft.question.id)
            if given is None or not given.rejected.strip():
                found.append(Dropped(draft, "no rejected response is given"))
                continue
            how = {"writer": f"given with {tools.questions.name}"}
            if given.weight is not None:
                how["weighed_by"] = how["writer"]
            found.append(draft.having(how, rejected=given.rejected, weight=given.weight))
        return found
