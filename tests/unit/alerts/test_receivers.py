"""Where alerts may go, and how a receiver knows them."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress

import pytest

from portico.alerts.receiver import Network, Receiver, signature

KEY = bytes(range(32))
PUBLIC = Receiver(url="https://alerts.example.org/portico", key=KEY)


def receiver(url: str, *networks: str) -> Receiver:
    allowed: tuple[Network, ...] = tuple(ipaddress.ip_network(network) for network in networks)
    return Receiver(url=url, key=KEY, allowed_networks=allowed)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"])
def test_public_addresses_are_admitted_over_https(address: str) -> None:
    assert PUBLIC.admits(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.1", "224.0.0.1",
        "255.255.255.255", "198.18.0.1", "::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:10.0.0.1", "2002:7f00:1::", "2002:a00:1::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
        "", "localhost", "alerts.example.org", "1", "0x7f.1", "127.1", "2130706433",
    ],
)  # fmt: skip
def test_private_and_special_addresses_are_not(address: str) -> None:
    assert not PUBLIC.admits(address)


def test_private_addresses_are_admitted_where_the_configuration_says_so() -> None:
    inside = receiver("https://alerts.internal", "10.20.0.0/16", "fd00::/8")

    assert inside.admits("10.20.3.4")
    assert inside.admits("fd00::9")
    assert not inside.admits("10.21.0.1")
    assert inside.admits("93.184.216.34")


def test_plain_http_goes_to_the_allowed_networks_and_nowhere_else() -> None:
    inside = receiver("http://127.0.0.1:9000/alerts", "127.0.0.0/8")

    assert inside.admits("127.0.0.1")
    assert not inside.admits("93.184.216.34")
    with pytest.raises(ValueError, match="allowed_networks"):
        receiver("http://alerts.example.org")


@pytest.mark.parametrize(
    "url",
    ["", "alerts.example.org", "ftp://x", "file:///etc/passwd", "https://", "https://user:pass@x", "https://x/#y"],
)
def test_what_is_no_address_of_a_web_server_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="must be an https URL") as refused:
        receiver(url)
    assert "pass" not in str(refused.value)


def test_a_key_that_could_be_guessed_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Receiver(url=PUBLIC.url, key=bytes(31))


def test_a_key_is_not_shown() -> None:
    assert repr(KEY) not in repr(PUBLIC)


def test_an_alert_comes_with_its_id_its_time_and_the_proof_of_both_and_of_its_body() -> None:
    headers = PUBLIC.headers("e-1", b"{}", now=1_800_000_000)
    expected = hmac.new(KEY, b"1800000000.e-1.{}", hashlib.sha256).hexdigest()

    assert headers["Portico-Event-Id"] == "e-1"
    assert headers["Portico-Timestamp"] == "1800000000"
    assert headers["Portico-Signature"] == f"v1={expected}"
    assert headers["Content-Type"] == "application/json"


def test_every_part_counts_in_the_signature() -> None:
    given = (KEY, "e-1", b"{}", 1)
    others = [(bytes(32), "e-1", b"{}", 1), (KEY, "e-2", b"{}", 1), (KEY, "e-1", b"{ }", 1), (KEY, "e-1", b"{}", 2)]
    signatures = {signature(key, id_, body, now=now) for key, id_, body, now in (given, *others)}

    assert len(signatures) == 5
