"""An archive of cases is read whole or refused with all that is wrong, by file, row and column."""

import io
import json
import stat
import struct
import tracemalloc
import zipfile
from dataclasses import asdict

import pytest

from serving.annotations.archive import Bounds
from serving.annotations.upload import read_upload
from tests.serving.rest._rating import archive, picture, scans
from zoo.errors import BadInput, ImageTooLarge
from zoo.images import Limits, decode
from zoo.records import Question

LIMITS = Limits(max_bytes=100_000)


def read(files, **bounds):
    data = files if isinstance(files, bytes) else archive(files)
    return read_upload(data, limits=LIMITS, bounds=Bounds(max_file=LIMITS.max_bytes, **bounds))


def fault(files, **bounds):
    with pytest.raises(BadInput) as refused:
        read(files, **bounds)
    return refused.value.message


def table(text, **more):
    return {"cases.csv": text, "a.png": picture(), **more}


def test_a_table_and_its_pictures_become_cases_that_hold_no_file_s_name():
    files = table(
        "images,question,reference,modality,id\n"
        'Roe/Jane 1.png,"Left, or right?",Left,CT,c1\nRoe/2.png;a.png,What?,,,\n',
        **{"Roe/Jane 1.png": picture(1), "Roe/2.png": picture(2)},
    )
    one, two = read(files).cases
    assert (one.question_id, one.prompt, one.reference) == ("c1", "Left, or right?", "Left")
    assert (one.modality, one.error_types) == ("CT", ("SLC",))
    assert (two.question_id, two.prompt, two.reference, two.modality) == ("2", "What?", "", "")
    assert [decode(data).getpixel((0, 0)) for data in two.pictures] == [(2, 2, 2), (90, 90, 90)]
    assert "Roe" not in repr([vars(case) for case in (one, two)])
    again, _ = read(files).cases
    assert (again.case_sha256, again.dataset) == (one.case_sha256, one.dataset)
    other, _ = read({**files, "Roe/Jane 1.png": picture(3)}).cases
    assert (other.case_sha256 != one.case_sha256, other.dataset != one.dataset) == (True, True)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffimages;question;id\r\na.png;Frage, größer?;7\r\n",
        "sep=;\r\nImages;Question;ID\r\na.png;Frage, größer?;7\r\n",
        "question\timages\tid\nFrage, größer?\ta.png\t7\n\n",
    ],
)
def test_excel_s_dialects_are_read(text):
    (one,) = read(table(text)).cases
    assert (one.question_id, one.prompt) == ("7", "Frage, größer?")


def test_questions_of_the_zoo_are_read_and_a_folder_around_all_is_passed_over():
    question = Question(
        id="q1",
        dataset="slake",
        split="test",
        images=("pictures/a.png",),
        prompt="Which plane?",
        answer="Axial",
        answer_type="closed",
        question_type="plane",
        options=("Axial", "Coronal"),
        error_types=("AM",),
    )
    line = json.dumps(asdict(question))
    packed = {"set/questions.jsonl": line, "set/pictures/a.png": picture(), "__MACOSX/set/._a.png": b"x"}
    (one,) = read(packed).cases
    assert (one.dataset, one.split, one.question_id, one.reference) == ("slake", "test", "q1", "Axial")
    assert (one.answer_type, one.question_type, one.error_types) == ("closed", "plane", ("AM",))
    assert one.options == ("Axial", "Coronal")


def test_all_faults_are_told_at_once_by_file_row_and_column():
    files = table(
        "images,question,id\na.png,,1\nb.png,Q?,1\n,Q?,2\nbroken.png,Q?,3\na.png,Q?\n",
        **{"broken.png": b"no picture", "unused.png": picture()},
    )
    assert fault(files).split("; ") == [
        "cases.csv, row 6: it has 2 cells and row 1 has 3",
        "cases.csv, row 2, column question: it is empty",
        "cases.csv, row 3, column id: '1' is there already, in cases.csv, row 2",
        "cases.csv, row 4, column images: no image is named",
        "cases.csv, row 3, column images: 'b.png' is not in the archive",
        "cases.csv, row 5, column images: 'broken.png': the file is of no kind known here",
        "'unused.png': no case names this file",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("images,Jane Roe\na.png,x", "row 1: no column may be called 'jane roe'"),
        ("images\na.png", "row 1: there is no column 'question'"),
        ("images,question\n", "cases.csv: it has no case"),
        ('images,question\na.png,"Q?\n', "its quotes do not close"),
        ("images,question\na.png,größer?".encode("cp1252"), "it is not in UTF-8"),
        ("", "there is no column 'images'"),
    ],
)
def test_a_table_that_is_none_is_told(text, expected):
    assert expected in fault(table(text))


@pytest.mark.parametrize(
    "text",
    ["images,Jane Roe\na.png,x", "images\na.png", 'images,question\na.png,"Q?\n', "images,question\na.png\n"],
)
def test_a_table_whose_fault_is_told_is_not_called_empty_as_well(text):
    assert "it has no case" not in fault(table(text))


def test_twenty_faults_are_told_and_the_rest_counted():
    told = fault(table("images,question\n" + "x.png,\n" * 30)).split("; ")
    assert (len(told), told[-1]) == (21, "and 41 more")


def test_an_archive_without_a_table_or_with_two_is_refused():
    assert "needs cases.csv or questions.jsonl, one of them; it has 0" in fault({"a.png": picture()})
    assert "it has 2" in fault(table("images,question\na.png,Q?", **{"questions.jsonl": ""}))
    for data in (b"", b"PK", b"\x89PNG", archive(scans(1))[:-30]):
        assert "no ZIP archive" in fault(data)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"filename": "../a.png"}, "leads out of the archive"),
        ({"filename": "x/..\\..\\a.png"}, "leads out of the archive"),
        ({"filename": "/etc/a.png"}, "absolute"),
        ({"filename": "C:\\a.png"}, "absolute"),
        ({"external_attr": (stat.S_IFLNK | 0o777) << 16}, "a link"),
        ({"external_attr": stat.S_IFIFO << 16}, "a link or no plain file"),
    ],
)
def test_a_file_that_is_none_or_stands_elsewhere_is_refused(change, expected):
    entry = zipfile.ZipInfo("a.png")
    for name, value in change.items():
        setattr(entry, name, value)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr("cases.csv", "images,question\na.png,Q?")
        packed.writestr(entry, picture())
    assert expected in fault(out.getvalue())


def test_an_encrypted_file_and_one_whose_bytes_are_broken_are_refused():
    data = bytearray(archive(table("images,question\na.png,Q?")))
    locked = data.copy()
    for mark, at in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        locked[locked.rindex(mark) + at] |= 1
    assert "'a.png': it is encrypted" in fault(bytes(locked))
    data[data.index(b"a.png") + 40] ^= 0xFF
    assert "'a.png'" in fault(bytes(data))


def test_an_archive_beyond_its_bounds_is_refused_before_it_is_unpacked():
    files = table("images,question\na.png,Q?")
    for bounds in ({"max_bytes": 100}, {"max_files": 1}, {"max_unpacked": 50}):
        with pytest.raises(ImageTooLarge):
            read(files, **bounds)
    bomb = {f"{n}.png": b"\0" * 90_000 for n in range(1500)}
    with pytest.raises(ImageTooLarge, match="when unpacked"):
        read({**files, **bomb})
    assert "the limit is 100000" in fault({**files, "large.png": b"\0" * 100_001})


def test_a_file_that_understates_its_size_is_not_unpacked_beyond_it():
    data = bytearray(archive({**scans(1), "1.png": bytes(50_000_000)}))
    entry = data.rfind(b"PK\x01\x02")
    struct.pack_into("<I", data, entry + 24, 100)
    tracemalloc.start()
    try:
        assert fault(bytes(data)).startswith("'1.png': it is broken")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000
