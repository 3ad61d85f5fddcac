"""Clinical terms by error type and their alternatives: enough to find, compare and swap them.

A group is a set of mutually exclusive terms; each term is a tuple of spellings, the first of which is
written when a swap needs it. The lists are representative, not complete: a text in which nothing is
found is reported as such by whoever asked. Error types after Kim et al. 2026, appendix E.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from zoo.records import ErrorType

Term = tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """Terms of which a true statement holds one and not another."""

    name: str
    error_type: ErrorType | None
    terms: tuple[Term, ...]


@dataclass(frozen=True)
class Found:
    """A term in a text, at characters `start` to `end`."""

    group: Group
    term: Term
    start: int
    end: int


def _terms(*spellings: str) -> tuple[Term, ...]:
    return tuple(tuple(s.split("|")) for s in spellings)


GROUPS: tuple[Group, ...] = (
    Group("modality", "MM", _terms(
        "X-ray|xray|x ray|radiograph|plain film|CXR", "CT|computed tomography|CT scan",
        "MRI|MR|magnetic resonance imaging|magnetic resonance", "ultrasound|sonography|US|echo",
        "PET", "SPECT", "angiography", "fluoroscopy", "mammography|mammogram", "fundus photography|fundus",
        "endoscopy", "OCT",
    )),
    Group("MR sequence", "MM", _terms("T1|T1-weighted", "T2|T2-weighted", "FLAIR", "DWI", "SWI", "GRE")),
    Group("chest organ", "AM", _terms(
        "lung|lungs|pulmonary", "heart|cardiac", "pleura|pleural", "mediastinum|mediastinal",
        "diaphragm", "rib|ribs", "clavicle", "trachea", "aorta", "esophagus|oesophagus", "spine",
    )),
    Group("abdominal organ", "AM", _terms(
        "liver|hepatic", "spleen|splenic", "kidney|kidneys|renal", "adrenal gland|adrenal",
        "pancreas|pancreatic", "stomach|gastric", "small bowel", "colon", "rectum", "bladder",
        "gallbladder", "duodenum",
    )),
    Group("head organ", "AM", _terms(
        "brain", "cerebellum|cerebellar", "ventricle|ventricles", "orbit|eye|eyes", "sinus|sinuses",
        "pharynx", "larynx", "brainstem|brain stem",
    )),
    Group("region", "AM", _terms(
        "chest|thorax|thoracic", "abdomen|abdominal", "head|skull", "neck", "pelvis|pelvic",
    )),
    Group("side", "SLC", _terms("left|left-sided", "right|right-sided", "bilateral|both sides")),
    Group("height", "SLC", _terms("upper", "middle|mid|central", "lower")),
    Group("superior", "SLC", _terms("superior", "inferior")),
    Group("front", "SLC", _terms("anterior", "posterior")),
    Group("depth", "SLC", _terms("medial", "lateral")),
    Group("apex", "SLC", _terms("apical", "basal|basilar")),
    Group("lobe", "LAS", _terms(
        "RUL|right upper lobe", "RML|right middle lobe", "RLL|right lower lobe",
        "LUL|left upper lobe", "LLL|left lower lobe",
    )),
    Group("brain lobe", "LAS", _terms(
        "frontal lobe|frontal", "parietal lobe|parietal", "temporal lobe|temporal",
        "occipital lobe|occipital",
    )),
    Group("quadrant", "LAS", _terms(
        "RUQ|right upper quadrant", "LUQ|left upper quadrant",
        "RLQ|right lower quadrant", "LLQ|left lower quadrant",
    )),
    Group("finding", None, _terms(
        "nodule|nodules", "mass|masses", "cyst|cysts", "effusion|effusions", "consolidation|consolidations",
        "pneumothorax", "pneumonia", "atelectasis", "cardiomegaly", "edema|oedema",
        "hemorrhage|haemorrhage", "infarct|infarction",
        "tumor|tumour|cancer", "fracture", "abscess", "calcification|calcified|calcifications",
    )),
    Group("size", None, _terms("small|tiny", "medium|moderate", "large|big")),
    Group("plane", None, _terms("axial", "coronal", "sagittal")),
    Group("answer", None, _terms("yes", "no")),
)  # fmt: skip


def find_terms(text: str) -> list[Found]:
    """Every clinical term of `text` from left to right; the longest spelling wins, none overlap."""
    pattern, owners = _pattern()
    found = []
    for match in pattern.finditer(text):
        group, term = owners[_key(match.group())]
        found.append(Found(group, term, match.start(), match.end()))
    return found


def facts(text: str) -> frozenset[tuple[str, str]]:
    """What a text states, as (group, first spelling) pairs: to compare two texts by content."""
    return frozenset((f.group.name, f.term[0]) for f in find_terms(text))


def alternatives(found: Found) -> list[str]:
    """First spellings of the other terms of the group."""
    return [term[0] for term in found.group.terms if term is not found.term]


def replace(text: str, found: Found, new: str) -> str:
    """`text` with that term replaced by `new`, keeping a capital at a sentence's beginning."""
    begins = text[: found.start].rstrip()[-1:] in ("", ".", "!", "?")
    if begins and text[found.start].isupper():
        new = new[:1].upper() + new[1:]
    return text[: found.start] + new + text[found.end :]


def error_types(texts: Sequence[str]) -> tuple[ErrorType, ...]:
    """The error types whose terms the texts hold, in the order MM, AM, SLC, LAS."""
    held = {f.group.error_type for text in texts for f in find_terms(text)}
    order: tuple[ErrorType, ...] = ("MM", "AM", "SLC", "LAS")
    return tuple(kind for kind in order if kind in held)


def _key(spelling: str) -> str:
    """Capitals matter for codes such as CT, US and T1 only where they would be words."""
    return spelling if spelling == "US" else spelling.lower()


@cache
def _pattern() -> tuple[re.Pattern[str], dict[str, tuple[Group, Term]]]:
    owners: dict[str, tuple[Group, Term]] = {}
    for group in GROUPS:
        for term in group.terms:
            for spelling in term:
                owners[_key(spelling)] = (group, term)
    spellings = sorted(owners, key=len, reverse=True)
    body = "|".join(s if s == "US" else f"(?i:{re.escape(s)})" for s in spellings)
    return re.compile(rf"(?<![\w-])(?:{body})(?![\w-])"), owners
