"""What is on record of a conversion, in the converted folder: `conversion.json`. Knows no tensor."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from zoo.errors import BadInput
from zoo.vlm.shards import require_finished, write_whole

RECORD_NAME = "conversion.json"


class Record(BaseModel):
    """What was converted, of what, and what was done to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: str
    repo: str
    """The base's repo on the Hub."""
    revision: str
    """Hub commit of the original, or a digest of the files that it was made of."""
    proven: bool
    """Whether it is that commit: by the digests that are published, or by the Hub's."""
    source: str
    files: dict[str, str]
    """sha256 of each file of the source that was read."""
    tower: str
    """Where the vision tower's weights come from."""
    tower_files: dict[str, str] = {}
    """sha256 of the tower's files, where it lay apart."""
    shards: dict[str, str]
    """sha256 of each shard that was written."""
    projector: dict[str, str] = {}
    """sha256 of the tensors of a projector that took the place of the source's."""
    tensors: int
    dropped: list[str]
    """Tensors of the source that follow from its configuration and were left out."""
    image_row: str
    differences: list[str]
    """Where its configuration is not the one that the base declares."""
    versions: dict[str, str]


def write_record(folder: Path, record: Record) -> None:
    """Write `conversion.json`."""
    write_whole(folder / RECORD_NAME, record.model_dump_json(indent=2) + "\n")


def read_record(folder: Path) -> Record | None:
    """What is on record of a converted folder; None if it is none.

    Raises:
        BadInput: the record cannot be read, or the conversion is not finished.
    """
    require_finished(folder)
    path = folder / RECORD_NAME
    if not path.is_file():
        return None
    try:
        return Record.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise BadInput(f"{path} cannot be read: {error.errors()[0]['msg']}") from None
