"""Whose pages may show a chat: exact origins, as browsers write them."""

import pytest

from server.domain.embed_origins import (
    EMBED_ORIGIN_CHARACTERS_MAX,
    EMBED_ORIGINS_MAX,
    embed_origin_of,
    embed_origins_of,
)
from server.domain.errors import Code, Refusal


@pytest.mark.parametrize(
    ("typed", "origin"),
    [
        ("https://fans.example", "https://fans.example"),
        (" HTTPS://Fans.Example:443/ ", "https://fans.example"),
        ("https://fans.example:8443", "https://fans.example:8443"),
        ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://[::1]:3000", "http://[::1]:3000"),
    ],
)
def test_it_is_written_as_browsers_write_it(typed: str, origin: str) -> None:
    assert embed_origin_of(typed) == origin


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "null",
        "*",
        "fans.example",
        "//fans.example",
        "https://",
        "https://*.fans.example",
        "https://*",
        "https://fans.example.",
        "https://.fans.example",
        "https://fans..example",
        "https://-fans.example",
        "https://fans_club.example",
        "https://fans.example/chat",
        "https://fans.example?x",
        "https://fans.example#x",
        "https://me@fans.example",
        "https://fans.example:0",
        "https://fans.example:65536",
        "https://fans.example:port",
        "https://fans.example;script-src",
        "https://fans.example,https://evil.example",
        "https://fans.example evil.example",
        "https://fans.example'",
        "https://b\u00fccher.example",
        "http://fans.example",
        "http://127.0.0.1.evil.example",
        "http://10.0.0.1",
        "ftp://fans.example",
        "javascript://fans.example",
        "data:text/html,x",
    ],
)
def test_anything_else_is_none(typed: str) -> None:
    with pytest.raises(Refusal) as refused:
        embed_origin_of(typed)
    assert refused.value.code is Code.BAD_REQUEST


def test_an_origin_has_a_hundred_characters_at_most() -> None:
    host = ".".join(["f" * 30] * 2 + ["g" * 22, "example"])
    longest = f"https://{host}"
    assert len(longest) == EMBED_ORIGIN_CHARACTERS_MAX == 100
    assert embed_origin_of(longest) == longest
    with pytest.raises(Refusal):
        embed_origin_of(longest.replace("example", "examples"))


def test_a_channel_has_twenty_at_most_each_once() -> None:
    origins = [f"https://fans{number}.example" for number in range(EMBED_ORIGINS_MAX)]
    assert len(origins) == 20
    assert embed_origins_of([*origins, origins[0].upper()]) == origins
    with pytest.raises(Refusal) as refused:
        embed_origins_of([*origins, "https://one-more.example"])
    assert refused.value.code is Code.BAD_REQUEST
