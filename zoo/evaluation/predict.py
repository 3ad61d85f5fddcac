"""Answers of a base and any number of adapters to a question set, all in one pass through the adapter bank.

Needs a model; what the answers are worth is `zoo.evaluation.score`'s to say, without one.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from PIL.Image import Image
from tqdm import tqdm

from zoo.asking import Sampling
from zoo.datasets import QuestionSet
from zoo.errors import BadInput
from zoo.manifest import AdapterManifest, read_manifest
from zoo.records import BASE, Prediction, Question
from zoo.vlm.bank import AdapterBank
from zoo.vlm.decode import Row
from zoo.vlm.encoded import ImageFeatures
from zoo.vlm.generate import Generated, generate
from zoo.vlm.model import VisionLanguageModel

ROWS = 64
"""Rows of one generation batch: questions times adapters."""


def predict(
    vlm: VisionLanguageModel,
    adapters: Sequence[Path],
    questions: QuestionSet,
    *,
    names: Sequence[str] | None = None,
    max_new_tokens: int = 64,
) -> list[Prediction]:
    """Greedy answers of the base (first) and of each adapter folder to every question.

    Each image is encoded once for all adapters. `names` tells adapters of one variant apart; without them
    each has its repo's or its variant's.

    Raises:
        BadAdapter: a folder fails one of the bank's load checks.
        BadInput: two adapters of one name.
    """
    manifests = [read_manifest(folder) for folder in adapters]
    names = [BASE, *(names if names is not None else map(adapter_name, manifests))]
    variants = [BASE, *(m.variant.name for m in manifests)]
    seeds = [0, *(m.training.seed for m in manifests)]
    digests_of = {
        name: pixels_digest(questions.open_image(name))
        for name in dict.fromkeys(image for question in questions.questions for image in question.images)
    }
    if len(set(names)) != len(names):
        raise BadInput(f"two adapters bear one name among {', '.join(names)}")
    bank = AdapterBank(vlm, slots=len(names), max_rank=max([m.lora.r for m in manifests], default=1))
    for slot, (folder, manifest) in enumerate(zip(adapters, manifests, strict=True), start=1):
        bank.load(slot, folder, manifest)
    digests = [bank.resident[slot] for slot in range(len(names))]
    size = max(1, ROWS // len(names))
    sampling = Sampling(max_tokens=max_new_tokens)
    found: list[dict[str, Prediction]] = [{} for _ in names]
    ordered = sorted(
        questions.questions, key=lambda q: (q.answer_type, q.question_type)
    )  # like lengths together
    with tqdm(total=len(questions.questions), desc="answers", unit="question") as bar:
        for start in range(0, len(questions.questions), size):
            batch = ordered[start : start + size]
            features = _encode(vlm, questions, batch)
            rows = [
                Row(feature, question.prompt, slot, sampling)
                for slot in range(len(names))
                for feature, question in zip(features, batch, strict=True)
            ]
            answers = generate(vlm, rows)
            for slot, name in enumerate(names):
                part = answers[slot * len(batch) : (slot + 1) * len(batch)]
                for question, answer in zip(batch, part, strict=True):
                    found[slot][question.id] = _prediction(
                        vlm,
                        question,
                        answer,
                        adapter=name,
                        variant=variants[slot],
                        digest=digests[slot],
                        seed=seeds[slot],
                        shown_digests=tuple(digests_of[image] for image in question.images),
                    )
            bar.update(len(batch))
    return [of_one[question.id] for of_one in found for question in questions.questions]


def adapter_name(manifest: AdapterManifest) -> str:
    """The name an adapter has among predictions: its repo, or its variant before it has one."""
    return manifest.repo or manifest.variant.name


def pixels_digest(image: Image) -> str:
    """sha256 hex of a picture's mode, size and pixels: what a model was shown, whatever the file."""
    head = f"{image.mode} {image.size}\n".encode()
    return hashlib.sha256(head + image.tobytes()).hexdigest()


def _encode(
    vlm: VisionLanguageModel, questions: QuestionSet, batch: Sequence[Question]
) -> list[ImageFeatures]:
    names = list(dict.fromkeys(name for question in batch for name in question.images))
    encoded = vlm.encode_batch([questions.open_image(name) for name in names])
    by_name = dict(zip(names, encoded, strict=True))
    return [ImageFeatures(tuple(by_name[name] for name in question.images)) for question in batch]


def _prediction(
    vlm: VisionLanguageModel,
    question: Question,
    answer: Generated,
    *,
    adapter: str,
    variant: str,
    digest: str,
    seed: int,
    shown_digests: tuple[str, ...],
) -> Prediction:
    return Prediction(
        question_id=question.id,
        dataset=question.dataset,
        split=question.split,
        images=question.images,
        prompt=question.prompt,
        truth=question.answer,
        answer_type=question.answer_type,
        question_type=question.question_type,
        options=question.options,
        error_types=question.error_types,
        base=vlm.base.pinned,
        adapter=adapter,
        variant=variant,
        digest=digest,
        answer=answer.text,
        tokens=answer.tokens,
        finish=answer.finish,
        seed=seed,
        shown_digests=shown_digests,
    )
