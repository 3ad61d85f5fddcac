"""People who sign in: their passwords, where they are, and what their browsers send."""

from serving.defence.proxies import Proxies, read_addresses

PASSWORDS = {"ana": "ana has four words", "chief": "the chief has five words"}
URL = "http://ward-pc:7860"
AWAY = ("10.1.2.3", 50000)
PROXY = ("10.1.0.1", 50000)
PAGE = {"Accept": "text/html,application/xhtml+xml"}
OTHERS = [
    {"Origin": "http://evil.test"},
    {"Origin": "null"},
    {"Origin": "http://ward-pc:3000"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]
"""What the browser says where another site's page sends a request."""


def sign_in(client, name="ana", password=None, *, to="/", headers=None):
    form = {"name": name, "password": PASSWORDS.get(name, "") if password is None else password, "to": to}
    return client.post("/sign-in", data=form, headers=headers)


def status(client, method="GET", path="/v1/models", **options):
    return client.request(method, path, **options).status_code


def proxied():
    return Proxies(addresses=read_addresses((PROXY[0],)), user_header="x-remote-user")
