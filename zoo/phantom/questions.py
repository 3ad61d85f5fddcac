"""Questions about a drawn scan: closed and open ones of every type, and a short report.

The wording varies with the scan's seed. Closed yes/no questions are answered by yes and by no equally often
over many scans. It draws nothing and knows no splits: `ask` needs only what is on the scan.
"""

from dataclasses import dataclass

import numpy as np

from zoo.phantom import vocabulary as words
from zoo.phantom.scans import WITHOUT_FINDING, Finding, Scan
from zoo.records import AnswerType, ErrorType, Question

YES_NO = ("Yes", "No")


@dataclass(frozen=True, kw_only=True)
class Item:
    """A question about a scan, before it has a place in a data set."""

    question_type: str
    answer_type: AnswerType
    prompt: str
    answer: str
    options: tuple[str, ...] = ()
    error_types: tuple[ErrorType, ...] = ()


class _Voice:
    """Seeded choice of wording."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng([seed, 3])

    def one(self, among: tuple[str, ...]) -> str:
        return among[int(self.rng.integers(len(among)))]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def shuffled(self, among: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(among[i] for i in self.rng.permutation(len(among)))

    def other(self, than: str, among: tuple[str, ...]) -> str:
        return self.one(tuple(word for word in among if word != than))


def questions_about(scan: Scan, *, dataset: str, split: str, image: str) -> list[Question]:
    """Every question about the scan, in a fixed order, as records.

    `image` is the name that the records carry.
    """
    stem = image.rsplit("/", 1)[-1].removesuffix(".png")
    return [
        Question(
            id=f"{dataset}-{split}-{stem}-{number:02d}",
            dataset=dataset,
            split=split,
            images=(image,),
            prompt=item.prompt,
            answer=item.answer,
            answer_type=item.answer_type,
            question_type=item.question_type,
            options=item.options,
            error_types=item.error_types,
        )
        for number, item in enumerate(ask(scan))
    ]


def ask(scan: Scan) -> list[Item]:
    """All questions about one scan: 15 with a finding, 7 without."""
    voice = _Voice(scan.seed)
    items = [*_modality(scan, voice), *_organ(scan, voice), *_presence(scan, voice)]
    if scan.finding is not None:
        items += [*_side(scan, scan.finding, voice), *_zone(scan, scan.finding, voice)]
        items += [*_size(scan, scan.finding, voice), *_kind(scan, scan.finding, voice)]
    return [*items, _report(scan, voice)]


def report(scan: Scan) -> str:
    """The true report: modality and organ, then the finding or that there is none."""
    opening = f"{scan.modality[0].upper()}{scan.modality[1:]} of the {scan.organ}."
    if scan.finding is None:
        return f"{opening} No abnormality is seen."
    finding = scan.finding
    where = f"the {finding.zone} zone of the {words.place(finding.side, scan.organ)}"
    return f"{opening} There is a {finding.size} {finding.kind} in {where}."


def _yes_no(kind: str, prompt: str, truth: bool, error_types: tuple[ErrorType, ...]) -> Item:
    return Item(
        question_type=kind,
        answer_type="closed",
        prompt=prompt,
        answer="Yes" if truth else "No",
        options=YES_NO,
        error_types=error_types,
    )


def _closed(
    voice: _Voice,
    kind: str,
    prompt: str,
    truth: str,
    among: tuple[str, ...],
    error_types: tuple[ErrorType, ...],
) -> Item:
    """A question whose prompt names its options, in seeded order, at `{options}`."""
    options = voice.shuffled(among)
    listed = f"{', '.join(options[:-1])} or {options[-1]}"
    return Item(
        question_type=kind,
        answer_type="closed",
        prompt=prompt.format(options=listed),
        answer=truth,
        options=options,
        error_types=error_types,
    )


def _open(kind: str, prompt: str, truth: str, error_types: tuple[ErrorType, ...]) -> Item:
    return Item(question_type=kind, answer_type="open", prompt=prompt, answer=truth, error_types=error_types)


def _modality(scan: Scan, voice: _Voice) -> list[Item]:
    truth = voice.chance(0.5)
    named = scan.modality if truth else voice.other(scan.modality, words.MODALITIES)
    closed = voice.one(("Is this {a}?", "Is this image {a}?", "Was this scan acquired as {a}?"))
    pair = (scan.modality, voice.other(scan.modality, words.MODALITIES))
    return [
        _yes_no("modality", closed.format(a=words.article(named)), truth, ("MM",))
        if voice.chance(0.6)
        else _closed(voice, "modality", "Is this study {options}?", scan.modality, pair, ("MM",)),
        _open(
            "modality",
            voice.one(
                (
                    "What imaging modality is this?",
                    "Which modality was used to acquire this image?",
                    "What type of scan is shown?",
                    "How was this image taken?",
                )
            ),
            scan.modality,
            ("MM",),
        ),
    ]


def _organ(scan: Scan, voice: _Voice) -> list[Item]:
    truth = voice.chance(0.5)
    named = scan.organ if truth else voice.other(scan.organ, words.ORGANS)
    closed = voice.one(
        ("Does this scan show the {o}?", "Is this an image of the {o}?", "Are we looking at the {o}?")
    )
    pair = (scan.organ, voice.other(scan.organ, words.ORGANS))
    return [
        _yes_no("organ", closed.format(o=named), truth, ("AM",))
        if voice.chance(0.6)
        else _closed(voice, "organ", "Which organ is imaged: {options}?", scan.organ, pair, ("AM",)),
        _open(
            "organ",
            voice.one(
                (
                    "Which organ is shown?",
                    "What organ does this image show?",
                    "What part of the body is imaged?",
                    "Which anatomical structure is examined here?",
                )
            ),
            scan.organ,
            ("AM",),
        ),
    ]


def _presence(scan: Scan, voice: _Voice) -> list[Item]:
    """Two yes/no questions; over many scans half of the answers are Yes."""
    anywhere = voice.one(
        (
            "Is there an abnormality in the {o}?",
            "Is any abnormal finding visible in the {o}?",
            "Do the images of the {o} show a lesion?",
        )
    )
    of_kind = voice.one(
        ("Is there {k} in the {o}?", "Is {k} present in the {o}?", "Can {k} be seen in the {o}?")
    )
    kinds = words.KINDS_FOUND_IN[scan.organ]
    if scan.finding is None:
        absent = of_kind.format(k=words.article(voice.one(kinds)), o=scan.organ)
        first = _yes_no("presence", anywhere.format(o=scan.organ), False, ("AM",))
        return [first, _yes_no("presence", absent, False, ("AM",))]
    even = 1 - 0.5 / (1 - WITHOUT_FINDING)  # share of No that makes Yes and No equal over all scans
    true_kind = words.article(scan.finding.kind)
    items = []
    for general in (True, False):
        if voice.chance(even):
            named = words.article(voice.other(scan.finding.kind, kinds))
            items.append(_yes_no("presence", of_kind.format(k=named, o=scan.organ), False, ("AM",)))
        elif general:
            items.append(_yes_no("presence", anywhere.format(o=scan.organ), True, ("AM",)))
        else:
            items.append(_yes_no("presence", of_kind.format(k=true_kind, o=scan.organ), True, ("AM",)))
    return items


def _side(scan: Scan, finding: Finding, voice: _Voice) -> list[Item]:
    truth = voice.chance(0.5)
    named = finding.side if truth else voice.other(finding.side, words.SIDES)
    closed = voice.one(
        (
            "Is the {k} in the {p}?",
            "Does the {k} lie in the {p}?",
            "Is the {k} located in the {p}?",
        )
    ).format(k=finding.kind, p=words.place(named, scan.organ))
    open_prompt = voice.one(
        (
            "On which side is the {k}?",
            "Which side of the patient is affected by the {k}?",
            "What side is the {k} on?",
        )
    ).format(k=finding.kind)
    return [
        _yes_no("side", closed, truth, ("SLC",))
        if voice.chance(0.6)
        else _closed(
            voice,
            "side",
            f"Is the {finding.kind} on the {{options}} side?",
            finding.side,
            words.SIDES,
            ("SLC",),
        ),
        _open("side", open_prompt, finding.side, ("SLC",)),
    ]


def _zone(scan: Scan, finding: Finding, voice: _Voice) -> list[Item]:
    truth = voice.chance(0.5)
    named = finding.zone if truth else voice.other(finding.zone, words.ZONES)
    whole = words.place(finding.side, scan.organ)
    closed = voice.one(
        (
            "Is the {k} in the {z} zone of the {p}?",
            "Is the {k} confined to the {z} zone of the {p}?",
            "Does the {k} lie in the {z} zone of the {p}?",
        )
    ).format(k=finding.kind, z=named, p=whole)
    narrow = voice.one(
        ("In which zone of the {p} is the {k}?", "Which zone of the {p} does the {k} occupy?")
    ).format(p=whole, k=finding.kind)
    exact = voice.one(
        (
            "Where exactly in the {o} is the {k}?",
            "Give the precise location of the {k} in the {o}.",
            "What is the exact location of the {k} in the {o}?",
        )
    ).format(o=scan.organ, k=finding.kind)
    return [
        _yes_no("zone", closed, truth, ("SLC", "LAS"))
        if voice.chance(0.6)
        else _closed(
            voice,
            "zone",
            f"Is the {finding.kind} in the {{options}} zone?",
            finding.zone,
            words.ZONES,
            ("SLC", "LAS"),
        ),
        _open("zone", narrow, f"{finding.zone} zone", ("SLC", "LAS"))
        if voice.chance(0.5)
        else _open("zone", exact, f"{finding.side} {finding.zone} zone", ("SLC", "LAS")),
    ]


def _size(scan: Scan, finding: Finding, voice: _Voice) -> list[Item]:
    truth = voice.chance(0.5)
    named = finding.size if truth else voice.other(finding.size, words.SIZES)
    closed = voice.one(("Is the {k} {s}?", "Is this a {s} {k}?", "Would you call the {k} {s}?")).format(
        k=finding.kind, s=named
    )
    open_prompt = voice.one(
        ("How large is the {k}?", "What is the size of the {k}?", "How big is the {k}?")
    ).format(k=finding.kind)
    return [
        _yes_no("size", closed, truth, ())
        if voice.chance(0.6)
        else _closed(voice, "size", f"Is the {finding.kind} {{options}}?", finding.size, words.SIZES, ()),
        _open("size", open_prompt, finding.size, ()),
    ]


def _kind(scan: Scan, finding: Finding, voice: _Voice) -> list[Item]:
    truth = voice.chance(0.5)
    kinds = words.KINDS_FOUND_IN[scan.organ]
    named = finding.kind if truth else voice.other(finding.kind, kinds)
    closed = voice.one(
        ("Is the finding {a}?", "Is the lesion in the {o} {a}?", "Does the abnormality represent {a}?")
    ).format(a=words.article(named), o=scan.organ)
    pair = (finding.kind, voice.other(finding.kind, kinds))
    open_prompt = voice.one(
        (
            "What kind of finding is seen in the {o}?",
            "What is the abnormality in the {o}?",
            "What type of lesion is present in the {o}?",
            "What is the main finding?",
        )
    ).format(o=scan.organ)
    return [
        _yes_no("kind", closed, truth, ())
        if voice.chance(0.6)
        else _closed(voice, "kind", "Which describes the finding best: {options}?", finding.kind, pair, ()),
        _open("kind", open_prompt, finding.kind, ()),
    ]


def _report(scan: Scan, voice: _Voice) -> Item:
    prompt = voice.one(
        (
            "Write a short report.",
            "Describe the findings of this scan.",
            "Give a brief radiology report.",
            "Report this study.",
        )
    )
    types: tuple[ErrorType, ...] = ("MM", "AM", "SLC", "LAS") if scan.finding else ("MM", "AM")
    return Item(
        question_type="report", answer_type="report", prompt=prompt, answer=report(scan), error_types=types
    )
