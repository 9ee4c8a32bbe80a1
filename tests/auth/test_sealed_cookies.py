"""What a browser keeps for us: it cannot read it, change it, or keep it longer than it may."""

import pytest
from starlette.requests import Request
from starlette.responses import Response

from server.auth.sealed_cookies import SealedCookie
from server.auth.sealing import Keyring

KEYRING = Keyring(["a secret of the tests, long enough for all"])


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def made(clock: Clock, name: str = "a_cookie", *, secure: bool = False) -> SealedCookie:
    return SealedCookie(name, KEYRING.sealer("a purpose"), secure=secure, lives_seconds=60, now=clock)


def written(cookie: SealedCookie, content: bytes) -> str:
    response = Response()
    cookie.write(response, content)
    return response.headers["set-cookie"]


def request_with(header: str) -> Request:
    return Request({"type": "http", "headers": [(b"cookie", header.partition(";")[0].encode())]})


def test_it_comes_back_as_it_was(clock: Clock) -> None:
    cookie = made(clock)
    header = written(cookie, b"state and verifier")
    assert "state" not in header
    assert cookie.read(request_with(header)) == b"state and verifier"


@pytest.mark.parametrize(("seconds", "lives"), [(59.0, True), (60.0, False)])
def test_it_is_over_after_its_time_whatever_the_browser_keeps(clock: Clock, seconds: float, *, lives: bool) -> None:
    cookie = made(clock)
    header = written(cookie, b"content")
    clock.seconds += seconds
    assert (cookie.read(request_with(header)) is not None) is lives


def test_another_cookie_s_content_is_none(clock: Clock) -> None:
    header = written(made(clock, "another"), b"content").replace("another=", "a_cookie=", 1)
    assert made(clock).read(request_with(header)) is None


@pytest.mark.parametrize("value", ["", "x", "%%%", "AAAA", "é", "A" * 5_000])
def test_what_is_not_ours_is_none(clock: Clock, value: str) -> None:
    request = Request({"type": "http", "headers": [(b"cookie", f"a_cookie={value}".encode("latin-1"))]})
    assert made(clock).read(request) is None


def test_on_https_it_is_bound_to_the_host(clock: Clock) -> None:
    header = written(made(clock, secure=True), b"content")
    assert header.startswith("__Host-a_cookie=")
    attributes = {part.strip().lower() for part in header.split(";")[1:]}
    assert {"httponly", "secure", "path=/", "samesite=lax", "max-age=60"} <= attributes
