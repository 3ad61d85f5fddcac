"""The tables that several servers share. They change by migrations alone (`migrations/`).

Their names begin with `shared_`, so that they may lie in the database of the ratings. Times are seconds since
1970, by the database's own clock.
"""

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, MetaData, String, Table

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_name)s", "pk": "pk_%(table_name)s"}
)

versions = Table(
    "shared_versions",
    metadata,
    Column("what", String(400), primary_key=True),
    Column("version", BigInteger, nullable=False),
)
"""Counts the changes of the keys and of each scope's names, so that one row tells whether there are any."""
keys = Table(
    "shared_keys",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("salt", String(32), nullable=False),
    Column("digest", String(64), nullable=False),
)
aliases = Table(
    "shared_aliases",
    metadata,
    Column("scope", String(400), primary_key=True),
    Column("alias", String(400), primary_key=True),
    Column("repo", String(200), nullable=False),
    Column("revision", String(256), nullable=False),
    Column("gone", Boolean, nullable=False),
)
"""A name that was taken away stays as `gone`, so that a server that starts does not bring it back."""
heads = Table(
    "shared_heads",
    metadata,
    Column("scope", String(400), primary_key=True),
    Column("repo", String(200), primary_key=True),
    Column("revision", String(256), primary_key=True),
    Column("sha", String(40), nullable=False),
    Column("turn", Integer, nullable=False),
    Column("asked_at", Float(53), nullable=False),
)
"""The commit that all servers of a scope stand on; `turn` counts what was written."""
commits = Table(
    "shared_commits",
    metadata,
    Column("scope", String(400), primary_key=True),
    Column("repo", String(200), primary_key=True),
    Column("revision", String(256), primary_key=True),
    Column("sha", String(40), primary_key=True),
    Column("turn", Integer, nullable=False),
)
"""The commits that a revision stood for while a name had it, by the turns of `heads`: what one of them
answered can be asked for again."""
buckets = Table(
    "shared_buckets",
    metadata,
    Column("client", String(400), primary_key=True),
    Column("tokens", Float(53), nullable=False),
    Column("filled_at", Float(53), nullable=False),
)
tries = Table(
    "shared_tries",
    metadata,
    Column("what", String(64), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("last", Float(53), nullable=False),
)
"""Tries at passwords, by digests of names and addresses: a name that was typed may be a password."""
servers = Table(
    "shared_servers",
    metadata,
    Column("server", String(32), primary_key=True),
    Column("until", Float(53), nullable=False),
    Column("per_minute", Integer),
    Column("burst", Integer),
    Column("at_once", Integer),
)
"""The servers that live, as long as they say so again and again, and the limits that each was given."""
under_way = Table(
    "shared_under_way",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("client", String(400), nullable=False),
    Column("server", String(32), nullable=False),
    Index(None, "client"),
    Index(None, "server"),
)
"""The requests under way; those of a server that lives no more do not count."""
