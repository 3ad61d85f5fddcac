"""What leaves a list, as bytes made in memory: ratings as a table or records, a data set, pairs to train on.

The same list gives the same bytes. Raters go by their pseudonyms; what they wrote freely can name people, so
comments come out only when asked for. It knows no HTTP and no Hub.
"""

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from model_cards import rating_set
from serving.annotations.desk import Desk
from serving.annotations.rating_report import rating_report
from serving.annotations.records import CANNOT_JUDGE
from serving.annotations.results import ratings_by_list
from serving.annotations.shown import Shown, is_erased, shown
from serving.annotations.terms import terms_of
from zoo.datasets.rated import PAIRS_NAME, TERMS_NAME
from zoo.errors import BadInput
from zoo.evaluation.rated_cases import opinions, pool
from zoo.evaluation.rated_pairs import SCALE, pairs_of
from zoo.evaluation.sheets import harmless
from zoo.records import PREDICTIONS_NAME, AnyRecord, Rating, Severity, to_line

Kind = Literal["ratings.csv", "ratings.jsonl", "dataset.zip", "pairs.zip"]
KINDS: tuple[Kind, ...] = get_args(Kind)
RATINGS_NAME, QUESTIONS_NAME, REPORT_NAME = "ratings.jsonl", "questions.jsonl", "ratings.json"
_THE_FIRST_DAY = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a ZIP can state."""


def export(desk: Desk, work_list: str, kind: Kind, **how: Any) -> bytes:
    """A list's ratings in that form, as one file; see `export_files`."""
    files = export_files(desk, work_list, kind, **how)
    return zipped(files) if kind.endswith(".zip") else files[kind]


def export_files(
    desk: Desk,
    work_list: str,
    kind: Kind,
    *,
    also: Sequence[str] = (),
    images: bool = False,
    comments: bool = False,
    reference: bool = False,
    scale: Mapping[Severity, float] = SCALE,
) -> dict[str, bytes]:
    """The same as files by name. Ratings as a table or records can be those of further lists `also`. `images`
    is for the data set; pairs always hold theirs. `reference` and `scale` are for the pairs, see
    `zoo.evaluation.rated_pairs`.

    Raises:
        UnknownName: there is no such list.
        BadInput: nobody is done with a case yet, what is asked for is erased, or the lists cannot be pooled.
    """
    if also and kind.endswith(".zip"):
        raise BadInput(
            f"{kind} is of one list, and {1 + len(also)} are named",
            hint="ratings.csv and ratings.jsonl can be of several",
        )
    if kind == "dataset.zip":
        return dataset_files(desk, work_list, images=images, comments=comments)
    if kind == "pairs.zip":
        return pair_files(desk, work_list, reference=reference, scale=scale)
    found = _ratings(desk, [work_list, *also], comments)
    return {kind: ratings_csv(found, comments=comments) if kind == "ratings.csv" else _lines(found)}


def parse_weights(words: str | None) -> Mapping[Severity, float]:
    """`NONE,MINOR,SEVERE` as the scale of weights; None is the zoo's own.

    Raises:
        BadInput: they are not three numbers.
    """
    if words is None:
        return SCALE
    try:
        none, minor, severe = map(float, words.split(","))
    except ValueError:
        raise BadInput(
            f"the weights are {words[:80]!r}", hint="three numbers from 0 to 1, such as 0.25,0.5,1"
        ) from None
    return {"none": none, "minor": minor, "severe": severe}


def ratings_csv(ratings: Sequence[Rating], *, comments: bool) -> bytes:
    """A table for spreadsheets, a rating a row; no cell of it is run as a formula."""
    names = [one.name for one in fields(Rating) if comments or one.name != "comment"]
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(names)
    for rating in ratings:
        row = asdict(rating) | {
            "misunderstanding": rating.misunderstanding or CANNOT_JUDGE,
            "error_types": " ".join(rating.error_types),
            "rank": "" if rating.rank is None else rating.rank,
        }
        table.writerow([harmless(str(row[name])) for name in names])
    return ("\ufeff" + text.getvalue()).encode()  # the mark by which spreadsheets know UTF-8


def dataset_files(
    desk: Desk,
    work_list: str,
    *,
    images: bool = False,
    comments: bool = False,
    license: str = "",
    title: str = "Ratings",
) -> dict[str, bytes]:
    """The files of a Hub data set by name: ratings with no more of their time than the day, what raters said
    of a case again after all that they said first, and what was rated as far as it is kept. `license` is the
    operator's own, see `serving.annotations.terms`.

    Raises:
        UnknownName: there is no such list.
        BadInput: nobody is done with a case yet, the pictures are erased, or the licence is too wide.
    """
    told = sorted(opinions(_finished(desk, work_list, comments)), key=lambda one: one.time)
    ratings = [replace(one.rating, made_at=one.rating.made_at[:10]) for one in told]
    if images and is_erased(desk, work_list):
        raise _erased(work_list, "pictures")
    seen = _shown(desk, work_list, ratings)
    files = {RATINGS_NAME: _lines(ratings)}
    if seen.questions:
        files |= {PREDICTIONS_NAME: _lines(seen.predictions), QUESTIONS_NAME: _lines(seen.questions)}
    if images:
        files |= seen.pictures
    answers = [one for said in desk.lists.answers_of_list(work_list).values() for one in said]
    terms = terms_of({r.dataset for r in ratings}, {one.base for one in answers}, claimed=license)
    report = rating_report(
        ratings,
        answers,
        overlap=desk.lists.get(work_list).overlap,
        texts=bool(seen.questions),
        images=len(seen.pictures) if images else 0,
        comments=comments,
        **asdict(terms),
        fingerprint=_fingerprint(files),
    )
    card = rating_set.render(report, repo=title).encode()
    return files | {REPORT_NAME: _json(report), rating_set.README_NAME: card}


def pair_files(
    desk: Desk, work_list: str, *, reference: bool = False, scale: Mapping[Severity, float] = SCALE
) -> dict[str, bytes]:
    """The files of a folder that `medzoo train --dataset rated --data-dir FOLDER` takes, by name.

    Raises:
        UnknownName: there is no such list.
        BadInput: nobody is done with a case yet, its texts and pictures are erased, the ratings make no pair,
            or the weights cannot be.
    """
    ratings = _finished(desk, work_list, False)
    if is_erased(desk, work_list):
        raise _erased(work_list, "answers")
    seen = _shown(desk, work_list, ratings)
    pairs, left_out = pairs_of(ratings, seen.predictions, scale=scale, reference=reference)
    if not pairs:
        why = "; ".join(f"{count}: {reason}" for reason, count in left_out.items())
        raise BadInput(f"the ratings of {work_list} make no pair ({why or 'one answer a case'})")
    terms = terms_of({q.dataset for q in seen.questions}, {p.base for p in seen.predictions})
    named = {name for pair in pairs for name in pair.images}
    report: dict[str, Any] = {
        **asdict(terms),
        "pairs": len(pairs),
        "questions": len({pair.id.rpartition("/")[0] for pair in pairs}),
        "raters": len({r.rater for r in ratings}),
        "reference": reference,
        "weights": dict(scale),
        "left_out": left_out,
    }
    return {
        PAIRS_NAME: _lines(pairs),
        TERMS_NAME: _json(report),
        rating_set.README_NAME: rating_set.render_pairs(report).encode(),
        **{name: data for name, data in seen.pictures.items() if name in named},
    }


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A ZIP of the files, the same bytes for the same files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _THE_FIRST_DAY)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name], compress_type=zipfile.ZIP_DEFLATED)
    return made.getvalue()


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files into the folder, which is made."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _ratings(desk: Desk, work_lists: Sequence[str], comments: bool) -> list[Rating]:
    found = pool(ratings_by_list(desk, work_lists))
    return found if comments else [replace(one, comment="") for one in found]


def _finished(desk: Desk, work_list: str, comments: bool) -> list[Rating]:
    found = _ratings(desk, [work_list], comments)
    if not found:
        raise BadInput(f"nobody is done with a case of {work_list} yet")
    return found


def _shown(desk: Desk, work_list: str, ratings: Iterable[Rating]) -> Shown:
    return shown(desk, work_list, only={(one.dataset, one.split, one.question_id) for one in ratings})


def _erased(work_list: str, what: str) -> BadInput:
    return BadInput(
        f"the {what} of {work_list} were erased when it was closed", hint="the ratings themselves are kept"
    )


def _lines(records: Iterable[AnyRecord]) -> bytes:
    return "".join(map(to_line, records)).encode()


def _json(data: Mapping[str, Any]) -> bytes:
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()


def _fingerprint(files: Mapping[str, bytes]) -> str:
    """sha256 over the files, by name and content."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name} {hashlib.sha256(files[name]).hexdigest()}\n".encode())
    return digest.hexdigest()
