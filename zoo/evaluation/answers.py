"""Stored answers in order: by benchmark, by adapter, by subset; who is base, who is SFT, who is one pool.

Knows no metric. What may not be compared is refused here.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence

from zoo.errors import BadInput
from zoo.records import Prediction, Shown

Where = tuple[str, str]
"""A data set and its split."""
SFT = "sft"
"""The variant that imitates alone."""
_ONE_BY_ONE = "score the files one by one"
Answers = Mapping[str, Prediction]
"""One adapter's answers by question id."""


def benchmarks(predictions: Sequence[Prediction]) -> dict[tuple[Where, Shown], dict[str, Answers]]:
    """One base's answers by benchmark and pictures shown, then by adapter, each of the same questions.

    Raises:
        BadInput: two adapters bear one name, one answers a question twice, or not those of the others.
    """
    weights: dict[str, str] = {}
    found: dict[tuple[Where, Shown], dict[str, dict[str, Prediction]]] = {}
    for p in predictions:
        if (other := weights.setdefault(p.adapter, p.digest)) != p.digest:
            raise BadInput(
                f"two adapters are named {p.adapter}: weights {other[:12] or 'unknown'} and "
                f"{p.digest[:12] or 'unknown'}",
                hint=_ONE_BY_ONE,
            )
        answers = found.setdefault(((p.dataset, p.split), p.shown), {}).setdefault(p.adapter, {})
        if p.question_id in answers:
            raise BadInput(f"{p.adapter} answers the question {p.question_id} twice", hint=_ONE_BY_ONE)
        answers[p.question_id] = p
    for (where, _), by_adapter in found.items():
        first, asked = next((name, answers.keys()) for name, answers in by_adapter.items())
        for name, answers in by_adapter.items():
            if odd := sorted(answers.keys() ^ asked):
                raise BadInput(
                    f"{name} and {first} did not answer the same questions of {'/'.join(where)}: "
                    f"{len(odd)} differ, such as {odd[0]}",
                    hint=_ONE_BY_ONE,
                )
    return {key: dict(by_adapter) for key, by_adapter in found.items()}


def asked(benchmarks: Iterable[Mapping[str, Answers]]) -> list[Prediction]:
    """The questions of some benchmarks' answers by id, each once, whoever answered.

    Raises:
        BadInput: two answers under one id that are not to the same question, or to other pixels.
    """
    found: dict[str, Prediction] = {}
    pixels: dict[str, tuple[str, ...]] = {}
    for p in (p for by_adapter in benchmarks for answers in by_adapter.values() for p in answers.values()):
        first = found.setdefault(p.question_id, p)
        for key in ("images", "prompt", "truth", "answer_type", "question_type", "options", "error_types"):
            if getattr(p, key) != getattr(first, key):
                raise BadInput(
                    f"{first.adapter} and {p.adapter} were not asked the same under {p.question_id} of "
                    f"{p.dataset}/{p.split}: {key} is another",
                    hint=_ONE_BY_ONE,
                )
        known = p.shown == "own" and p.shown_digests
        if known and pixels.setdefault(p.question_id, p.shown_digests) != p.shown_digests:
            raise BadInput(
                f"{first.adapter} and {p.adapter} saw other pixels under {', '.join(p.images)} of "
                f"{p.dataset}/{p.split}",
                hint=_ONE_BY_ONE,
            )
    return [found[key] for key in sorted(found)]


def by_base(predictions: Sequence[Prediction]) -> dict[str, list[Prediction]]:
    """Answers by the base that gave them: adapters are compared on one base alone.

    Raises:
        BadInput: there are none.
    """
    if not predictions:
        raise BadInput("there are no predictions to score", hint="medzoo evaluate --help")
    found: dict[str, list[Prediction]] = {}
    for p in predictions:
        found.setdefault(p.base, []).append(p)
    return found


def pools(predictions: Iterable[Prediction]) -> dict[str, list[str]]:
    """Adapters of one base by their variant; of one pool no two may have the same seed.

    Raises:
        BadInput: adapters of one variant and one seed.
    """
    seeds: dict[str, dict[int, str]] = {}
    for p in predictions:
        other = seeds.setdefault(p.variant, {}).setdefault(p.seed, p.adapter)
        if other != p.adapter:
            raise BadInput(
                f"{other} and {p.adapter} are of one variant and one seed, {p.seed}: no two runs",
                hint="score them without --pool, or leave one out",
            )
    return {variant: list(of_variant.values()) for variant, of_variant in seeds.items()}


def subsets(questions: Sequence[Prediction]) -> dict[str, list[int]]:
    """Places of the questions by subset: all, then answer types, error types and question types by name."""
    found: dict[str, list[int]] = {"all": []}
    kinds: list[set[str]] = [set(), set(), set()]
    for place, q in enumerate(questions):
        of: list[set[str]] = [{q.answer_type}, set(q.error_types), {q.question_type} - {""}]
        for subset in {"all"}.union(*of):
            found.setdefault(subset, []).append(place)
        for kind, names in zip(kinds, of, strict=True):
            kind |= names
    return {subset: found[subset] for subset in ("all", *(name for kind in kinds for name in sorted(kind)))}


def sft_adapter(
    predictions: Iterable[Prediction], named: str | None = None, *, pool: bool = False
) -> str | None:
    """Name under which one base's SFT adapter is scored, or None where there is none.

    With `pool` that is its variant, and `named` may be any adapter of it.

    Raises:
        BadInput: none is named so, or there are several to choose from.
    """
    variants = {p.adapter: p.variant for p in predictions}
    scored = variants if pool else {adapter: adapter for adapter in variants}
    if named:
        if named not in scored and named not in scored.values():
            raise BadInput(f"no adapter is named {named!r} among {', '.join(variants)}")
        return scored.get(named, named)
    found = list(dict.fromkeys(scored[one] for one, variant in variants.items() if variant == SFT))
    if len(found) > 1:
        raise BadInput(
            f"several SFT adapters: {', '.join(found)}", hint="choose one with --sft NAME, or --pool"
        )
    return found[0] if found else None


def benchmark_fingerprint(predictions: Iterable[Prediction]) -> str:
    """sha256 over the questions asked, sorted by id, with the pixels of their own pictures.

    Two scores are comparable only if it is the same. Give the answers to one benchmark.
    """
    asked = {
        p.question_id: [
            *(p.question_id, p.dataset, p.split, p.prompt, p.truth, p.answer_type),
            *(list(p.options), list(p.shown_digests)),
        ]
        for p in predictions
        if p.shown == "own"
    }
    lines = [json.dumps(asked[key], ensure_ascii=False) for key in sorted(asked)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
