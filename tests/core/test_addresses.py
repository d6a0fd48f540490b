from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.addresses import Policy, parse_ports
from app.core.errors import ConfigError, InvalidInput
from tests.fakes.urls import HOSTILE_NAMES, HOSTILE_URLS

PUBLIC = Policy(frozenset({80, 443}))
INTRANET = Policy(frozenset({80, 443}), private=True)


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "authority"),
    [
        ("https://hooks.slack.com/services/T0/B0/x", "hooks.slack.com", 443, "/services/T0/B0/x", "hooks.slack.com"),
        ("http://Example.ORG", "example.org", 80, "/", "example.org"),
        ("HTTPS://example.org:80?a=b&c=%20d", "example.org", 80, "/?a=b&c=%20d", "example.org:80"),
        ("https://xn--bcher-kva.example/x", "xn--bcher-kva.example", 443, "/x", "xn--bcher-kva.example"),
        ("https://1.1.1.1/a", "1.1.1.1", 443, "/a", "1.1.1.1"),
        ("https://[2606:4700::1111]:80/a", "2606:4700::1111", 80, "/a", "[2606:4700::1111]:80"),
    ],
)
def test_a_public_url_is_taken_apart(url: str, host: str, port: int, path: str, authority: str) -> None:
    target = PUBLIC.target(url)
    assert (target.host, target.port, target.path, target.authority) == (host, port, path, authority)


@pytest.mark.parametrize("url", HOSTILE_URLS)
def test_a_url_that_leads_inside_is_refused_when_it_is_entered(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        PUBLIC.target(url)
    assert caught.value.field == "target"


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_name_is_judged_by_the_address_it_leads_to(name: str) -> None:
    assert PUBLIC.target(f"http://{name}/").host == name
    assert PUBLIC.refusal(ip_address(HOSTILE_NAMES[name]), 80) is not None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://example.org/", "begins with https:// or http://, not with 'ftp'"),
        ("https://me:secret@example.org/", "must not carry a user name or password"),
        ("https://example.org:22/", "port 22 is not among those that alerts are sent to"),
        ("https://10.0.0.1/", "private network"),
        ("https://169.254.169.254/", "metadata"),
        ("https://printer/", "a name of this machine or network"),
        ("https://127.1/", "four decimal numbers"),
        ("https://exämple.org/", "xn--"),
        ("https://example.org/" + "a" * 2000, "at most 2000 characters"),
    ],
)
def test_the_refusal_says_what_is_wrong(url: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        PUBLIC.target(url)


def test_private_networks_can_be_opened_on_any_port_but_the_metadata_services_stay_shut() -> None:
    for url in ("http://127.0.0.1:9000/", "http://[::1]:9000/", "http://printer:631/", "http://10.1.2.3/"):
        assert INTRANET.target(url).path == "/"
    assert INTRANET.refusal(ip_address("192.168.1.1"), 9000) is None
    assert INTRANET.refusal(ip_address("::ffff:192.168.1.1"), 9000) is None
    assert "9000" in str(INTRANET.refusal(ip_address("1.1.1.1"), 9000))
    for address in ("169.254.169.254", "100.100.100.200", "168.63.129.16", "fd00:ec2::254", "fe80::1", "0.0.0.0"):
        assert INTRANET.refusal(ip_address(address), 80) is not None, address
    for address in ("fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42", "fd00:a9fe:a9fe::1", "fd00:100::100:200"):
        assert "metadata" in str(INTRANET.refusal(ip_address(address), 80)), address


@pytest.mark.parametrize("host", ["10.1.2.3", "[fd00::1]", "printer"])
@pytest.mark.parametrize("port", [0, 65_536, 99_999])
def test_a_port_that_there_is_not_is_refused_also_in_private_networks(host: str, port: int) -> None:
    with pytest.raises(InvalidInput, match=f"there is no port {port}"):
        INTRANET.target(f"http://{host}:{port}/")


NAT64 = IPv6Network("64:ff9b::/96")


@given(st.ip_addresses())
def test_what_may_be_contacted_is_a_global_address(address: IPv4Address | IPv6Address) -> None:
    if PUBLIC.refusal(address, 443) is None:
        reached = address
        if isinstance(address, IPv6Address):
            translated = IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None  # RFC 6052
            reached = address.ipv4_mapped or translated or address
        assert reached.is_global
        assert not reached.is_multicast
        assert not reached.is_reserved


@given(st.text(max_size=60))
def test_no_text_is_read_as_anything_but_a_public_host(text: str) -> None:
    for url in (text, f"http://{text}", f"http://{text}/", f"https://{text}@127.0.0.1/"):
        try:
            target = PUBLIC.target(url)
        except InvalidInput:
            continue
        assert target.literal is None or target.literal.is_global
        assert "@" not in target.authority


def test_ports_are_read_from_a_list() -> None:
    assert parse_ports("80, 443,") == {80, 443}
    for written in ("80;443", "http", "70000", "0", "-1", "٨٠"):
        with pytest.raises(ConfigError, match="EVENTPULSE_ALERT_PORTS"):
            parse_ports(written)
