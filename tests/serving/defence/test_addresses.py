from ipaddress import ip_address

import pytest

from serving.defence.addresses import host_name, is_loopback, is_public

CLOSED = """
    0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 168.63.129.16
    169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.192 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1
    198.51.100.7 203.0.113.9 224.0.0.1 239.1.2.3 240.0.0.1 255.255.255.255
    :: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:8.8.8.8 64:ff9b::7f00:1 64:ff9b::808:808
    64:ff9b:1::a00:1 100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:db8::1 2002:7f00:1::
    2002:808:808::1 3fff::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1
    2a00:1450::5efe:a00:1 2a00:1450::200:5efe:a00:1 2a00:1450:4001::1%eth0
"""
OPEN = "1.1.1.1 8.8.8.8 172.32.0.1 185.199.108.153 2606:4700:4700::1111 2001:4860::8888"


@pytest.mark.parametrize("written", CLOSED.split())
def test_an_address_that_is_not_of_the_open_internet_or_hides_another_is_not_public(written):
    assert not is_public(ip_address(written))


@pytest.mark.parametrize("written", OPEN.split())
def test_an_address_of_the_open_internet_is_public(written):
    assert is_public(ip_address(written))


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "127.0.0.1", "127.8.9.1", "::1", "[::1]"])
def test_these_hosts_are_this_machine(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "10.0.0.1", "localhost.evil.test", "127.0.0.1.evil.test", "2130706433"]
)
def test_these_hosts_are_not_this_machine(host):
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("Zoo.Example:7860", "zoo.example"),
        ("zoo.example.", "zoo.example"),
        ("[::1]:7860", "::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("", ""),
    ],
)
def test_the_host_of_an_authority(written, host):
    assert host_name(written) == host


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("Zoo.Example.:443", "zoo.example"),
        ("localhost", "localhost"),
        ("[::1]:7860", "::1"),
        ("[::1].evil.test", "[::1].evil.test"),
        ("[::1]evil", "[::1]evil"),
        ("localhost:@evil.test", "localhost:@evil.test"),
        ("localhost:7860/x", "localhost:7860/x"),
        ("", ""),
    ],
)
def test_a_host_is_taken_out_of_what_names_it_and_of_nothing_else(written, host):
    assert host_name(written) == host
    assert is_loopback(host_name(written)) == (host in ("localhost", "::1"))
