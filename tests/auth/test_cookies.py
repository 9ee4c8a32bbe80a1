"""The cookie's name and flags follow from our own origins."""

import pytest
from starlette.requests import HTTPConnection
from starlette.responses import Response

from server.auth.cookies import SessionCookie
from server.auth.origins import Origins


def rules(*urls: str) -> SessionCookie:
    return SessionCookie(Origins(urls), max_age_seconds=60)


def written(cookie: SessionCookie) -> str:
    response = Response()
    cookie.write(response, "token")
    return response.headers["set-cookie"]


def test_on_plain_loopback_the_cookie_is_not_secure() -> None:
    expected = "tallylight_session=token; HttpOnly; Max-Age=60; Path=/; SameSite=lax"
    assert written(rules("http://127.0.0.1:8420")) == expected


@pytest.mark.parametrize("url", ["https://good.example", "http://good.example", "https://localhost"])
def test_everywhere_else_it_is_a_secure_host_cookie(url: str) -> None:
    expected = "__Host-tallylight_session=token; HttpOnly; Max-Age=60; Path=/; SameSite=lax; Secure"
    assert written(rules(url)) == expected


def test_a_cookie_of_the_other_name_is_not_read() -> None:
    planted = HTTPConnection({"type": "http", "headers": [(b"cookie", b"tallylight_session=planted")]})
    assert rules("https://good.example").read(planted) is None
    assert rules("http://localhost").read(planted) == "planted"
