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
from zoo.errors import BadInput


def _run(connection: Connection, way: str, to: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(opening._MIGRATIONS))
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


def test_a_database_of_a_newer_version_is_left_alone(where: str) -> None:
    database = Database(where)
    newer = "UPDATE alembic_version SET version_num = '9999'"
    database.write(lambda connection: connection.exec_driver_sql(newer))
    database.close()
    with pytest.raises(BadInput, match="is of a newer version, 9999") as told:
        Database(where)
    assert told.value.hint == "upgrade: pip install --upgrade medvlm-zoo"
