"""An answer that the policy samples, each clinical phrase of it rewarded by how well it fits the image.

FiSAO-style (Cui et al. 2024, arXiv 2410.14148), not a reproduction: which phrases are judged, what the
standardised excess is divided by and the clip are ours. A phrase is a single term of the lexicon: judged by
the phantom's encoder, terms tell right from wrong as well as joined ones ("left lung") do, and a reward of
one term falls on no other's tokens. Findings that are denied are not judged, for contrastive encoders hardly
read "no"; nor are yes and no, which say nothing without their question.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from statistics import fmean, pstdev
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from training.pairs.step import Draft, Dropped, Part, Similarity, Tools
from zoo.datasets import OpenImage
from zoo.errors import BadInput
from zoo.lexicon import Found, alternatives, find_terms, replace
from zoo.records import Question

CLIP = 3.0
"""Largest reward, either way."""
CALIBRATION_QUESTIONS = 200


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Cosines of right and of hallucinated phrases with their images: mean, standard deviation, how many."""

    mean_right: float
    std_right: float
    right: int
    mean_hallucinated: float
    std_hallucinated: float
    hallucinated: int

    def reward(self, cosine: float) -> float:
        """Standard deviations above the right mean or, negative, below the hallucinated one; 0 between."""
        if cosine > self.mean_right:
            excess = (cosine - self.mean_right) / self.std_right
        elif cosine < self.mean_hallucinated:
            excess = (cosine - self.mean_hallucinated) / self.std_hallucinated
        else:
            excess = 0.0
        return round(min(max(excess, -CLIP), CLIP), 4)


@dataclass(frozen=True)
class PhraseRewards:
    """One sampled answer of the policy becomes the response, with rewards; nothing is rejected."""

    temperature: float = 1.0
    top_p: float = 1.0

    makes: ClassVar[tuple[Part, ...]] = ("rewards",)
    needs_policy: ClassVar[bool] = True

    def run(self, drafts: Sequence[Draft], tools: Tools) -> list[Draft | Dropped]:
        """The drafts with their sampled answers and rewards.

        Raises:
            BadInput: no encoder, or one that cannot tell right phrases from hallucinated ones.
        """
        policy, similarity = tools.need_policy(), tools.similarity
        if similarity is None:
            raise BadInput(
                "rewards compare phrases with the image by a contrastive encoder, and there is none",
                hint="choose a base that declares one, such as --base phantom",
            )
        asked = tools.questions
        calibration = calibrate(
            similarity,  # type: ignore[arg-type]  # mypy: protocols are not hashable, but every object of one is
            asked.questions,
            asked.open_image,
            tools.seed,
        )
        requests = [draft.to_ask() for draft in drafts]
        sampled = policy.samples(requests, n=1, temperature=self.temperature, top_p=self.top_p)
        how: dict[str, Any] = {
            "writer": "the policy's sampled answer",
            "policy": policy.name,
            "weighed_by": f"cosines of {similarity.name}",
            "calibration": asdict(calibration),
        }
        return [
            _rewarded(draft, text, how, similarity, calibration)
            for draft, (text,) in zip(drafts, sampled, strict=True)
        ]


def _rewarded(
    draft: Draft, text: str, how: dict[str, Any], similarity: Similarity, calibration: Calibration
) -> Draft | Dropped:
    if not text.strip():
        return Dropped(draft, "empty answer")
    spans = [(f.start, f.end) for f in judged_terms(text)]
    if not find_terms(text):
        spans = [(0, len(text))]
    if not spans:
        return Dropped(draft, "only yes, no or a denial")
    cosines = _best(similarity, draft.images, [text[start:end] for start, end in spans])
    rewards = [(*span, calibration.reward(c)) for span, c in zip(spans, cosines, strict=True)]
    if not any(reward for _, _, reward in rewards):
        return Dropped(draft, "no reward")
    record = {**how, "cosines": cosines}
    return draft.having(record, chosen=text, rejected=None, rewards=tuple(rewards))


def judged_terms(text: str) -> list[Found]:
    """The clinical terms of a text that an image can be asked about: no yes or no, nothing denied."""
    return [f for f in find_terms(text) if f.group.name != "answer" and not f.negated]


@lru_cache(maxsize=1)
def calibrate(
    similarity: Similarity, questions: tuple[Question, ...], open_image: OpenImage, seed: int
) -> Calibration:
    """How the encoder sees right and hallucinated phrases on a seeded sample of at most
    `CALIBRATION_QUESTIONS` questions whose true answers hold a clinical term.

    Right are the terms of the true answers. Hallucinated is each of them swapped for another of its group
    that some true answer names, so that words which the data never use make nothing look easy.

    Raises:
        BadInput: too few terms, or the right ones fit no better than the hallucinated ones.
    """
    answered = [(question, judged_terms(question.answer)) for question in questions]
    known = {(f.group.name, f.term[0]) for _, terms in answered for f in terms}
    holding = [(question, terms) for question, terms in answered if terms]
    rng = np.random.default_rng([seed, 7])
    picked = [holding[i] for i in rng.permutation(len(holding))[:CALIBRATION_QUESTIONS]]
    right: list[float] = []
    hallucinated: list[float] = []
    for question, terms in picked:
        images = [open_image(name) for name in question.images]
        phrases = [question.answer[f.start : f.end] for f in terms]
        right += _best(similarity, images, phrases)
        swaps = []
        for found, phrase in zip(terms, phrases, strict=True):
            others = [new for new in alternatives(found) if (found.group.name, new) in known]
            if others:
                alone = Found(found.group, found.term, 0, len(phrase))
                swaps.append(replace(phrase, alone, others[int(rng.integers(len(others)))]))
        hallucinated += _best(similarity, images, swaps)
    if min(len(set(right)), len(set(hallucinated))) < 2:
        raise BadInput(
            f"{len(right)} right and {len(hallucinated)} hallucinated phrases in {len(picked)} true answers "
            f"are too few, or too alike to {similarity.name}, to calibrate it on",
            hint="take more questions, or a data set whose answers name what is seen",
        )
    calibration = Calibration(
        mean_right=fmean(right),
        std_right=pstdev(right),
        right=len(right),
        mean_hallucinated=fmean(hallucinated),
        std_hallucinated=pstdev(hallucinated),
        hallucinated=len(hallucinated),
    )
    if calibration.mean_right <= calibration.mean_hallucinated:
        raise BadInput(
            f"{similarity.name} cannot tell right from hallucinated phrases: mean cosines "
            f"{calibration.mean_right:.3f} (of {len(right)}) and {calibration.mean_hallucinated:.3f} "
            f"(of {len(hallucinated)})",
            hint="declare another encoder in the base's file in zoo/bases/",
        )
    return calibration


def _best(similarity: Similarity, images: Sequence[Image.Image], phrases: Sequence[str]) -> list[float]:
    """Each phrase's cosine with the image that it fits best."""
    if not phrases:
        return []
    return [max(cosines) for cosines in zip(*(similarity(image, phrases) for image in images), strict=True)]
