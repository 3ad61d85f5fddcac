"""Names and commits that several servers share: one of them asks the Hub, all stand on the same commit.

A name changes in the database first and here after it, so that a call which has returned holds everywhere.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from serving.library.hub import Hub
from serving.library.names import Names
from serving.shared import Mirror, NamesTable, Shared
from zoo.errors import Busy, HubUnreachable, UnknownName
from zoo.hub import RepoRef

FRESH_S = 1.0
"""For how long no server asks the Hub again what another was told."""


class SharedNames(Names):
    """The names as all servers have them, which were read before each request; and until `publish` those
    that this one alone was given, whose adapters are yet to be checked."""

    def __init__(
        self,
        mirror: Mirror,
        table: NamesTable,
        *,
        allow: Sequence[str] = (),
        given: Mapping[str, RepoRef] | None = None,
    ) -> None:
        super().__init__(allow=allow)
        self._mirror, self._table = mirror, table
        self._given = dict(given or {})
        mirror.follow(self._follow)

    def name(self, alias: str, ref: RepoRef, *, replace: bool = False) -> None:
        """See `Names.name`. Raises: DatabaseAway: the database does not answer."""
        self.check(alias, replace=True)
        named = self._table.name(alias, ref, replace=replace)
        self._mirror.refresh()
        if not named:
            self.check(alias)
            raise Busy(f"{alias!r} was taken away at another server just now")

    def forget(self, alias: str) -> RepoRef:
        """See `Names.forget`. Raises: DatabaseAway: the database does not answer."""
        ref = self.aliases.get(alias)
        forgotten = self._table.forget(alias)
        self._mirror.refresh()
        if not forgotten or ref is None:
            raise UnknownName("adapter", alias, self.aliases)
        return ref

    def withdraw(self, alias: str) -> None:
        """See `Names.withdraw`; the others have never had it."""
        self._given.pop(alias, None)
        self._mirror.follow(self._follow)

    def publish(self) -> None:
        """See `Names.publish`. Raises: DatabaseAway: the database does not answer."""
        self._table.seed(self._given)
        self._given = {}
        self._mirror.refresh()

    def latest(self, ref: RepoRef) -> str | None:
        """The newest commit that any server was told; None if none was."""
        head = self._mirror.heads.get(ref)
        return head.sha if head else None

    def _follow(self) -> None:
        """Take over the names, and let the commits be asked for that they stand for, or stood for, at other
        servers. That they have moved is noted where they are resolved, which tells the registry too."""
        self.become({**self._given, **self._mirror.aliases})
        for alias, ref in self._mirror.aliases.items():
            head = self._mirror.heads.get(ref)
            for sha in (*([head.sha] if head else ()), *self._mirror.commits.get(ref, ())):
                self.stood_for(alias, ref.repo, sha)


class SharedHub:
    """A Hub whose word all servers take from the one that asked it last."""

    def __init__(self, hub: Hub, mirror: Mirror, table: NamesTable) -> None:
        self._hub, self._mirror, self._table = hub, mirror, table

    def resolve(self, repo: str, revision: str) -> str:
        """See `Hub.resolve`. With the database away no commit is taken that the others may not know.

        Raises:
            HubUnreachable, DatabaseAway: the one or the other does not answer; `last_resolved` knows what all
                stand on.
        """
        ref = RepoRef(repo, revision)
        before, age_s = self._table.head(ref) or (None, 0.0)
        if before is not None and 0 <= age_s < FRESH_S:  # less than none: the clock was set back
            return self._mirror.note(ref, before).sha
        try:
            sha = self._hub.resolve(repo, revision)
        except HubUnreachable:
            known = self._hub.last_resolved(repo, revision)
            if before is None and known is not None:
                before = self._table.told(ref, known, None, asked=False)
            if before is not None:
                self._mirror.note(ref, before)
            raise
        return self._mirror.note(ref, self._table.told(ref, sha, before)).sha

    def last_resolved(self, repo: str, revision: str) -> str | None:
        """The commit that all servers stand on, as this one last heard."""
        head = self._mirror.heads.get(RepoRef(repo, revision))
        return head.sha if head else None

    def fetch(self, repo: str, sha: str) -> Path:
        """See `Hub.fetch`."""
        return self._hub.fetch(repo, sha)


def join(
    shared: Shared, aliases: Mapping[str, RepoRef], *, allow: Sequence[str], say: Callable[[str], None]
) -> tuple[SharedNames, frozenset[str]]:
    """The names that all servers have, with those given here that none had yet, and which the servers had
    before; what differs is said."""
    for line in shared.differences():
        say(line)
    names = SharedNames(shared.mirror, shared.table, allow=allow, given=shared.table.unclaimed(aliases))
    for alias, ref in aliases.items():
        stands = names.aliases.get(alias)
        if stands is None:
            say(f"left out {alias}: it was taken away while servers ran; load it to have it back")
        elif stands != ref:
            say(f"{alias} stands for {stands}, as the servers have it, and not for {ref}")
    return names, frozenset(shared.mirror.aliases)
