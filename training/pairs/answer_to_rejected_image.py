"""The base's own greedy answer when it sees the rejected image in place of the true one."""

from collections.abc import Sequence

from training.pairs.draft import Answer, Draft, Dropped, Made
from zoo.errors import BadInput


def make(drafts: Sequence[Draft], answer: Answer | None = None) -> list[Made | Dropped]:
    """A rejected response for each draft, asked of the base in one batch."""
    if answer is None:
        raise BadInput("these pairs hold the base's own answers, and no base was loaded")
    requests = []
    for draft in drafts:
        if draft.rejected_images is None:
            raise BadInput(f"{draft.question.id}: the base is to answer a rejected image, and there is none")
        requests.append((draft.rejected_images, draft.question.prompt))
    return [
        Made(text, {"writer": "the base's greedy answer to the rejected image"})
        if text
        else Dropped("empty answer")
        for text in answer(requests)
    ]
