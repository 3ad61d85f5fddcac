"""The policy's own greedy answer to the question, as the rejected response."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from training.pairs.step import Draft, Dropped, Part, Tools


@dataclass(frozen=True)
class OwnAnswer:
    """The rejected response is what the policy says, right or wrong; one equal to the truth gives no pair."""

    makes: ClassVar[tuple[Part, ...]] = ("rejected",)
    needs_policy: ClassVar[bool] = True

    def run(self, drafts: Sequence[Draft], tools: Tools) -> list[Draft | Dropped]:
        policy = tools.need_policy()
        how = {"writer": "the policy's greedy answer", "policy": policy.name}
        return [
            draft.having(how, rejected=text) if text.strip() else Dropped(draft, "empty answer")
            for draft, text in zip(drafts, policy.answers([d.to_ask() for d in drafts]), strict=True)
        ]
