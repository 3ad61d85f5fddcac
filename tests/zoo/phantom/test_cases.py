import csv
import io
import zipfile

from zoo.images import decode
from zoo.phantom.cases import COLUMNS, example_cases


def test_the_example_is_a_table_of_scans_that_open_and_is_the_same_each_time():
    with zipfile.ZipFile(io.BytesIO(example_cases(count=3))) as archive:
        table = list(csv.DictReader(io.StringIO(archive.read("cases.csv").decode())))
        sizes = {
            name: decode(archive.read(name)).size for name in archive.namelist() if name.endswith(".png")
        }
    assert [row["id"] for row in table] == ["1", "2", "3"]
    assert [row["images"] for row in table] == list(sizes) == ["scan-1.png", "scan-2.png", "scan-3.png"]
    assert tuple(table[0]) == COLUMNS
    assert all(row["question"] and row["reference"] and row["modality"] for row in table)
    assert len({row["question"] for row in table}) > 1
    assert example_cases(count=3) == example_cases(count=3)
