"""Where a request comes from, and a digest of that for counting a visitor's chats without keeping addresses."""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from datetime import date
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import structlog
from starlette.requests import HTTPConnection

log = structlog.get_logger(__name__)

Address = IPv4Address | IPv6Address

FORWARDED_HOPS_MAX = 16
"""Entries of X-Forwarded-For that are looked at, from the right; who needs more has a loop."""

IPV6_SUBSCRIBER_BITS = 64
"""One subscriber is given a whole /64 (RFC 6177), so that is what counts as one address."""

UNKNOWN = IPv4Address(0)
"""Stands for a peer without an address (a Unix socket, a test): all of these share one quota."""


class ClientAddresses:
    """Finds the client behind trusted proxies. By default nobody is trusted and the peer is the client."""

    def __init__(self, trusted_hops: Iterable[str] = ()) -> None:
        """Name the proxies whose X-Forwarded-For is believed.

        Args:
            trusted_hops: addresses or networks of our own proxies, such as ``10.0.0.0/8``.

        Raises:
            ValueError: one is neither an address nor a network.
        """
        self._has_warned = False
        self._trusted: Sequence[IPv4Network | IPv6Network] = [ip_network(hop, strict=False) for hop in trusted_hops]

    def of(self, connection: HTTPConnection) -> Address:
        """The address of the client: the right-most one that is not a trusted hop.

        What a client writes into X-Forwarded-For stands left of what our proxies add, so it is never reached.
        """
        address = _parse(connection.client.host) if connection.client else UNKNOWN
        forwarded = ",".join(connection.headers.getlist("x-forwarded-for"))
        if forwarded and address.is_private and not self._is_trusted(address):
            self._warn()
        for entry in reversed(forwarded.split(",")[-FORWARDED_HOPS_MAX:]):
            if not self._is_trusted(address):
                break
            before = _parse(entry.strip())
            if before == UNKNOWN:
                break
            address = before
        return address

    def _warn(self) -> None:
        """Say once that there seems to be a proxy that nobody named: then all of its clients share one limit."""
        if not self._has_warned:
            log.warning("forwarded_for_ignored", remedy="Name your proxies in TALLYLIGHT_TRUSTED_PROXIES.")
        self._has_warned = True

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


class AddressDigests:
    """Makes the quota's subject of an address: the same for one UTC day, meaningless without the secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def of(self, address: Address, day: date) -> str:
        """HMAC-SHA256 in hex (64 characters) over the UTC day and the address, or the /64 of an IPv6 one."""
        counted = f"{day.isoformat()} {subscriber_of(address)}"
        return hmac.new(self._secret, counted.encode(), hashlib.sha256).hexdigest()


def subscriber_of(address: Address) -> str:
    """What counts as one address: an IPv4 address, or the /64 of an IPv6 one."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((address, IPV6_SUBSCRIBER_BITS), strict=False))


def _parse(text: str) -> Address:
    """An address; some proxies put the port behind it, as in ``192.0.2.1:50000`` and ``[2001:db8::1]:50000``."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return UNKNOWN
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
