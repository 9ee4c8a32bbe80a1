"""Whose pages may show a channel's chat: exact origins (RFC 6454), each as a browser writes it."""

import re
from collections.abc import Sequence
from typing import Final

from server.domain.errors import Code, Refusal
from server.domain.loopback import is_loopback
from server.domain.origins import origin_of

EMBED_ORIGINS_MAX: Final = 20
"""Of one channel: together they stand in one header, of 2 KiB at most."""
EMBED_ORIGIN_CHARACTERS_MAX: Final = 100

_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# Narrower than what browsers take: in a policy a semicolon, a star or a quote would mean something else.
_HOST: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\]", re.ASCII)


def embed_origin_of(text: str) -> str:
    """The origin that this address names, in the one way in which a browser writes it.

    Args:
        text: scheme, host and port, nothing more; https, or http where the host is this machine.

    Raises:
        Refusal: bad_request, it is no such origin.
    """
    try:
        origin = origin_of(text)
    except ValueError as error:
        raise _wrong(text) from error
    scheme, _, authority = origin.partition("://")
    host = re.sub(r":[0-9]+$", "", authority)
    if _HOST.fullmatch(host) is None or len(origin) > EMBED_ORIGIN_CHARACTERS_MAX:
        raise _wrong(text)
    if scheme == "http" and not is_loopback(host):
        raise Refusal(Code.BAD_REQUEST, f"{origin} is not https; only pages on this machine may be http.")
    return origin


def embed_origins_of(texts: Sequence[str]) -> list[str]:
    """Each of them once, in the order in which they came.

    Raises:
        Refusal: bad_request, one is no origin, or they are too many.
    """
    origins = list(dict.fromkeys(embed_origin_of(text) for text in texts))
    if len(origins) > EMBED_ORIGINS_MAX:
        raise Refusal(Code.BAD_REQUEST, f"A channel may be shown by {EMBED_ORIGINS_MAX} origins at most.")
    return origins


def _wrong(text: str) -> Refusal:
    return Refusal(
        Code.BAD_REQUEST,
        f"{text[:EMBED_ORIGIN_CHARACTERS_MAX]!r} is no origin such as https://fans.example: a scheme, a host and a port"
        f" where it is not the usual one, of {EMBED_ORIGIN_CHARACTERS_MAX} characters at most.",
    )
