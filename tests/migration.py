"""A new migration, after `schema.py` was changed: `python -m tests.migration "A rating tells its hour"`.

Writes `serving/annotations/migrations/versions/NUMBER_WORDS.py`: what the schema has beyond the migrations.
Read it before it is committed; what becomes of rows that are there is yours to say.
"""

import sys

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from serving.annotations import opening


def main(message: str) -> None:
    """Write the migration, the next by number."""
    config = Config()
    config.set_main_option("script_location", str(opening.RATINGS.migrations))
    number = len(list(ScriptDirectory.from_config(config).walk_revisions())) + 1
    with create_engine("sqlite://").begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        command.revision(config, message, autogenerate=True, rev_id=f"{number:04}")


if __name__ == "__main__":
    main(sys.argv[1])
