"""The tables. They change by migrations alone (`migrations/`); a test holds the two together.

Nothing is updated but states, texts that are erased when a work list is closed, and accounts: ratings are
rows that are only ever added. Times are UTC, ISO 8601 with microseconds, as text in every database alike.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from zoo.errors import BadInput

_ONCE = "field IN ('opened', 'done')"

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

accounts = Table(
    "accounts",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("pseudonym", String(32), nullable=False, unique=True),
    Column("made_at", String(32), nullable=False),
    Column("closed_at", String(32)),
)
sessions = Table(
    "sessions",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    Column("account", ForeignKey("accounts.name"), nullable=False),
    Column("made_at", String(32), nullable=False),
    Column("ends_at", String(32), nullable=False),
)
work_lists = Table(
    "work_lists",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("title", Text, nullable=False),
    Column("instructions", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("adapters", JSON, nullable=False),
    Column("overlap", Integer, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("keep", Boolean, nullable=False),
    Column("made_by", String(64), nullable=False),
    Column("made_at", String(32), nullable=False),
    Column("closed_at", String(32)),
)
cases = Table(
    "cases",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("work_list", ForeignKey("work_lists.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("question_id", Text, nullable=False),
    Column("dataset", Text, nullable=False),
    Column("split", Text, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("answer_type", String(16), nullable=False),
    Column("options", JSON, nullable=False),
    Column("question_type", Text, nullable=False),
    Column("error_types", JSON, nullable=False),
    Column("modality", String(16), nullable=False),
    Column("case_sha256", String(64), nullable=False),
    Column("pictures", Integer, nullable=False),
    Column("problem", Text, nullable=False),
    Column("pictures_sha256", String(64), nullable=False, server_default=""),
    UniqueConstraint("work_list", "number"),
)
pictures = Table(
    "pictures",
    metadata,
    Column("case_id", ForeignKey("cases.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)
answers = Table(
    "answers",
    metadata,
    Column("case_id", ForeignKey("cases.id"), primary_key=True),
    Column("adapter", String(256), primary_key=True),
    Column("variant", Text, nullable=False),
    Column("repo", Text, nullable=False),
    Column("sha", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("base", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("answer_sha256", String(64), nullable=False),
    Column("finish", String(8), nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("seed", Integer, nullable=False),
)
assignments = Table(
    "assignments",
    metadata,
    Column("case_id", ForeignKey("cases.id"), primary_key=True),
    Column("rater", ForeignKey("accounts.name"), primary_key=True),
)
clicks = Table(
    "clicks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uid", String(36), nullable=False, unique=True),
    Column("made_at", String(32), nullable=False),
    Column("rater", ForeignKey("accounts.name"), nullable=False),
    Column("case_id", ForeignKey("cases.id"), nullable=False),
    Column("answer_sha256", String(64), nullable=False),
    Column("field", String(16), nullable=False),
    Column("value", Text, nullable=False),
    Column("blind", Boolean, nullable=False),
    Index("ix_clicks_case_rater", "case_id", "rater"),
    Index(
        "uq_clicks_once",
        "case_id",
        "rater",
        "field",
        unique=True,
        sqlite_where=text(_ONCE),
        postgresql_where=text(_ONCE),
    ),
)
acts = Table(
    "acts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("made_at", String(32), nullable=False),
    Column("who", String(64), nullable=False),
    Column("act", String(32), nullable=False),
    Column("what", Text, nullable=False),
)
"""Who did what to which list or account, and never a word of a case."""


def in_range(number: int) -> bool:
    """Whether it can be the id of a row in every database."""
    return 0 < number < 2**31


def check(table: Table, row: Mapping[str, Any]) -> None:
    """See that a row's texts and numbers fit its table in every database: SQLite alone keeps whatever it is
    given.

    Raises:
        BadInput: a text is too long for its column, or holds a NUL or half a surrogate pair; a number has
            more than 32 bits.
    """
    for name, value in row.items():
        if isinstance(value, int) and not -(2**31) <= value < 2**31:
            raise BadInput(f"{name}: a number of more than 32 bits", param=name)
        if not isinstance(value, str):
            continue
        most = getattr(table.c[name].type, "length", None)
        if most is not None and len(value) > most:
            raise BadInput(f"{name}: {len(value)} characters, and at most {most} are kept", param=name)
        if "\0" in value or value != value.encode(errors="ignore").decode():
            raise BadInput(f"{name}: a character that no text can hold", param=name)
