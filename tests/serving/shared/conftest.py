"""A shared database in SQLite and in PostgreSQL, for what must hold in both."""

from tests.serving.annotations.conftest import postgres_url as postgres_url
from tests.serving.annotations.conftest import where as where
