import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
from contextlib import asynccontextmanager

import pytest

from serving.defence.remote import AT_ONCE, WAITING, RemoteImages
from tests.serving._clocks import run_jumping
from zoo.errors import BadImage, Busy, ImageTooLarge, NotAllowed

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


def reply(body: bytes = PNG, head: str = "200 OK", *headers: str, length: bool = True) -> bytes:
    lines = [f"HTTP/1.1 {head}", *headers, *([f"content-length: {len(body)}"] if length else [])]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Site:
    """A web server on this machine that says one thing to everyone and keeps what it heard."""

    def __init__(self, said: bytes, *, stays: bool = False):
        self.said, self.stays = said, stays
        self.heard: list[bytes] = []

    @asynccontextmanager
    async def open(self, **options):
        async def answer(reader, writer):
            self.heard.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self.said)
            try:
                await writer.drain()
                if self.stays:
                    await reader.read()
            except OSError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0, **options)
        self.port = server.sockets[0].getsockname()[1]
        yield self
        server.close()


def fetch(site: Site, url: str = "http://images.test:{port}/scan.png?v=1", *, tls=None, **options):
    """What fetching from the site gives, images.test being a public name of this machine for once."""
    resolved = []

    async def here(host, port):
        resolved.append(host)
        return ["127.0.0.1"]

    async def run():
        async with site.open(ssl=tls) if tls else site.open():
            defaults = {"max_bytes": 1000, "ports": (site.port,), "resolve": here, "public": lambda _: True}
            return await RemoteImages(**{**defaults, **options}).fetch(url.format(port=site.port))

    found = asyncio.run(run())
    assert resolved == ["images.test"], "a name is resolved once"
    return found


def test_an_image_is_fetched_by_one_request_that_tells_nothing_of_this_server():
    site = Site(reply())
    assert fetch(site) == PNG
    assert site.heard == [
        b"GET /scan.png?v=1 HTTP/1.1\r\nhost: images.test:%d\r\nuser-agent: medzoo\r\n"
        b"accept: image/png, image/jpeg, image/jp2, application/dicom\r\n"
        b"accept-encoding: identity\r\nconnection: close\r\n\r\n" % site.port
    ]


PRIVATE = """
    127.0.0.1 [::1] 0.0.0.0 169.254.169.254 localhost 2130706433 0x7f000001 0177.0.0.1 127.1 0x7f.1
    [::ffff:127.0.0.1] [::ffff:7f00:1] [64:ff9b::7f00:1] [2002:7f00:1::] [::] [fd00:ec2::254] 10.0.0.1
    100.100.100.200 3232235521 0xA9FEA9FE [::ffff:169.254.169.254]
"""


@pytest.mark.parametrize("host", PRIVATE.split())
def test_an_address_that_is_not_public_is_not_connected_to_however_it_is_written(host, monkeypatch):
    async def connect(*_, **__):
        raise AssertionError("connected")

    monkeypatch.setattr(asyncio, "open_connection", connect)
    with pytest.raises((NotAllowed, BadImage)) as error:
        asyncio.run(RemoteImages(max_bytes=9).fetch(f"http://{host}/latest/meta-data"))
    assert error.value.message in (
        "the image's address is not one of the open internet",
        "the image's address gave no image",  # where the system reads no such number as an address
    )


@pytest.mark.parametrize("addresses", [["10.0.0.7"], ["1.1.1.1", "127.0.0.1"], ["1.1.1.1", "::1"]])
def test_a_name_with_one_private_address_is_not_connected_to(addresses, monkeypatch):
    async def resolve(host, port):
        return addresses

    async def connect(*_, **__):
        raise AssertionError("connected")

    monkeypatch.setattr(asyncio, "open_connection", connect)
    with pytest.raises(NotAllowed, match="not one of the open internet"):
        asyncio.run(RemoteImages(max_bytes=9, resolve=resolve).fetch("https://images.test/scan.png"))


def test_the_connection_is_made_to_the_address_that_was_checked_and_not_to_the_name(monkeypatch):
    asked = []

    async def resolve(host, port):
        return ["1.1.1.1"] if not asked else ["127.0.0.1"]

    async def connect(host, port, **options):
        asked.append((host, port, options["server_hostname"]))
        raise OSError

    monkeypatch.setattr(asyncio, "open_connection", connect)
    with pytest.raises(BadImage, match="gave no image"):
        asyncio.run(RemoteImages(max_bytes=9, resolve=resolve).fetch("https://images.test/scan.png"))
    assert asked == [("1.1.1.1", 443, "images.test")]


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"])
def test_a_redirect_is_not_followed(status):
    site = Site(reply(b"", status, "location: http://127.0.0.1:1/latest/meta-data"))
    with pytest.raises(NotAllowed, match=r"^the image's address redirects"):
        fetch(site)
    assert len(site.heard) == 1


@pytest.mark.parametrize(
    ("url", "kind", "message"),
    [
        ("ftp://images.test/a", NotAllowed, "images are not fetched by 'ftp'"),
        ("file:///etc/passwd", BadImage, "the image's address cannot be read"),
        ("http://user:pw@images.test/", NotAllowed, "the image's address holds a user name"),
        ("http://images.test:22/", NotAllowed, "images are not fetched from port 22; allowed: 80, 443"),
        ("http://images.test:99999/", BadImage, "the image's address cannot be read"),
        ("http:///scan.png", BadImage, "the image's address cannot be read"),
        ("http://images.test\\@127.0.0.1/", BadImage, "the image's address cannot be read"),
        ("http://images.test/a b", BadImage, "the image's address cannot be read"),
        ("http://images.test/\r\nhost: x", BadImage, "the image's address cannot be read"),
        ("http://[fe80::1%25eth0]/", BadImage, "the image's address cannot be read"),
        ("http://ímages.test/", BadImage, "the image's address cannot be read"),
        ("http://images.test/" + "a" * 3000, BadImage, "the image's address cannot be read"),
    ],
)
def test_an_address_of_another_kind_is_refused_before_anything_is_resolved(url, kind, message):
    async def resolve(host, port):
        raise AssertionError("resolved")

    with pytest.raises(kind) as error:
        asyncio.run(RemoteImages(max_bytes=9, resolve=resolve).fetch(url))
    assert (type(error.value), error.value.message) == (kind, message)


@pytest.mark.parametrize(
    ("site", "kind"),
    [
        (Site(reply(bytes(1001))), ImageTooLarge),
        (Site(reply(bytes(5_000_000), length=False), stays=True), ImageTooLarge),
        (Site(reply(b"", "200 OK", "content-length: 2000000000", length=False), stays=True), ImageTooLarge),
        (Site(reply(b"<html>")), BadImage),
        (Site(reply(b"")), BadImage),
        (Site(reply(PNG, "404 Not Found")), BadImage),
        (Site(reply(PNG, "206 Partial")), BadImage),
        (Site(reply(PNG, "200 OK", "content-encoding: gzip")), BadImage),
        (Site(reply(PNG)[:-1]), BadImage),
        (Site(b"SSH-2.0-OpenSSH_9\r\n"), BadImage),
        (Site(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000, stays=True), BadImage),
        (Site(b""), BadImage),
    ],
)
def test_what_is_too_large_or_no_image_is_refused(site, kind):
    with pytest.raises(kind) as error:
        fetch(site)
    assert type(error.value) is kind


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\n", reply()[:-1]])
def test_an_address_that_dawdles_is_given_up(said):
    with pytest.raises(BadImage, match=r"^no image came within 0\.2 s"):
        fetch(Site(said, stays=True), timeout_s=0.2)


def test_an_address_where_nobody_listens_gives_no_image():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        async def here(host, port):
            return ["127.0.0.1"]

        images = RemoteImages(max_bytes=9, ports=(port,), resolve=here, public=lambda _: True)
        with pytest.raises(BadImage, match=r"^the image's address gave no image"):
            asyncio.run(images.fetch(f"http://images.test:{port}/"))


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl to make a certificate")
@pytest.mark.parametrize("named", ["images.test", "other.test"])
def test_a_certificate_must_be_of_the_name_that_was_asked_for(named, tmp_path):
    words = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key -out pem -days 2"
    )
    names = ["-subj", f"/CN={named}", "-addext", f"subjectAltName=DNS:{named}"]
    subprocess.run([*words.split(), *names], cwd=tmp_path, check=True, capture_output=True)
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(tmp_path / "pem", tmp_path / "key")
    trusted = ssl.create_default_context(cafile=str(tmp_path / "pem"))
    url = "https://images.test:{port}/scan.png"
    if named == "images.test":
        assert fetch(Site(reply()), url, tls=served, context=trusted) == PNG
    else:
        with pytest.raises(BadImage, match="gave no image"):
            fetch(Site(reply()), url, tls=served, context=trusted)
    with pytest.raises(BadImage, match="gave no image"):  # of no authority that this machine knows
        fetch(Site(reply()), url, tls=served)


def test_who_waits_for_a_place_loses_none_of_the_time_that_an_image_may_take():
    async def slowly(host, port):
        await asyncio.sleep(0.2)
        return ["10.0.0.7"]

    async def run():
        remote = RemoteImages(max_bytes=9, resolve=slowly, timeout_s=0.35)
        asked = [remote.fetch("http://images.test/") for _ in range(AT_ONCE * 2)]
        return await asyncio.gather(*asked, return_exceptions=True)

    assert [type(error) for error in run_jumping(run())] == [NotAllowed] * AT_ONCE * 2


def test_where_too_many_images_wait_the_next_is_told_so():
    async def never(host, port):
        await asyncio.sleep(60)

    async def run():
        remote = RemoteImages(max_bytes=9, resolve=never, timeout_s=0.3)
        asked = [remote.fetch("http://images.test/") for _ in range(AT_ONCE + WAITING + 1)]
        return await asyncio.gather(*asked, return_exceptions=True)

    *early, last = run_jumping(run())
    assert [type(error) for error in early[:AT_ONCE]] == [BadImage] * AT_ONCE
    assert type(last) is Busy


def test_a_name_server_that_hangs_keeps_no_thread_that_others_need(monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: gate.wait(60) and [])

    async def run():
        remote = RemoteImages(max_bytes=9, timeout_s=0.1)
        asked = [remote.fetch("http://images.test/") for _ in range(AT_ONCE * 4)]
        errors = await asyncio.gather(*asked, return_exceptions=True)
        await asyncio.wait_for(asyncio.to_thread(lambda: 0), 60)
        return {type(error) for error in errors}

    try:
        assert asyncio.run(run()) == {BadImage, Busy}
    finally:
        gate.set()
