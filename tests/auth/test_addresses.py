"""The client's address is what trusted hops say, and nothing that a client says."""

from datetime import date
from ipaddress import ip_address

import pytest
from starlette.requests import HTTPConnection

from server.auth.addresses import UNKNOWN, AddressDigests, ClientAddresses

TODAY = date(2026, 11, 22)


def connection(peer: str | None, *forwarded: str) -> HTTPConnection:
    return HTTPConnection(
        {
            "type": "http",
            "client": None if peer is None else (peer, 4711),
            "headers": [(b"x-forwarded-for", entry.encode()) for entry in forwarded],
        }
    )


def test_by_default_the_peer_is_the_client_whatever_it_writes() -> None:
    assert ClientAddresses().of(connection("203.0.113.9", "198.51.100.1")) == ip_address("203.0.113.9")


def test_behind_a_trusted_hop_the_rightmost_entry_is_the_client() -> None:
    found = ClientAddresses(["10.0.0.0/8"]).of(connection("10.0.0.2", "198.51.100.1, 203.0.113.9"))
    assert found == ip_address("203.0.113.9")


def test_trusted_hops_in_the_chain_are_passed_over() -> None:
    found = ClientAddresses(["10.0.0.0/8"]).of(connection("10.0.0.2", "6.6.6.6, 203.0.113.9, 10.0.0.3"))
    assert found == ip_address("203.0.113.9")


def test_two_headers_are_one_list() -> None:
    found = ClientAddresses(["10.0.0.0/8"]).of(connection("10.0.0.2", "6.6.6.6", "203.0.113.9, 10.0.0.3"))
    assert found == ip_address("203.0.113.9")


def test_without_a_forwarded_header_the_hop_is_the_client() -> None:
    assert ClientAddresses(["10.0.0.2"]).of(connection("10.0.0.2")) == ip_address("10.0.0.2")


def test_an_entry_that_is_no_address_ends_the_search() -> None:
    assert ClientAddresses(["10.0.0.2"]).of(connection("10.0.0.2", "6.6.6.6, unknown")) == ip_address("10.0.0.2")


def test_a_chain_of_trusted_hops_alone_ends_at_its_first() -> None:
    assert ClientAddresses(["10.0.0.0/8"]).of(connection("10.0.0.2", "10.0.0.4, 10.0.0.3")) == ip_address("10.0.0.4")


@pytest.mark.parametrize(
    ("entry", "client"),
    [
        ("198.51.100.7:50000", "198.51.100.7"),
        ("[2001:db8::1]:50000", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[::ffff:198.51.100.7]:50000", "198.51.100.7"),
    ],
)
def test_the_port_that_some_proxies_add_is_no_part_of_the_address(entry: str, client: str) -> None:
    """Else everybody behind such a proxy would share one limit: the proxy's."""
    assert str(ClientAddresses(["10.0.0.2"]).of(connection("10.0.0.2", f"6.6.6.6, {entry}"))) == client


def test_a_mapped_address_is_the_ipv4_address() -> None:
    assert ClientAddresses(["10.0.0.2"]).of(connection("::ffff:10.0.0.2", "203.0.113.9")) == ip_address("203.0.113.9")


@pytest.mark.parametrize("peer", [None, "testclient", ""])
def test_a_peer_without_an_address_is_unknown(peer: str | None) -> None:
    assert ClientAddresses().of(connection(peer)) == UNKNOWN


def test_a_hop_that_is_no_network_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        ClientAddresses(["nonsense"])


def test_a_digest_is_stable_within_a_day_and_says_nothing_of_the_address() -> None:
    digests = AddressDigests(b"secret")
    address = ip_address("203.0.113.9")
    assert digests.of(address, TODAY) == digests.of(address, TODAY)
    assert len(digests.of(address, TODAY)) == 64
    assert digests.of(address, TODAY) != digests.of(address, date(2026, 11, 23))
    assert digests.of(address, TODAY) != AddressDigests(b"other").of(address, TODAY)
    assert digests.of(address, TODAY) != digests.of(ip_address("203.0.113.10"), TODAY)


def test_one_slash_64_of_ipv6_counts_as_one_address() -> None:
    digests = AddressDigests(b"secret")
    one, same, other = (ip_address(text) for text in ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1"))
    assert digests.of(one, TODAY) == digests.of(same, TODAY)
    assert digests.of(one, TODAY) != digests.of(other, TODAY)
