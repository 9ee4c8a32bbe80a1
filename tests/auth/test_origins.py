"""Only an exact own origin is ours."""

import pytest
from starlette.datastructures import Headers

from server.auth.origins import Origins

OURS = Origins(["https://Good.Example/", "http://localhost:8420", "https://[2001:DB8::1]:8443"])


def headers(*origins: str) -> Headers:
    return Headers(raw=[(b"origin", origin.encode()) for origin in origins])


@pytest.mark.parametrize("origin", ["https://good.example", "http://localhost:8420", "https://[2001:db8::1]:8443"])
def test_an_own_origin_is_allowed(origin: str) -> None:
    assert OURS.allows(headers(origin))


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "https://evil.test",
        "https://good.example.evil.test",
        "https://evilgood.example",
        "http://good.example",
        "https://good.example:8443",
        "https://good.example:443",
        "https://good.example/",
        "https://good.example.",
        "HTTPS://GOOD.EXAMPLE",
        "https://user@good.example",
        "http://localhost",
        "http://127.0.0.1:8420",
        "https://good.example https://good.example",
    ],
)
def test_any_other_origin_is_refused(origin: str) -> None:
    assert not OURS.allows(headers(origin))


def test_a_missing_origin_is_refused() -> None:
    assert not OURS.allows(headers())


def test_two_origin_headers_are_refused() -> None:
    assert not OURS.allows(headers("https://good.example", "https://good.example"))


def test_the_host_header_makes_nothing_ours() -> None:
    sent = Headers({"host": "evil.test", "origin": "https://evil.test"})
    assert not OURS.allows(sent)


def test_loopback_has_three_names_with_the_real_port() -> None:
    expected = {"http://localhost:8420", "http://127.0.0.1:8420", "http://[::1]:8420"}
    assert Origins.of_loopback(8420).serialized == expected


def test_a_default_port_is_left_out_as_browsers_do() -> None:
    assert Origins(["https://a.example:443", "http://b.example:80"]).serialized == {
        "https://a.example",
        "http://b.example",
    }


@pytest.mark.parametrize(
    ("urls", "plain"),
    [
        (["http://localhost:8420", "http://127.0.0.1", "http://[::1]:1"], True),
        (["http://localhost:8420", "https://good.example"], False),
        (["https://localhost:8420"], False),
        (["http://localhost.evil.test"], False),
        (["http://127.0.0.2"], False),
    ],
)
def test_plain_loopback_is_http_on_the_three_names_alone(urls: list[str], plain: bool) -> None:
    assert Origins(urls).plain_loopback is plain


@pytest.mark.parametrize(
    "url",
    [
        "",
        "good.example",
        "ftp://good.example",
        "https://",
        "https://good.example/path",
        "https://good.example?x",
        "https://user:pass@good.example",
        "https://good.example:port",
        "https://good.example:99999",
        "https://gööd.example",
        "https://[::nonsense]",
    ],
)
def test_an_address_that_is_no_origin_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(ValueError, match=r"public address|IPv6|At least"):
        Origins([url])


def test_no_address_at_all_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Origins([])
