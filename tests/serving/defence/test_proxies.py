import pytest

from serving.defence.cookies import session_cookie, session_token
from serving.defence.proxies import Proxies, read_addresses
from zoo.errors import BadInput, NotAllowed

PROXIES = Proxies(addresses=read_addresses(("10.1.0.0/24", "::1")), user_header="x-remote-user")
TOKEN = "t" * 43


def scope(address="10.1.0.7", **headers):
    pairs = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http", "scheme": "http", "client": (address, 5), "headers": pairs}


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("10.1.0.7", True),
        ("::ffff:10.1.0.7", True),
        ("::1", True),
        ("10.1.1.7", False),
        ("127.0.0.1", False),
        ("testclient", False),
    ],
)
def test_a_proxy_is_known_by_its_address(address, trusted):
    assert PROXIES.trusted(scope(address)) is trusted
    assert not Proxies(user_header="x-remote-user").trusted(scope(address))


def test_a_proxy_names_who_asks_and_nobody_else_may():
    assert PROXIES.user(scope(x_remote_user=" Ana ")) == "ana"
    assert PROXIES.user(scope()) == ""
    assert Proxies().user(scope("10.9.9.9", x_remote_user="ana")) == ""
    with pytest.raises(NotAllowed, match="the header x-remote-user comes from no proxy of this server"):
        PROXIES.user(scope("10.9.9.9", x_remote_user="ana", x_forwarded_for="10.1.0.7"))
    with pytest.raises(NotAllowed, match="comes from no proxy"):
        PROXIES.user(scope("10.9.9.9", x_remote_user=""))


def test_a_name_that_is_there_twice_is_refused():
    twice = scope(x_remote_user="ana")
    twice["headers"] *= 2
    with pytest.raises(NotAllowed, match="more than once"):
        PROXIES.user(twice)


def test_from_where_and_by_https_is_a_proxy_s_to_say_alone():
    said = {"x_forwarded_for": "6.6.6.6, 10.3.3.3", "x_forwarded_proto": "https"}
    assert (PROXIES.address(scope(**said)), PROXIES.secure(scope(**said))) == ("10.3.3.3", True)
    away = scope("10.9.9.9", **said)
    assert (PROXIES.address(away), PROXIES.secure(away)) == ("10.9.9.9", False)
    assert PROXIES.secure({**away, "scheme": "https"})


@pytest.mark.parametrize("written", ["10.1.0.7/24", "proxy.example", "", "10.1.0.0/99"])
def test_what_is_no_address_is_told(written):
    with pytest.raises(BadInput, match="proxy_addresses has"):
        read_addresses((written,))


def test_a_session_s_cookie_is_kept_from_scripts_other_sites_and_over_https_from_other_hosts():
    assert session_cookie(TOKEN, secure=False, max_age_s=60) == (
        f"medzoo_session={TOKEN}; Path=/; HttpOnly; SameSite=Strict; Max-Age=60"
    )
    assert session_cookie(TOKEN, secure=True, max_age_s=60) == (
        f"__Host-medzoo_session={TOKEN}; Path=/; HttpOnly; SameSite=Strict; Max-Age=60; Secure"
    )


@pytest.mark.parametrize(
    ("cookie", "secure", "found"),
    [
        (f"medzoo_session={TOKEN}", False, TOKEN),
        (f"a=b; medzoo_session={TOKEN}; c=d", False, TOKEN),
        (f"__Host-medzoo_session={TOKEN}", True, TOKEN),
        (f"medzoo_session={TOKEN}", True, None),
        (f"__Host-medzoo_session={TOKEN}", False, None),
        (f"medzoo_session={TOKEN}; medzoo_session={'u' * 43}", False, None),
        (f"medzoo_session={TOKEN}x", False, None),
        ("medzoo_session=", False, None),
        (f"other={TOKEN}", False, None),
    ],
)
def test_a_token_is_read_from_its_own_cookie_where_there_is_one(cookie, secure, found):
    assert session_token(scope(cookie=cookie), secure=secure) == found
