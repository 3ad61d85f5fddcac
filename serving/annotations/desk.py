"""All that one database keeps of ratings, opened together."""

from serving.annotations.accounts import Accounts
from serving.annotations.acts import Acts
from serving.annotations.clicks import Clicks
from serving.annotations.database import Database
from serving.annotations.passwords import Passwords
from serving.annotations.work_lists import WorkLists


class Desk:
    """Where raters work."""

    def __init__(self, where: str) -> None:
        """Open the database; see `Database`."""
        self.database = Database(where)
        self.accounts = Accounts(self.database)
        self.acts = Acts(self.database)
        self.passwords = Passwords(self.accounts, self.acts)
        self.clicks = Clicks(self.database)
        self.lists = WorkLists(self.database)

    def close(self) -> None:
        """Write what waits, then close."""
        self.database.close()
