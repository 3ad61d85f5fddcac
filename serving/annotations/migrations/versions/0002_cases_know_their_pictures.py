"""Cases know their pictures"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    column = sa.Column("pictures_sha256", sa.String(length=64), server_default="", nullable=False)
    op.add_column("cases", column)


def downgrade() -> None:
    op.drop_column("cases", "pictures_sha256")  # no batch, which would drop the table that others refer to
