"""Our own origins: an exact list from the configuration, never taken from a request's Host header.

An origin is scheme, host and port (RFC 6454); two differ when any of the three does. Browsers serialize it in one way
(lower case, default port left out), so what a request says is compared as it stands.
"""

from collections.abc import Iterable
from typing import Self

from starlette.datastructures import Headers

from server.domain.origins import origin_of

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
"""The three ways in which a browser on this machine may name it."""


class Origins:
    """The allow-list of a running server.

    Attributes:
        serialized: the origins as browsers send them, such as ``https://chat.example``.
        plain_loopback: whether every one is http on a loopback host, where browsers refuse or lose Secure cookies.
    """

    def __init__(self, urls: Iterable[str]) -> None:
        """Read `TALLYLIGHT_PUBLIC_URL`.

        Args:
            urls: addresses without a path, at least one.

        Raises:
            ValueError: one is not an http or https origin, or there is none.
        """
        self.serialized = frozenset(origin_of(url) for url in urls)
        if not self.serialized:
            raise ValueError("at least one public address is needed")
        self.plain_loopback = all(_is_plain_loopback(origin) for origin in self.serialized)

    @classmethod
    def of_loopback(cls, port: int) -> Self:
        """The origins of a server that only this machine reaches, such as `tallylight run`."""
        return cls(f"http://{name}:{port}" for name in LOOPBACK_NAMES)

    @property
    def https_only(self) -> bool:
        """Whether every one is https."""
        return all(origin.startswith("https://") for origin in self.serialized)

    def named_by(self, headers: Headers) -> str:
        """The one of ours whose host the request names; another one of ours where it names none of them."""
        host = headers.get("host", "")
        return next((one for one in self.serialized if one.partition("://")[2] == host), min(self.serialized))

    def allows(self, headers: Headers) -> bool:
        """Whether a request carries exactly one Origin header and it is ours; a missing one and ``null`` are not."""
        sent = headers.getlist("origin")
        return len(sent) == 1 and sent[0] in self.serialized

    def allows_write(self, headers: Headers) -> bool:
        """Whether one of our own pages asks for a change: its Origin is ours, and where the browser says so, the page
        is of the very site that is asked (Fetch Metadata)."""
        return self.allows(headers) and set(headers.getlist("sec-fetch-site")) <= {"same-origin"}


def _is_plain_loopback(origin: str) -> bool:
    scheme, _, authority = origin.partition("://")
    return scheme == "http" and any(authority == name or authority.startswith(f"{name}:") for name in LOOPBACK_NAMES)
