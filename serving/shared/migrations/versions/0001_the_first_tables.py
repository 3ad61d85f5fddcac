"""The first tables"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "shared_versions",
        sa.Column("what", sa.String(length=400), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("what", name=op.f("pk_shared_versions")),
    )
    op.create_table(
        "shared_keys",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("salt", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_shared_keys")),
    )
    op.create_table(
        "shared_aliases",
        sa.Column("scope", sa.String(length=400), nullable=False),
        sa.Column("alias", sa.String(length=400), nullable=False),
        sa.Column("repo", sa.String(length=200), nullable=False),
        sa.Column("revision", sa.String(length=256), nullable=False),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "alias", name=op.f("pk_shared_aliases")),
    )
    op.create_table(
        "shared_heads",
        sa.Column("scope", sa.String(length=400), nullable=False),
        sa.Column("repo", sa.String(length=200), nullable=False),
        sa.Column("revision", sa.String(length=256), nullable=False),
        sa.Column("sha", sa.String(length=40), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("asked_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("scope", "repo", "revision", name=op.f("pk_shared_heads")),
    )
    op.create_table(
        "shared_buckets",
        sa.Column("client", sa.String(length=400), nullable=False),
        sa.Column("tokens", sa.Float(precision=53), nullable=False),
        sa.Column("filled_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("client", name=op.f("pk_shared_buckets")),
    )
    op.create_table(
        "shared_tries",
        sa.Column("what", sa.String(length=64), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("last", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("what", name=op.f("pk_shared_tries")),
    )
    op.create_table(
        "shared_servers",
        sa.Column("server", sa.String(length=32), nullable=False),
        sa.Column("until", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("server", name=op.f("pk_shared_servers")),
    )
    op.create_table(
        "shared_under_way",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("client", sa.String(length=400), nullable=False),
        sa.Column("server", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shared_under_way")),
    )
    op.create_index(op.f("ix_shared_under_way_client"), "shared_under_way", ["client"])
    op.create_index(op.f("ix_shared_under_way_server"), "shared_under_way", ["server"])


def downgrade() -> None:
    names = ("under_way", "servers", "tries", "buckets", "heads", "aliases", "keys", "versions")
    for name in names:
        op.drop_table(f"shared_{name}")
