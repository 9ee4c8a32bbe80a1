"""Linking and unlinking on a running gateway, and what one address at two providers leads to."""

import asyncio
import re
from collections.abc import AsyncIterator
from uuid import UUID

import httpx2
import pytest

from server.auth.accounts import ACCOUNTS_MAX
from server.auth.cookies import LOOPBACK_NAME
from server.auth.providers.options import SignInOptions
from server.storage.postgres import Postgres
from tests.sign_in.browsers import SigningBrowser, notice_of, trouble_of
from tests.sign_in.conftest import NewBrowser
from tests.sign_in.issuers import Lies, RunningIssuer, running_issuer
from tests.support.gateways import LocalGateway, local_gateway


@pytest.fixture
async def issuers() -> AsyncIterator[tuple[RunningIssuer, RunningIssuer]]:
    redirect_uris: list[str] = []
    async with running_issuer(redirect_uris) as tide, running_issuer(redirect_uris) as reef:
        yield tide, reef


@pytest.fixture
async def gateway(
    postgres_url: str, redis_url: str, issuers: tuple[RunningIssuer, RunningIssuer]
) -> AsyncIterator[LocalGateway]:
    options = [issuer.options(name.lower(), name) for issuer, name in zip(issuers, ("Tide", "Reef"), strict=True)]
    async with local_gateway(postgres_url, redis_url, sign_in=SignInOptions(options)) as running:
        for issuer, name in zip(issuers, ("tide", "reef"), strict=True):
            issuer.redirect_uris.append(f"{running.url}/signin/{name}/callback")
        yield running


async def link(browser: SigningBrowser, person: str, provider: str) -> httpx2.Response:
    return await browser.sign_in(person, provider, intent="link", next="/me/accounts")


async def accounts(postgres: Postgres) -> list[tuple[UUID, str, str]]:
    query = "SELECT user_id, provider, provider_account_id FROM account ORDER BY created_at"
    return [tuple(row) for row in await postgres.pool.fetch(query)]


def vouching(*, is_vouched: bool) -> Lies:
    return Lies(claims=lambda claims: {**claims, "email_verified": is_vouched})


async def account_ids(browser: SigningBrowser) -> list[str]:
    answer = await browser.http.get("/api/me/accounts")
    assert answer.status_code == 200
    return [one["id"] for one in answer.json()["items"]]


async def unlink(browser: SigningBrowser, account_id: str) -> httpx2.Response:
    return await browser.http.delete(f"/api/me/accounts/{account_id}", headers={"origin": browser.url})


async def test_linking_adds_a_way_to_the_same_user(new_browser: NewBrowser, postgres: Postgres) -> None:
    browser = new_browser()
    await browser.sign_in("mara", "tide")
    page = await link(browser, "teo", "reef")
    assert notice_of(page) == "Reef is linked: from now on you can sign in with it."
    await new_browser().sign_in("teo", "reef")
    assert len({user_id for user_id, _, _ in await accounts(postgres)}) == 1
    assert await postgres.pool.fetchval('SELECT count(*) FROM "user"') == 1


async def test_linking_twice_is_linking_once(browser: SigningBrowser, postgres: Postgres) -> None:
    await browser.sign_in("mara", "tide")
    for _ in range(2):
        assert notice_of(await link(browser, "teo", "reef")) is not None
    assert len(await accounts(postgres)) == 2


async def test_an_account_that_is_somebody_s_is_not_linked(new_browser: NewBrowser, postgres: Postgres) -> None:
    await new_browser().sign_in("teo", "reef")
    before = await accounts(postgres)
    browser = new_browser()
    await browser.sign_in("mara", "tide")
    page = await link(browser, "teo", "reef")
    assert trouble_of(page) == "That account at Reef already belongs to another account here. Nothing changed."
    assert (await accounts(postgres))[: len(before)] == before
    assert len(await accounts(postgres)) == 2


async def test_a_visitor_links_nothing(browser: SigningBrowser, postgres: Postgres) -> None:
    await browser.http.get("/")
    fields = {"intent": "link"}
    answer = await browser.http.post(
        "/signin/reef", data=fields, headers={"origin": browser.url, "accept": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


async def test_a_link_that_somebody_else_finishes_links_nothing(browser: SigningBrowser, postgres: Postgres) -> None:
    await browser.sign_in("mara", "tide")
    address = await browser.choose(await browser.depart("reef", intent="link"), person="teo")
    await browser.sign_in("jonas", "tide")  # the same browser, another user
    assert "too old" in str(trouble_of(await browser.arrive(address)))
    assert [provider for _, provider, _ in await accounts(postgres)] == ["tide", "tide"]


async def test_who_is_not_signed_in_any_more_when_a_link_comes_back_is_told_so(
    browser: SigningBrowser, postgres: Postgres
) -> None:
    await browser.sign_in("mara", "tide")
    address = await browser.choose(await browser.depart("reef", intent="link", next="/me/accounts"), person="teo")
    browser.http.cookies.delete(LOOPBACK_NAME)
    page = await browser.arrive(address)
    assert page.status_code == 200
    assert "too old" in str(trouble_of(page))
    assert 'value="/me/accounts"' in page.text
    assert [provider for _, provider, _ in await accounts(postgres)] == ["tide"]


async def test_who_has_as_many_accounts_as_there_can_be_is_told_so(browser: SigningBrowser, postgres: Postgres) -> None:
    await browser.sign_in("mara", "tide")
    await postgres.pool.execute(
        """
        INSERT INTO account (id, user_id, type, provider, provider_account_id)
        SELECT gen_random_uuid(), user_id, type, provider, n::text FROM account, generate_series(2, $1) AS n
        """,
        ACCOUNTS_MAX,
    )
    assert "as many accounts linked as there can be" in str(trouble_of(await link(browser, "teo", "reef")))
    assert len(await accounts(postgres)) == ACCOUNTS_MAX


async def test_somebody_who_got_an_address_after_another_is_somebody_new(
    new_browser: NewBrowser, issuers: tuple[RunningIssuer, RunningIssuer], postgres: Postgres
) -> None:
    """The provider vouches for it with another subject: there is nowhere else to send them."""
    await new_browser().sign_in("mara", "tide")
    issuers[0].lies = Lies(claims=lambda claims: {**claims, "sub": "the next Mara"})
    assert notice_of(await new_browser().sign_in("mara", "tide")) == "Signed in as Mara Keller."
    assert len({user_id for user_id, _, _ in await accounts(postgres)}) == 2


async def test_the_same_address_elsewhere_says_where_to_sign_in(new_browser: NewBrowser, postgres: Postgres) -> None:
    await new_browser().sign_in("mara", "tide")
    page = await new_browser().sign_in("mara", "reef")
    assert trouble_of(page) == (
        "You have an account through Tide. Sign in there; then you can link Reef on your page. Nothing changed."
    )
    assert len(await accounts(postgres)) == 1
    assert await postgres.pool.fetchval("SELECT count(*) FROM session WHERE user_id IS NOT NULL") == 1


@pytest.mark.parametrize("vouched", [(False, True), (True, False)])
async def test_nothing_is_said_of_an_address_that_is_not_proven(
    new_browser: NewBrowser,
    issuers: tuple[RunningIssuer, RunningIssuer],
    postgres: Postgres,
    vouched: tuple[bool, bool],
) -> None:
    for issuer, is_vouched, name in zip(issuers, vouched, ("tide", "reef"), strict=True):
        issuer.lies = vouching(is_vouched=is_vouched)
        assert notice_of(await new_browser().sign_in("mara", name)) is not None
    assert len({user_id for user_id, _, _ in await accounts(postgres)}) == 2


async def test_the_same_address_in_other_letters_is_the_same(
    new_browser: NewBrowser, issuers: tuple[RunningIssuer, RunningIssuer]
) -> None:
    await new_browser().sign_in("mara", "tide")
    issuers[1].lies = Lies(claims=lambda claims: {**claims, "email": "MARA@People.example"})
    assert "You have an account through Tide." in str(trouble_of(await new_browser().sign_in("mara", "reef")))


async def test_one_address_at_two_providers_at_once_becomes_one_user(
    new_browser: NewBrowser, postgres: Postgres
) -> None:
    browsers = [(new_browser(), "tide"), (new_browser(), "reef")]
    ways = [await one.choose(await one.depart(name), person="mara") for one, name in browsers]
    await asyncio.gather(*(one.http.get(way) for (one, _), way in zip(browsers, ways, strict=True)))
    assert len(await accounts(postgres)) == 1


async def test_unlinking_leaves_the_others(browser: SigningBrowser, postgres: Postgres) -> None:
    await browser.sign_in("mara", "tide")
    await link(browser, "teo", "reef")
    first, _ = await account_ids(browser)
    assert (await unlink(browser, first)).status_code == 204
    assert [provider for _, provider, _ in await accounts(postgres)] == ["reef"]


async def test_the_last_way_stays(browser: SigningBrowser, postgres: Postgres) -> None:
    await browser.sign_in("mara", "tide")
    (only,) = await account_ids(browser)
    answer = await unlink(browser, only)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert len(await accounts(postgres)) == 1


async def test_a_provider_that_is_not_there_any_more_counts_as_no_way(
    browser: SigningBrowser, postgres: Postgres
) -> None:
    await browser.sign_in("mara", "tide")
    await link(browser, "teo", "reef")
    await postgres.pool.execute("UPDATE account SET provider = 'gone' WHERE provider = 'reef'")
    first, second = await account_ids(browser)
    assert (await unlink(browser, first)).status_code == 409
    assert (await unlink(browser, second)).status_code == 204


async def test_two_that_are_unlinked_at_once_leave_one(browser: SigningBrowser, postgres: Postgres) -> None:
    await browser.sign_in("mara", "tide")
    await link(browser, "teo", "reef")
    answers = await asyncio.gather(*(unlink(browser, one) for one in await account_ids(browser)))
    assert sorted(answer.status_code for answer in answers) == [204, 409]
    assert len(await accounts(postgres)) == 1


async def test_nobody_unlinks_for_somebody_else(new_browser: NewBrowser, postgres: Postgres) -> None:
    mara, jonas = new_browser(), new_browser()
    await mara.sign_in("mara", "tide")
    await link(mara, "teo", "reef")
    await jonas.sign_in("jonas", "tide")
    for account_id in await account_ids(mara):
        assert (await unlink(jonas, account_id)).status_code == 404
    assert len(await accounts(postgres)) == 3


async def test_the_page_links_and_unlinks_without_a_script(browser: SigningBrowser) -> None:
    await browser.sign_in("mara", "tide")
    page = await link(browser, "teo", "reef")
    assert "Your only way" not in page.text
    action = re.findall(r'action="(/me/accounts/[^"]+/unlink)"', page.text)[0]
    answer = await browser.http.post(action, headers={"origin": browser.url}, data={"x": "1"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/me/accounts")
    left = await browser.http.get("/me/accounts")
    assert notice_of(left) == "Tide is not linked any more."
    assert "Your only way to sign in" in left.text


async def test_who_is_not_signed_in_is_led_to_sign_in(browser: SigningBrowser) -> None:
    answer = await browser.http.get("/me/accounts")
    assert (answer.status_code, answer.headers["location"]) == (303, "/signin?next=/me/accounts")
