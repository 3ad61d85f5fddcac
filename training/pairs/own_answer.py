"""The policy's own greedy answer to the question, as the rejected response."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from training.pairs.step import Draft, Dropped, Part, Request, Tools


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
            for draft, text in zip(drafts, policy.answers([to_ask(d) for d in drafts]), strict=True)
        ]


def to_ask(draft: Draft, *, prompt: str | None = None, seed: int | None = None) -> Request:
    """What to ask of the policy: the draft's question under its true image, or another prompt about it."""
    return Request(
        question_id=draft.question.id,
        images=draft.images,
        prompt=draft.prompt if prompt is None else prompt,
        seed=draft.seed if seed is None else seed,
    )
