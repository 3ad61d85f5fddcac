"""The base's own greedy answer when it sees the rejected image in place of the true one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from training.pairs.step import Draft, Dropped, Part, Request, Tools
from zoo.errors import BadInput


@dataclass(frozen=True)
class AnswerToRejectedImage:
    """The rejected response is what the policy says to the rejected image."""

    keep_image: bool = True
    """Whether the pair keeps the rejected image; False where both responses are scored on the clean one."""

    makes: ClassVar[tuple[Part, ...]] = ("rejected",)
    needs_policy: ClassVar[bool] = True

    def run(self, drafts: Sequence[Draft], tools: Tools) -> list[Draft | Dropped]:
        policy = tools.need_policy()
        texts = policy.answers([_request(draft) for draft in drafts])
        how = {"writer": "the policy's greedy answer to the rejected image", "policy": policy.name}
        changes = {} if self.keep_image else {"rejected_images": None}
        return [
            draft.having(how, rejected=text, **changes) if text.strip() else Dropped(draft, "empty answer")
            for draft, text in zip(drafts, texts, strict=True)
        ]


def _request(draft: Draft) -> Request:
    if draft.rejected_images is None:
        raise BadInput(f"{draft.id}: the policy is to answer a rejected image, and there is none")
    return Request(
        question_id=draft.question.id, images=draft.rejected_images, prompt=draft.prompt, seed=draft.seed
    )
