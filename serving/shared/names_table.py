"""The names of one scope, a base with its Hub, and the commits that revisions stand for. Asks no Hub."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, insert, select, text, update

from serving.shared import schema
from serving.shared.store import Store
from serving.shared.versions import changed
from zoo.hub import RepoRef

MOST_COMMITS = 64
"""Of one revision that are remembered."""
_STOOD = text(
    "INSERT INTO shared_commits (scope, repo, revision, sha, turn) "
    "VALUES (:scope, :repo, :revision, :sha, :turn) "
    "ON CONFLICT (scope, repo, revision, sha) DO UPDATE SET turn = excluded.turn"
)
_OLD = text(
    "DELETE FROM shared_commits "
    "WHERE scope = :scope AND repo = :repo AND revision = :revision AND turn <= :old"
)
_NAMELESS = text(
    "DELETE FROM shared_commits WHERE scope = :scope AND NOT EXISTS (SELECT 1 FROM shared_aliases one WHERE "
    "one.scope = shared_commits.scope AND one.repo = shared_commits.repo "
    "AND one.revision = shared_commits.revision AND NOT one.gone)"
)


@dataclass(frozen=True)
class Head:
    """The commit that a revision stands for, for every server."""

    sha: str
    turn: int
    """Grows with every word of the Hub that was kept."""


class NamesTable:
    """The rows of one scope."""

    def __init__(self, store: Store, scope: str) -> None:
        self._store, self.scope = store, scope

    def aliases(self, connection: Connection) -> dict[str, RepoRef]:
        """What each name stands for."""
        table = schema.aliases
        rows = connection.execute(
            select(table).where(table.c.scope == self.scope, ~table.c.gone).order_by(table.c.alias)
        )
        return {row.alias: RepoRef(row.repo, row.revision) for row in rows}

    def heads(self, connection: Connection) -> dict[RepoRef, Head]:
        """The commits that revisions were found to stand for."""
        table = schema.heads
        rows = connection.execute(select(table).where(table.c.scope == self.scope))
        return {RepoRef(row.repo, row.revision): Head(row.sha, row.turn) for row in rows}

    def commits(self, connection: Connection) -> dict[RepoRef, list[str]]:
        """The commits that revisions stood for while a name had them, the newest first."""
        table = schema.commits
        rows = connection.execute(
            select(table).where(table.c.scope == self.scope).order_by(table.c.turn.desc())
        )
        found: dict[RepoRef, list[str]] = {}
        for row in rows:
            found.setdefault(RepoRef(row.repo, row.revision), []).append(row.sha)
        return found

    def unclaimed(self, aliases: Mapping[str, RepoRef]) -> dict[str, RepoRef]:
        """The names that nobody has ever given or taken away."""
        with self._store.read() as connection:
            return {alias: ref for alias, ref in aliases.items() if self._row(connection, alias) is None}

    def seed(self, aliases: Mapping[str, RepoRef]) -> None:
        """Add the names that nobody has ever given or taken away."""
        with self._store.act() as connection:
            changed(connection, self.scope)
            for alias, ref in aliases.items():
                if self._row(connection, alias) is None:
                    self._put(connection, alias, ref)

    def name(self, alias: str, ref: RepoRef, *, replace: bool) -> bool:
        """Let a name stand for `ref`; False if it is there and not to be replaced."""
        with self._store.act() as connection:
            changed(connection, self.scope)
            gone = self._row(connection, alias)
            if gone is None:
                self._put(connection, alias, ref)
            elif gone or replace:
                self._change(connection, alias, repo=ref.repo, revision=ref.revision, gone=False)
            else:
                return False
            connection.execute(_NAMELESS, {"scope": self.scope})
        return True

    def forget(self, alias: str) -> bool:
        """Take a name away; False if there was none."""
        with self._store.act() as connection:
            changed(connection, self.scope)
            if self._row(connection, alias) is not False:
                return False
            self._change(connection, alias, gone=True)
            connection.execute(_NAMELESS, {"scope": self.scope})
        return True

    def head(self, ref: RepoRef) -> tuple[Head, float] | None:
        """What a revision stands for, and the seconds since the Hub was asked."""
        table = schema.heads
        with self._store.read() as connection:
            row = connection.execute(select(table).where(*self._of(ref))).one_or_none()
            now = self._store.now(connection)
        return (Head(row.sha, row.turn), now - row.asked_at) if row else None

    def told(self, ref: RepoRef, sha: str, before: Head | None, *, asked: bool = True) -> Head:
        """Keep what the Hub said, unless another server has kept its word since `before` was read; what all
        stand on now. Without `asked` it is an old word, to be asked for again."""
        table = schema.heads
        with self._store.act() as connection:
            now = self._store.now(connection) if asked else 0.0
            if before is None or before.sha != sha:
                changed(connection, self.scope)
            if before is None:
                connection.execute(
                    text(
                        "INSERT INTO shared_heads (scope, repo, revision, sha, turn, asked_at) "
                        "VALUES (:scope, :repo, :revision, :sha, 1, :now) "
                        "ON CONFLICT (scope, repo, revision) DO NOTHING"
                    ),
                    {**vars(ref), "scope": self.scope, "sha": sha, "now": now},
                )
            else:
                connection.execute(
                    update(table)
                    .where(*self._of(ref), table.c.turn == before.turn)
                    .values(sha=sha, turn=before.turn + 1, asked_at=now)
                )
            row = connection.execute(select(table).where(*self._of(ref))).one()
            if before is None or before.sha != row.sha:
                which = {**vars(ref), "scope": self.scope, "old": row.turn - MOST_COMMITS}
                for stood in (before, row) if before else (row,):
                    connection.execute(_STOOD, {**which, "sha": stood.sha, "turn": stood.turn})
                connection.execute(_OLD, which)
            return Head(row.sha, row.turn)

    def _of(self, ref: RepoRef) -> tuple[ColumnElement[bool], ...]:
        columns = schema.heads.c
        return (columns.scope == self.scope, columns.repo == ref.repo, columns.revision == ref.revision)

    def _row(self, connection: Connection, alias: str) -> bool | None:
        """Whether a name is gone; None if it never was."""
        table = schema.aliases
        found = connection.execute(
            select(table.c.gone).where(table.c.scope == self.scope, table.c.alias == alias)
        )
        gone: bool | None = found.scalar_one_or_none()
        return gone

    def _put(self, connection: Connection, alias: str, ref: RepoRef) -> None:
        values = {"scope": self.scope, "alias": alias, "gone": False, **vars(ref)}
        connection.execute(insert(schema.aliases).values(**values))

    def _change(self, connection: Connection, alias: str, **values: object) -> None:
        table = schema.aliases
        connection.execute(
            update(table).where(table.c.scope == self.scope, table.c.alias == alias).values(**values)
        )
