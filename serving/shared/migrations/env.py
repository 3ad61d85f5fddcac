"""Run by Alembic: migrates over the connection that it is handed."""

from alembic import context

from serving.shared.schema import metadata
from serving.shared.store import SHARED

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=SHARED.version_table,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
