"""The keys of an issuer, and its clock: what is believed, up to where, and how often it is asked."""

import base64
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import pytest

from server.auth.development import TOKEN_SECONDS
from server.auth.providers.openid import LEEWAY_SECONDS
from tests.sign_in.browsers import SigningBrowser, notice_of, trouble_of
from tests.sign_in.issuers import Lies, RunningIssuer, gateway_with, running_issuer
from tests.support.gateways import LocalGateway

SLACK_SECONDS = 15
"""From the moment at which a token is made to the one at which it is looked at, on a machine with much to do."""


@pytest.fixture
async def issuer() -> AsyncIterator[RunningIssuer]:
    async with running_issuer([]) as running:
        yield running


@pytest.fixture
async def gateway(postgres_url: str, redis_url: str, issuer: RunningIssuer) -> AsyncIterator[LocalGateway]:
    async with gateway_with(postgres_url, redis_url, issuer) as running:
        yield running


async def is_believed(browser: SigningBrowser) -> bool:
    page = await browser.sign_in("mara", "tide")
    assert (notice_of(page) is None) is ("could not be verified" in str(trouble_of(page)))
    return notice_of(page) is not None


async def test_keys_are_asked_for_once(browser: SigningBrowser, issuer: RunningIssuer) -> None:
    for _ in range(3):
        assert await is_believed(browser)
    assert issuer.asked.count("/jwks") == 1
    assert issuer.asked.count("/.well-known/openid-configuration") == 1


async def test_a_key_that_is_new_is_asked_for_when_it_is_seen(browser: SigningBrowser, issuer: RunningIssuer) -> None:
    assert await is_believed(browser)
    issuer.issuer.change_key()
    for _ in range(2):
        assert await is_believed(browser)
    assert issuer.asked.count("/jwks") == 2


async def test_a_key_that_the_issuer_does_not_have_is_asked_for_once_a_sign_in(
    browser: SigningBrowser, issuer: RunningIssuer
) -> None:
    assert await is_believed(browser)
    issuer.lies = Lies(kid="nobody's")
    assert not await is_believed(browser)
    assert issuer.asked.count("/jwks") == 2


@pytest.mark.parametrize(
    ("ahead_seconds", "believed"),
    [
        (LEEWAY_SECONDS - 1, True),
        (LEEWAY_SECONDS + SLACK_SECONDS, False),
        (SLACK_SECONDS - LEEWAY_SECONDS - TOKEN_SECONDS, True),
        (-LEEWAY_SECONDS - TOKEN_SECONDS, False),
    ],
)
async def test_a_clock_may_be_two_minutes_off_and_no_more(
    browser: SigningBrowser, issuer: RunningIssuer, ahead_seconds: int, *, believed: bool
) -> None:
    """Ahead, it says that a token was made later than now; behind, that it is over."""
    issuer.lies = Lies(seconds=ahead_seconds)
    assert await is_believed(browser) is believed


async def test_a_token_that_counts_only_later_does_not_count(browser: SigningBrowser, issuer: RunningIssuer) -> None:
    issuer.lies = Lies(claims=lambda claims: {**claims, "nbf": claims["iat"] + LEEWAY_SECONDS + SLACK_SECONDS})
    assert not await is_believed(browser)


@pytest.mark.parametrize("believed", [True, False])
async def test_an_access_token_that_came_with_another_id_token_is_not_believed(
    browser: SigningBrowser, issuer: RunningIssuer, *, believed: bool
) -> None:
    """OpenID Connect Core 1.0, 3.1.3.8: at_hash."""
    half = base64.urlsafe_b64encode(sha256(b"the access token").digest()[:16]).decode().rstrip("=")

    def answer(said: dict[str, Any]) -> dict[str, Any]:
        return {**said, "access_token": "the access token" if believed else "another one"}

    issuer.lies = Lies(claims=lambda claims: {**claims, "at_hash": half}, answer=answer)
    assert await is_believed(browser) is believed


@pytest.mark.parametrize(
    ("audience", "party", "believed"),
    [
        (["a-client"], None, True),
        (["a-client", "another"], "a-client", True),
        (["a-client", "another"], None, False),
        (["a-client", "another"], "another", False),
        (["another", "a third"], "a-client", False),
        ([], "a-client", False),
    ],
)
async def test_a_token_for_several_is_ours_where_we_are_its_party(
    browser: SigningBrowser, issuer: RunningIssuer, audience: list[str], party: str | None, *, believed: bool
) -> None:
    more = {} if party is None else {"azp": party}
    issuer.lies = Lies(claims=lambda claims: {**claims, "aud": audience, **more})
    assert await is_believed(browser) is believed
