"""The commits that names stood for; the limits that each server was given"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
QUOTA = ("per_minute", "burst", "at_once")


def upgrade() -> None:
    op.create_table(
        "shared_commits",
        sa.Column("scope", sa.String(length=400), nullable=False),
        sa.Column("repo", sa.String(length=200), nullable=False),
        sa.Column("revision", sa.String(length=256), nullable=False),
        sa.Column("sha", sa.String(length=40), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "repo", "revision", "sha", name=op.f("pk_shared_commits")),
    )
    for name in QUOTA:
        op.add_column("shared_servers", sa.Column(name, sa.Integer(), nullable=True))


def downgrade() -> None:
    for name in QUOTA:
        op.drop_column("shared_servers", name)
    op.drop_table("shared_commits")
