"""VQA-RAD (Lau et al. 2018, CC0): radiology questions that clinicians asked of MedPix pictures.

The official folder, or the plain layout (`_plain`):

    VQA_RAD Dataset Public.json (or with _ for blanks)    a list of questions
    VQA_RAD Image Folder/ (or images/)                    synpicN.jpg

A question's phrase_type begins with `test` in the official test split. That split is by question: nearly
all of its pictures are in train, so `train`, `validation` and `test` are split anew by picture and near
duplicate. The Hub repo has no question types, and there a question is closed if its answer is yes or no.
Where a record has a `bbox`, [left, top, right, bottom] in pixels, it is taken as the place of a
finding; the data set does not name what it holds.
"""

from pathlib import Path

from zoo.datasets import Contents, Dataset, HubSource, Region
from zoo.datasets._groups import SPLITS, folder_groups, grouped_notes, leak_notes, split_of
from zoo.datasets._plain import is_plain, read_plain
from zoo.datasets._regions import box_region
from zoo.datasets._rows import Reading, first_of, pictures_in, read_list, safe_name, value
from zoo.errors import BadRecord
from zoo.images import open_image

LAYOUT = "'VQA_RAD Dataset Public.json' and 'VQA_RAD Image Folder/' (osf.io/89kps), or plain records"
FILES = ("VQA_RAD Dataset Public.json", "VQA_RAD_Dataset_Public.json")
FOLDERS = ("VQA_RAD Image Folder", "VQA_RAD_Image_Folder", "images")
PICTURES = "*.jpg"
OFFICIAL = ("official-train", "official-test")
LABEL = "marked region"


def read(folder: Path, split: str) -> Contents:
    """The questions of a split; see `load_questions` for what it raises."""
    if is_plain(folder):
        return read_plain(folder, split, name="vqa-rad", source="vqa-rad")
    rows = read_list(first_of(folder, FILES, layout=LAYOUT))
    images = first_of(folder, FOLDERS, layout=LAYOUT).name
    reading = Reading(dataset="vqa-rad", split=split)
    placed = []
    pictures: dict[str, set[Path]] = {name: set() for name in OFFICIAL}
    boxes: dict[str, set[tuple[float, ...]]] = {}
    for row in rows:
        key = f"vqa-rad/{value(row, 'qid', 'vqa-rad')}"
        image = f"{images}/{safe_name(value(row, 'image_name', key), key)}"
        official = OFFICIAL[str(value(row, "phrase_type", key)).startswith("test")]
        placed.append((row, key, image, official))
        pictures[official].add(folder / image)
        if row.get("bbox"):
            boxes.setdefault(image, set()).add(_corners(row["bbox"], key))
    keys = folder_groups(folder / images, PICTURES, pictures["official-train"] | pictures["official-test"])
    for row, key, image, official in placed:
        if split in (official, split_of(keys[folder / image])):
            reading.add(
                key,
                images=(image,),
                prompt=value(row, "question", key),
                answer=value(row, "answer", key),
                answer_type=value(row, "answer_type", key),
                question_type=row.get("question_type"),
            )

    def regions(name: str) -> tuple[Region, ...]:
        if name not in boxes:
            return ()
        size = open_image(folder / name).size
        return tuple(
            box_region(LABEL, (left, top, right - left, bottom - top), size, where=name)
            for left, top, right, bottom in sorted(boxes[name])
        )

    return Contents(
        questions=tuple(reading.questions),
        open_image=pictures_in(folder),
        regions=regions,
        group_of=lambda name: keys[folder / name],
        notes=(
            *(() if split in OFFICIAL else grouped_notes(set().union(*pictures.values()), keys)),
            *leak_notes(pictures, keys),
            *reading.notes(),
        ),
    )


def _corners(box: object, key: str) -> tuple[float, ...]:
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(v, (int, float)) for v in box):
        raise BadRecord(f"{key}: its bbox {box!r} is not [left, top, right, bottom]")
    return tuple(box)


DATASET = Dataset(
    splits=(*SPLITS, *OFFICIAL),
    license="cc0-1.0",
    about="VQA-RAD: 315 radiology pictures, 2248 questions by clinicians.",
    risks=(
        "Bias: teaching cases from MedPix, chosen because they show something: single slices of head CT or "
        "MR and abdominal CT, and chest X-rays. Whole studies and other parts of the body are not there.",
        "Bias: MedPix is an archive of the USA; age, sex and origin of the patients are not stated, so no "
        "score by group can be given.",
        "Risk: the official split is by question, so nearly all pictures of its test part are in its "
        "training part; scores on it say more of memory than of reading.",
        "Risk: many answers can be guessed from the question alone; look at the image ablation.",
        "Privacy: published teaching pictures without names; some may carry burnt-in letters, and a "
        "rare finding can be recognised by someone who knows the case.",
    ),
    layout=LAYOUT,
    source=HubSource("flaviagiammarino/vqa-rad", "bcf91e7654fb9d51c8ab6a5b82cacf3fafd2fae9"),
    read=read,
)
