"""GitHub and Facebook: no ID token, the person is asked for at an API."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from server.auth.providers.options import ProviderKind, SignInOptions
from server.storage.postgres import Postgres
from tests.sign_in.browsers import SigningBrowser, notice_of, trouble_of
from tests.sign_in.social import OCTOCAT, Social, running_social
from tests.support.gateways import LocalGateway, local_gateway

UNTRUSTED = "could not be verified"


@pytest.fixture
async def social() -> AsyncIterator[Social]:
    async with running_social() as running:
        yield running


@pytest.fixture
async def gateway(postgres_url: str, redis_url: str, social: Social) -> AsyncIterator[LocalGateway]:
    providers = [social.options(ProviderKind.GITHUB, "GitHub"), social.options(ProviderKind.FACEBOOK, "Facebook")]
    async with local_gateway(postgres_url, redis_url, sign_in=SignInOptions(providers)) as running:
        yield running


async def said(browser: SigningBrowser, provider: str) -> str:
    address = (await browser.http.get(await browser.depart(provider))).headers["location"]
    page = await browser.arrive(address)
    return notice_of(page) or trouble_of(page) or ""


async def users(postgres: Postgres) -> list[tuple[Any, ...]]:
    query = (
        "SELECT a.type, a.provider, a.provider_account_id, u.name, u.email, u.email_verified IS NOT NULL, u.image"
        ' FROM "user" u JOIN account a ON a.user_id = u.id ORDER BY a.created_at'
    )
    return [tuple(row) for row in await postgres.pool.fetch(query)]


async def test_github_knows_people_by_their_number(browser: SigningBrowser, postgres: Postgres) -> None:
    assert await said(browser, "github") == "Signed in as The Octocat."
    assert await users(postgres) == [
        ("oauth", "github", "583231", "The Octocat", "octocat@people.example", True, "https://avatars.example/1")
    ]


async def test_a_login_that_was_given_away_is_somebody_else(
    browser: SigningBrowser, social: Social, postgres: Postgres
) -> None:
    await said(browser, "github")
    social.user, social.emails = {**OCTOCAT, "id": 7, "name": None}, []
    assert await said(browser, "github") == (
        "Signed in as octocat. What this browser held before belongs to another account."
    )
    assert [row[2] for row in await users(postgres)] == ["583231", "7"]


async def test_an_address_that_github_does_not_vouch_for_is_not_taken(
    browser: SigningBrowser, social: Social, postgres: Postgres
) -> None:
    social.emails = [{"email": "mara@people.example", "primary": True, "verified": False}]
    await said(browser, "github")
    assert [row[4:6] for row in await users(postgres)] == [(None, False)]


async def test_facebook_tells_an_address_and_does_not_vouch_for_it(browser: SigningBrowser, postgres: Postgres) -> None:
    assert await said(browser, "facebook") == "Signed in as Mara Keller."
    assert await users(postgres) == [("oauth", "facebook", "10222", "Mara Keller", "mara@people.example", False, None)]


@pytest.mark.parametrize("status", [403, 404])
async def test_who_may_not_see_addresses_at_github_signs_people_in_without(
    browser: SigningBrowser, social: Social, postgres: Postgres, status: int
) -> None:
    social.emails_status = status
    assert await said(browser, "github") == "Signed in as The Octocat."
    assert [row[4:6] for row in await users(postgres)] == [(None, False)]


@pytest.mark.parametrize("picture", [None, {}, {"data": None}, "https://a.example", []])
async def test_who_has_no_picture_at_facebook_signs_in(
    browser: SigningBrowser, social: Social, postgres: Postgres, picture: Any
) -> None:
    social.person = {**social.person, "picture": picture}
    assert await said(browser, "facebook") == "Signed in as Mara Keller."
    assert [row[6] for row in await users(postgres)] == [None]


@pytest.mark.parametrize("provider", ["github", "facebook"])
async def test_an_error_that_comes_with_200_is_one(
    browser: SigningBrowser, social: Social, postgres: Postgres, provider: str
) -> None:
    social.token = {"error": "bad_verification_code"}
    assert UNTRUSTED in await said(browser, provider)
    assert await users(postgres) == []


@pytest.mark.parametrize("number", [None, "583231", True, 0, -1, 1.5])
async def test_a_user_without_a_number_is_nobody(
    browser: SigningBrowser, social: Social, postgres: Postgres, number: object
) -> None:
    social.user = {**OCTOCAT, "id": number}
    assert UNTRUSTED in await said(browser, "github")
    assert await users(postgres) == []


@pytest.mark.parametrize("emails", [{}, {"message": "no"}, ["mara@people.example"]])
async def test_addresses_that_are_no_list_sign_nobody_in(
    browser: SigningBrowser, social: Social, postgres: Postgres, emails: Any
) -> None:
    social.emails = emails
    told = await said(browser, "github")
    assert UNTRUSTED in told if emails else told.startswith("Signed in")
