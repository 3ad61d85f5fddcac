"""One server's part in what several share, without the web, before a Hub that says what it is told to."""

from serving.library.together import SharedHub, SharedNames
from serving.shared import Mirror, NamesTable, Store
from zoo.errors import DatabaseAway, HubUnreachable
from zoo.hub import RepoRef

OLD, NEW = "1" * 40, "2" * 40
REF = RepoRef("local/mdpo")


class Hub:
    """Says what it is told to."""

    def __init__(self):
        self.says, self.asked, self.down = OLD, 0, False

    def resolve(self, repo, revision):
        self.asked += 1
        if self.down:
            raise HubUnreachable("away")
        return self.says

    def last_resolved(self, repo, revision):
        return None


class Server:
    """One server's part, without the web."""

    def __init__(self, where, hub=None, *, scope="phantom", now=lambda: 0.0):
        self.store = Store(where, clock=now)
        self.table = NamesTable(self.store, scope)
        self.mirror = Mirror(self.store, self.table, clock=now)
        self.names = SharedNames(self.mirror, self.table)
        self.hub = SharedHub(hub or Hub(), self.mirror, self.table)

    def lose(self, monkeypatch):
        """The database answers no more."""

        def away(*_):
            raise DatabaseAway("away")

        for name in ("read", "act", "count"):
            monkeypatch.setattr(self.store, name, away)
