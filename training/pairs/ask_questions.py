"""Questions that the policy asks itself about an image: STLLaVA-Med's second stage (arXiv 2406.19973).

A question of its own has no known answer, so its draft loses its truth. Where the policy cannot ask, the
data set's own question stands in, and the pair says so.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from training.pairs.prompts import prompt
from training.pairs.step import Draft, Dropped, Part, Tools, pair_seed

_QUESTION = re.compile(r"[^\s.?!:](?:[^.?!:\n]|\.(?=\d))*\?")


@dataclass(frozen=True)
class AskQuestions:
    """The prompt becomes a sampled question of the policy's."""

    temperature: float = 1.2

    makes: ClassVar[tuple[Part, ...]] = ()
    needs_policy: ClassVar[bool] = True

    def run(self, drafts: Sequence[Draft], tools: Tools) -> list[Draft | Dropped]:
        policy = tools.need_policy()
        if not policy.can_judge:
            return [
                draft.having({"asked_by": "the data set, for a policy that cannot ask"}) for draft in drafts
            ]
        wording = prompt("ask_question")
        requests = [
            draft.to_ask(prompt=wording.text, seed=pair_seed(draft.seed, "question")) for draft in drafts
        ]
        replies = policy.samples(requests, n=1, temperature=self.temperature)
        how = {"asked_by": f"{policy.name} {wording.id}", "asked_at_temperature": self.temperature}
        return [_asked(draft.having(how), reply) for draft, (reply,) in zip(drafts, replies, strict=True)]


def _asked(draft: Draft, reply: str) -> Draft | Dropped:
    """The draft with the first question of the reply, and without a truth."""
    found = _QUESTION.search(reply)
    if not found:
        return Dropped(draft, "no question in the reply")
    asked = replace(
        draft.question, prompt=found.group(), answer="", answer_type="open", options=(), error_types=()
    )
    return replace(draft, question=asked, prompt=found.group(), chosen="")
