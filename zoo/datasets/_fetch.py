"""A data set's files from its Hub repo, pinned to a commit, brought into a layout that the zoo reads.

Zip archives are unpacked beside the other files. Parquet files of columns image, question and answer, as
`datasets` writes them (data/SPLIT-....parquet), become plain records whose splits are the official ones.
"""

import hashlib
import json
import os
import shutil
import zipfile
from pathlib import Path

from zoo.datasets._plain import QUESTIONS_NAME
from zoo.datasets._rows import yes_no_or_open
from zoo.errors import BadInput
from zoo.hub_access import asking, cache_of, hub_address, hub_api


def fetch_files(name: str, repo: str, revision: str) -> Path:
    """The folder of data set `name` from a repo at a full commit; one fetched before needs no network.

    Raises:
        BadInput: the repo has parquet files, and the package that reads them is not installed.
        NotOnHub: the Hub has no such data set or commit, or not for this user.
        HubUnreachable: the Hub does not answer.
    """
    address = hub_address()
    folder = cache_of(address) / "medvlm-zoo-datasets" / repo.replace("/", "--") / revision
    if folder.is_dir():
        return folder
    api = hub_api(address, None)
    with asking(f"{repo}@{revision}", address):
        api.dataset_info(
            repo, revision=revision
        )  # fails at once, where the download would try again for long
        snapshot = Path(
            api.snapshot_download(repo, repo_type="dataset", revision=revision, cache_dir=cache_of(address))
        )
    part = folder.with_name(f"{revision}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    files = sorted(p for p in snapshot.rglob("*") if p.is_file())
    for path in files:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                archive.extractall(part)
        elif path.suffix != ".parquet":
            copy = part / path.relative_to(snapshot)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    if tables := [path for path in files if path.suffix == ".parquet"]:
        _to_plain_records(tables, part, name)
    os.replace(part, folder)
    return folder


def _to_plain_records(tables: list[Path], out: Path, name: str) -> None:
    """Write the tables' rows as qa.jsonl and images/, a picture once however many rows have it."""
    try:
        from pyarrow.parquet import read_table
    except ImportError as error:
        hint = "pip install 'medvlm-zoo[data]', or give the folder of the official release with --data-dir"
        raise BadInput(f"{name} comes as parquet files, which need pyarrow", hint=hint) from error
    (out / "images").mkdir()
    with (out / QUESTIONS_NAME).open("w", encoding="utf-8") as lines:
        for path in tables:
            split = path.name.partition("-")[0]
            rows = read_table(path, columns=["image", "question", "answer"]).to_pylist()
            for number, row in enumerate(rows):
                picture = row["image"]["bytes"]
                image = f"images/{hashlib.sha256(picture).hexdigest()[:16]}.jpg"
                (out / image).write_bytes(picture)
                record = {
                    "id": f"{name}/{split}-{number}",
                    "dataset": name,
                    "split": f"official-{split}",
                    "image": image,
                    "question": row["question"],
                    "answer": row["answer"],
                    "answer_type": yes_no_or_open(row["answer"]),
                }
                lines.write(json.dumps(record, ensure_ascii=False) + "\n")
