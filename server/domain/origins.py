"""Public addresses as origins (RFC 6454): scheme, host and port, in the one way in which browsers write them."""

import ipaddress
from urllib.parse import SplitResult, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> str:
    """The origin of an address without a path: lower case, and the default port left out.

    Raises:
        ValueError: it is not an http or https origin; the text says why.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError(f"a public address begins with http:// or https://: {url!r}")
    if parts.path not in {"", "/"} or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"a public address is a scheme, a host and a port, nothing more: {url!r}")
    return f"{parts.scheme}://{_host_of(parts, url)}{_port_of(parts, url)}"


def _host_of(parts: SplitResult, url: str) -> str:
    host = parts.hostname or ""
    if not host or not host.isascii() or any(letter.isspace() for letter in host):
        raise ValueError(f"a public address names a host, in ASCII (punycode): {url!r}")
    return f"[{ipaddress.IPv6Address(host).compressed}]" if ":" in host else host


def _port_of(parts: SplitResult, url: str) -> str:
    try:
        port = parts.port
    except ValueError as error:
        raise ValueError(f"the port of a public address is a number up to 65535: {url!r}") from error
    if port == 0:
        raise ValueError(f"no browser can reach port 0: {url!r}")
    return "" if port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{port}"
