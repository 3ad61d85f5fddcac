"""What an evaluation asks of whom, in which batches, and all that decides its answers.

It reads questions and pictures, and of a base its tokenizer: no weights are needed, so that who hands out the
work and who does it can each work out the same plan.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zoo.datasets import QuestionSet
from zoo.errors import BadInput
from zoo.evaluation.ablation import ablation_notes, asked_again, others
from zoo.evaluation.asked import Asked, in_batches
from zoo.evaluation.pictures import Gallery, Keys
from zoo.evaluation.run import versions, where
from zoo.manifest import AdapterManifest
from zoo.records import BASE, Prediction
from zoo.vlm.model import VisionLanguageModel


@dataclass(frozen=True, kw_only=True)
class Answerer:
    """Who answers: the base, or an adapter."""

    name: str
    variant: str
    digest: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """An evaluation before anybody has answered."""

    answerers: list[Answerer]
    """The base first."""
    asked: list[Asked]
    """In the order of the predictions."""
    batches: list[tuple[Asked, ...]]
    """The same in the order of asking."""
    notes: list[list[str]]
    """Of each benchmark, what can be said of its image ablation."""
    gallery: Gallery
    max_tokens: int
    precision: str
    job: Mapping[str, Any]
    """All that decides the answers, JSON-ready."""

    def due(self, number: int) -> list[tuple[Answerer, Asked]]:
        """The answers to a batch, in their order: everyone's to each question, the base's first."""
        return [(answerer, one) for answerer in self.answerers for one in self.batches[number]]

    def in_order(self, answers: Sequence[Prediction]) -> list[Prediction]:
        """Answers in the order of the predictions."""
        pairs = ((answerer, one) for answerer in self.answerers for one in self.asked)
        place = {(answerer.name, *one.key): n for n, (answerer, one) in enumerate(pairs)}
        return sorted(answers, key=lambda p: place[p.adapter, p.dataset, p.split, p.shown, p.question_id])


def planned(
    vlm: VisionLanguageModel,
    manifests: Sequence[AdapterManifest],
    benchmarks: Sequence[QuestionSet],
    *,
    names: Sequence[str] | None,
    max_tokens: int,
    ablation: int,
    seed: int,
    rows: int,
    precision: str | None = None,
    keys: Keys | None = None,
) -> Plan:
    """The plan of an evaluation; see `zoo.evaluation.predict.predict`.

    `vlm` may be an outline; then `precision` is what the base will run in. `keys` are those of a gallery of
    the same benchmarks, so that no picture is opened here.

    Raises:
        BadInput: two adapters of one name, two benchmarks of one name, or a question with more images than
            the base takes.
    """
    if twice := _twice(["/".join(where(b)) for b in benchmarks]):
        raise BadInput(f"the benchmark {twice} is asked for twice", hint="name each once")
    for question in (question for benchmark in benchmarks for question in benchmark.questions):
        if not 1 <= len(question.images) <= vlm.base.max_images:
            raise BadInput(
                f"{question.id} has {len(question.images)} images; {vlm.base.name} takes 1 to "
                f"{vlm.base.max_images} in a question"
            )
    answerers = _answerers(manifests, names)
    gallery = Gallery(benchmarks, keys)
    asked, notes = _asked(benchmarks, gallery, ablation=ablation, seed=seed)
    precision = precision or vlm.precision
    return Plan(
        answerers=answerers,
        asked=asked,
        batches=in_batches(
            asked,
            max(1, rows // len(answerers)),
            length=lambda prompt: len(vlm.tokenizer(prompt, add_special_tokens=False)["input_ids"]),
        ),
        notes=notes,
        gallery=gallery,
        max_tokens=max_tokens,
        precision=precision,
        job={
            "base": f"{vlm.base.pinned} {precision}",
            "adapters": [f"{a.name} {a.digest}" for a in answerers[1:]],
            "benchmarks": [
                f"{'/'.join(where(b))} {gallery.fingerprint(n)}" for n, b in enumerate(benchmarks)
            ],
            "max tokens": max_tokens,
            "ablation": ablation,
            "seed": seed,
            "batch size": rows,
            "versions": versions(),
        },
    )


def adapter_name(manifest: AdapterManifest) -> str:
    """The name an adapter has among predictions: its repo, or its variant before it has one."""
    return manifest.repo or manifest.variant.name


def adapter_names(manifests: Sequence[AdapterManifest]) -> list[str]:
    """The names of some adapters; those of one name are told apart by their training's seed.

    Raises:
        BadInput: they have one seed too.
    """
    plain = [adapter_name(manifest) for manifest in manifests]
    names = [
        f"{name}-seed{manifest.training.seed}" if plain.count(name) > 1 else name
        for name, manifest in zip(plain, manifests, strict=True)
    ]
    if twice := _twice([BASE, *names]):
        raise BadInput(f"two adapters bear the name {twice}", hint="evaluate one of them, or each by itself")
    return names


def _twice(names: Sequence[str]) -> str | None:
    return next((name for name, count in Counter(names).items() if count > 1), None)


def _answerers(manifests: Sequence[AdapterManifest], names: Sequence[str] | None) -> list[Answerer]:
    named = adapter_names(manifests) if names is None else names
    if twice := _twice([BASE, *named]):
        raise BadInput(f"two adapters bear the name {twice}")
    return [
        Answerer(name=BASE, variant=BASE, digest="", seed=0),
        *(
            Answerer(name=name, variant=m.variant.name, digest=m.weights_sha256, seed=m.training.seed)
            for name, m in zip(named, manifests, strict=True)
        ),
    ]


def _asked(
    benchmarks: Sequence[QuestionSet], gallery: Gallery, *, ablation: int, seed: int
) -> tuple[list[Asked], list[list[str]]]:
    """All that is asked, in the order of the predictions, and what can be said of it by benchmark."""
    asked, notes = [], []
    for number, benchmark in enumerate(benchmarks):

        def key(name: str, number: int = number) -> str:
            return gallery.key(number, name)

        again = asked_again(benchmark, ablation, seed=seed)
        of_one_patient = [key, *filter(None, [benchmark.group_of])]
        other = others((q.images for q in benchmark.questions), of_one_patient, seed=seed) if again else {}
        asked += [Asked(q, "own", tuple(map(key, q.images))) for q in benchmark.questions]
        asked += [
            Asked(q, "noise", tuple(gallery.noise_key(number, name) for name in q.images)) for q in again
        ]
        swapped = [Asked(q, "other", tuple(map(key, other[q.images]))) for q in again if q.images in other]
        asked += swapped
        notes.append(ablation_notes(benchmark, noise=len(again), other=len(swapped)))
    return asked, notes
