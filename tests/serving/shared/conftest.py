"""A shared database in SQLite and in PostgreSQL, for what must hold in both."""

import pytest

from tests.serving.annotations.conftest import postgres_url as postgres_url
from tests.serving.annotations.conftest import where as where
from tests.serving.shared._server import Server


@pytest.fixture
def servers(where):
    made = []

    def make(*args, **options):
        made.append(Server(where, *args, **options))
        return made[-1]

    yield make
    for one in made:
        one.mirror.close()
        one.store.close()
