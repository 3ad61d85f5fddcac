"""The demo's ward: accounts with drawn passwords and a work list of drawn scans, for a server that is told by
its environment where they are kept. All of it by verbs and by HTTP, as any user would."""

import http.cookiejar
import json
import secrets
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from zoo.children import Children
from zoo.errors import ZooError
from zoo.phantom.cases import example_cases

PEOPLE = {"chief": "administrator", "anna": "rater", "boris": "rater"}
CASES = 12
TITLE = "Twelve drawn scans"


class Ward:
    """Accounts in a folder's database, with passwords that are drawn anew each time."""

    def __init__(self, children: Children, folder: Path) -> None:
        """Make the accounts, or give them other passwords; servers started from now on have them."""
        database = folder / "ratings.sqlite"
        there = database.exists()
        children.environment["MEDZOO_ANNOTATIONS"] = str(database)
        self.passwords = {name: secrets.token_urlsafe(9) for name in PEOPLE}
        for name, role in PEOPLE.items():
            words = ("password", name) if there else ("new", name, "--role", role)
            children.run("accounts", *words, said=f"{self.passwords[name]}\n")

    def sign_in(self, url: str) -> "Session":
        """The administrator's session."""
        session = Session(url)
        session.post("/sign-in", {"name": "chief", "password": self.passwords["chief"], "to": "/"})
        return session


class Session:
    """Requests to one server, by no proxy, with the cookies that it gave."""

    def __init__(self, url: str) -> None:
        self._url = url
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), jar)

    def get(self, path: str) -> Any:
        """The reply's JSON."""
        return json.loads(self._send(path, None, {}))

    def ask(self, path: str, body: dict[str, Any]) -> Any:
        """POST JSON; the reply's."""
        return json.loads(self._send(path, json.dumps(body).encode(), {"Content-Type": "application/json"}))

    def post(self, path: str, form: dict[str, str]) -> None:
        """POST a form."""
        self._send(path, urllib.parse.urlencode(form).encode(), {})

    def add_list(self, adapters: list[str]) -> str:
        """The work list of drawn scans, made if it is not there; its title."""
        if TITLE not in [one["title"] for one in self.get("/v1/annotations/lists")]:
            raters = [name for name, role in PEOPLE.items() if role == "rater"]
            asked = {"title": TITLE, "adapters": ",".join(adapters), "raters": ",".join(raters)}
            query = urllib.parse.urlencode({**asked, "overlap": len(raters), "keep": "false"})
            cases = example_cases(count=CASES)
            self._send(f"/v1/annotations/lists?{query}", cases, {"Content-Type": "application/zip"})
        return TITLE

    def _send(self, path: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        request = urllib.request.Request(f"{self._url}{path}", body, headers)
        try:
            with self._opener.open(request, timeout=120) as reply:
                said: bytes = reply.read()
                return said
        except urllib.error.HTTPError as error:
            raise ZooError(f"the server answered {error.code}: {error.read().decode()}") from error
