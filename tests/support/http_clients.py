"""HTTP clients for servers on this machine."""

import ssl
from collections.abc import Mapping
from typing import Final

import httpx2

_NOBODY_IS_TRUSTED: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Without it each client reads the certificates of this machine, a tenth of a second for nothing."""


def http_client(url: str, headers: Mapping[str, str] | None = None) -> httpx2.AsyncClient:
    """A client of the server at this http address."""
    return httpx2.AsyncClient(base_url=url, headers=headers, verify=_NOBODY_IS_TRUSTED)
