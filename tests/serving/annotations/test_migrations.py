"""Migrations: they give the tables that the program uses, and take them away again."""

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect

from serving.annotations import opening
from serving.annotations.database import Database
from serving.annotations.desk import Desk
from serving.annotations.schema import metadata
from tests.serving.annotations._store import add_list, add_raters
from zoo.errors import BadInput


def _run(connection: Connection, way: str, to: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(opening.RATINGS.migrations))
    config.attributes["connection"] = connection
    getattr(command, way)(config, to)


def _tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


def test_the_migrations_give_the_tables_of_the_schema(desk: Desk) -> None:
    with desk.database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert _tables(connection) == {*metadata.tables, "alembic_version"}
        for name, table in metadata.tables.items():
            indexes = inspect(connection).get_indexes(name)
            assert {index["name"] for index in indexes if not index.get("duplicates_constraint")} == {
                index.name for index in table.indexes
            }


def test_they_go_down_to_nothing_and_up_again(where: str) -> None:
    Database(where).close()
    engine = opening.connect(opening.address(where), writes=True)
    with engine.begin() as connection:
        _run(connection, "downgrade", "base")
        assert _tables(connection) == {"alembic_version"}
        _run(connection, "upgrade", "head")
        assert _tables(connection) == {*metadata.tables, "alembic_version"}
    engine.dispose()


def test_cases_from_before_their_pictures_were_known_are_kept_without(where: str) -> None:
    desk = Desk(where)
    add_raters(desk, "ana")
    add_list(desk, "ana", cases=1, overlap=1)
    desk.close()
    engine = opening.connect(opening.address(where), writes=True)
    with engine.begin() as connection:
        _run(connection, "downgrade", "0001")
    engine.dispose()
    desk = Desk(where)
    (made,) = desk.lists.all()
    assert [(case.question_id, case.pictures_sha256) for case in desk.lists.cases(made.id)] == [("q1", "")]
    assert len(desk.lists.answers_of_list(made.id)) == 1
    desk.close()


def test_a_database_of_a_newer_version_is_left_alone(where: str) -> None:
    database = Database(where)
    newer = "UPDATE alembic_version SET version_num = '9999'"
    database.write(lambda connection: connection.exec_driver_sql(newer))
    database.close()
    with pytest.raises(BadInput, match="is of a newer version, 9999") as told:
        Database(where)
    assert told.value.hint == "upgrade: pip install --upgrade medvlm-zoo"
