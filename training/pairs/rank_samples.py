"""The policy's own best sample over its worst, by ROUGE-L against the truth: IRPO as in Kim et al. 2026."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from training.pairs.step import Draft, Dropped, Part, Tools


@dataclass(frozen=True)
class RankSamples:
    """Chosen is the sample nearest to the truth by ROUGE-L F1, rejected the farthest; of equals the first."""

    n: int = 20
    temperature: float = 1.2
    top_p: float = 1.0

    makes: ClassVar[tuple[Part, ...]] = ("rejected",)
    needs_policy: ClassVar[bool] = True

    def run(self, drafts: Sequence[Draft], tools: Tools) -> list[Draft | Dropped]:
        from rouge_score.rouge_scorer import RougeScorer  # type: ignore[import-untyped]

        scorer = RougeScorer(["rougeL"])
        policy = tools.need_policy()
        how = {
            "writer": "the policy's own samples",
            "policy": policy.name,
            "judge": "ROUGE-L F1 against the truth",
            "samples": self.n,
            "temperature": self.temperature,
            "top_p": self.top_p,
        }
        requests = [draft.to_ask() for draft in drafts]
        samples = policy.samples(requests, n=self.n, temperature=self.temperature, top_p=self.top_p)
        return [
            _best_over_worst(
                draft.having(how),
                [
                    (scorer.score(draft.chosen, text)["rougeL"].fmeasure, text)
                    for text in texts
                    if text.strip()
                ],
            )
            for draft, texts in zip(drafts, samples, strict=True)
        ]


def _best_over_worst(draft: Draft, scored: Sequence[tuple[float, str]]) -> Draft | Dropped:
    if not scored:
        return Dropped(draft, "empty answer")
    best = max(scored, key=lambda pair: pair[0])
    worst = min(scored, key=lambda pair: pair[0])
    if best[0] == worst[0]:
        return Dropped(draft, "all samples score the same")
    scores = {"chosen": round(best[0], 4), "rejected": round(worst[0], 4)}
    return draft.having({"scores": scores}, chosen=best[1], rejected=worst[1])
