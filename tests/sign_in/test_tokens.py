"""Tokens of providers: sealed in the table, never shown, and refreshed at the provider when they are needed."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from server.auth.account_tokens import LOOK_SECONDS, AccountTokens
from server.auth.providers.making import make_providers
from server.auth.providers.options import SignInOptions
from server.auth.providers.provider import ProviderFailure, ProviderTokens, Trouble
from server.auth.providers.transport import ProviderTransport
from server.auth.sealing import Keyring
from server.domain.errors import Code, Refusal
from server.storage.postgres import Connection, Postgres
from tests.sign_in.browsers import SigningBrowser
from tests.sign_in.conftest import NewBrowser
from tests.sign_in.issuers import Lies, RunningIssuer, running_issuer
from tests.support.gateways import SECRET, LocalGateway, local_gateway

COLUMNS = ("access_token", "refresh_token", "id_token")


@pytest.fixture
async def issuer() -> AsyncIterator[RunningIssuer]:
    async with running_issuer([]) as running:
        yield running


@pytest.fixture
async def gateway(postgres_url: str, redis_url: str, issuer: RunningIssuer) -> AsyncIterator[LocalGateway]:
    options = SignInOptions([issuer.options("tide", "Tide")])
    async with local_gateway(postgres_url, redis_url, sign_in=options) as running:
        issuer.redirect_uris.append(f"{running.url}/signin/tide/callback")
        yield running


@pytest.fixture
async def transport() -> AsyncIterator[ProviderTransport]:
    made = ProviderTransport()
    yield made
    await made.close()


@pytest.fixture
def tokens(postgres: Postgres, issuer: RunningIssuer, transport: ProviderTransport) -> AccountTokens:
    return made(postgres, issuer, transport, SECRET)


def made(postgres: Postgres, issuer: RunningIssuer, transport: ProviderTransport, *secrets: str) -> AccountTokens:
    providers = make_providers(SignInOptions([issuer.options("tide", "Tide")]), transport)
    return AccountTokens(postgres, Keyring(secrets), providers)


@pytest.fixture
async def account_id(browser: SigningBrowser, postgres: Postgres) -> UUID:
    await browser.sign_in("mara", "tide")
    found: UUID = await postgres.pool.fetchval("SELECT id FROM account")
    return found


async def expire(postgres: Postgres) -> None:
    await postgres.pool.execute("UPDATE account SET expires_at = clock_timestamp() + interval '59 seconds'")


async def sealed(postgres: Postgres) -> dict[str, bytes]:
    row = await postgres.pool.fetchrow(f"SELECT {', '.join(COLUMNS)} FROM account")
    assert row is not None
    return dict(row)


async def test_all_three_are_sealed_in_the_table(
    browser: SigningBrowser, issuer: RunningIssuer, postgres: Postgres
) -> None:
    told: dict[str, str] = {}

    def noted(answer: dict[str, str]) -> dict[str, str]:
        told.update({name: answer[name] for name in COLUMNS})
        return answer

    issuer.lies = Lies(answer=noted)
    await browser.sign_in("mara", "tide")
    kept = await sealed(postgres)
    assert set(told) == set(COLUMNS)
    for name in COLUMNS:
        assert len(kept[name]) > len(told[name])
        assert told[name].encode() not in kept[name]
    shown = (await browser.http.get("/api/me/accounts")).text
    assert not any(token in shown for token in told.values())


async def test_a_token_that_lives_is_given_without_asking(
    tokens: AccountTokens, account_id: UUID, issuer: RunningIssuer
) -> None:
    asked = list(issuer.asked)
    assert await tokens.live_access_token(account_id)
    assert issuer.asked == asked


async def test_one_that_is_over_is_refreshed_once_however_many_ask(
    tokens: AccountTokens, account_id: UUID, issuer: RunningIssuer, postgres: Postgres
) -> None:
    old, before = await tokens.live_access_token(account_id), await sealed(postgres)
    for _ in range(2):  # the new refresh token works, too
        await expire(postgres)
        asked = issuer.asked.count("/token")
        fresh = await asyncio.gather(*(tokens.live_access_token(account_id) for _ in range(5)))
        assert len(set(fresh)) == 1
        assert fresh[0] != old
        assert issuer.asked.count("/token") == asked + 1
        old = fresh[0]
    after = await sealed(postgres)
    assert after["refresh_token"] != before["refresh_token"]
    assert after["id_token"] == before["id_token"]


async def test_two_nodes_refresh_once(
    account_id: UUID, issuer: RunningIssuer, transport: ProviderTransport, postgres: Postgres
) -> None:
    """A refresh token of this issuer works once: whoever showed it a second time would be told to sign in again."""
    nodes = [made(postgres, issuer, transport, SECRET) for _ in range(3)]
    for _ in range(3):
        await expire(postgres)
        asked = issuer.asked.count("/token")
        fresh = await asyncio.gather(*(node.live_access_token(account_id) for node in nodes))
        assert len(set(fresh)) == 1
        assert issuer.asked.count("/token") == asked + 1
    assert (await sealed(postgres))["refresh_token"] is not None


async def test_a_node_that_died_while_it_refreshed_keeps_nobody_out_for_longer_than_its_lease(
    tokens: AccountTokens, account_id: UUID, postgres: Postgres
) -> None:
    old = await tokens.live_access_token(account_id)
    await expire(postgres)
    seconds = "UPDATE account SET refreshing_until = clock_timestamp() + $1::interval"
    await postgres.pool.execute(seconds, timedelta(seconds=LOOK_SECONDS * 2))
    assert await tokens.live_access_token(account_id) != old


async def test_an_id_token_that_nobody_has_checked_is_not_kept(
    tokens: AccountTokens, account_id: UUID, issuer: RunningIssuer, postgres: Postgres
) -> None:
    before = await sealed(postgres)
    issuer.lies = Lies(answer=lambda answer: {**answer, "id_token": "x.y.z"})
    await expire(postgres)
    assert await tokens.live_access_token(account_id)
    assert (await sealed(postgres))["id_token"] == before["id_token"]


@pytest.mark.parametrize("error", ["invalid_client", "temporarily_unavailable", "slow_down"])
async def test_an_error_that_is_not_about_the_refresh_token_does_not_lose_it(
    tokens: AccountTokens, account_id: UUID, issuer: RunningIssuer, postgres: Postgres, error: str
) -> None:
    await expire(postgres)
    issuer.lies = Lies(answer=lambda answer: {"error": error})
    with pytest.raises(ProviderFailure):
        await tokens.live_access_token(account_id)
    assert (await sealed(postgres))["refresh_token"] is not None


async def test_an_issuer_that_describes_itself_wrongly_for_a_while_costs_no_refresh_token(
    tokens: AccountTokens, account_id: UUID, issuer: RunningIssuer, postgres: Postgres
) -> None:
    await expire(postgres)
    issuer.lies = Lies(description=lambda said: {**said, "issuer": "https://portal.example"})
    with pytest.raises(ProviderFailure):
        await tokens.live_access_token(account_id)
    assert (await sealed(postgres))["refresh_token"] is not None


async def test_a_provider_that_keeps_its_refresh_token_does_not_lose_us_ours(
    tokens: AccountTokens, account_id: UUID, issuer: RunningIssuer, postgres: Postgres
) -> None:
    issuer.lies = Lies(answer=lambda answer: {k: v for k, v in answer.items() if k != "refresh_token"})
    await expire(postgres)
    assert await tokens.live_access_token(account_id)
    assert (await sealed(postgres))["refresh_token"] is not None


async def test_a_refresh_token_that_the_provider_refuses_is_forgotten(
    tokens: AccountTokens, account_id: UUID, issuer: RunningIssuer, postgres: Postgres
) -> None:
    await expire(postgres)
    issuer.lies = Lies(answer=lambda answer: {"error": "invalid_grant"})
    with pytest.raises(Refusal) as refused:
        await tokens.live_access_token(account_id)
    assert refused.value.code is Code.NOT_FOUND
    assert (await sealed(postgres))["refresh_token"] is None


async def test_a_provider_that_does_not_answer_costs_nothing(
    tokens: AccountTokens, account_id: UUID, issuer: RunningIssuer, postgres: Postgres
) -> None:
    await expire(postgres)

    def fail(answer: dict[str, str]) -> dict[str, str]:
        raise ConnectionError("for the test")

    issuer.lies = Lies(answer=fail)
    with pytest.raises(ProviderFailure) as failure:
        await tokens.live_access_token(account_id)
    assert failure.value.trouble is Trouble.UNREACHABLE
    assert (await sealed(postgres))["refresh_token"] is not None


async def test_a_new_secret_in_front_loses_nothing_and_seals_what_comes(
    account_id: UUID, issuer: RunningIssuer, transport: ProviderTransport, postgres: Postgres
) -> None:
    new = "another secret of the tests, long enough"
    assert await made(postgres, issuer, transport, new, SECRET).live_access_token(account_id)
    with pytest.raises(Refusal):
        await made(postgres, issuer, transport, new).live_access_token(account_id)

    async def work(conn: Connection) -> None:
        await made(postgres, issuer, transport, new, SECRET).write(conn, account_id, ProviderTokens("fresh"))

    await postgres.transact(work)
    assert await made(postgres, issuer, transport, new).live_access_token(account_id) == "fresh"


async def test_a_token_of_another_column_does_not_open(
    tokens: AccountTokens, account_id: UUID, postgres: Postgres
) -> None:
    await postgres.pool.execute("UPDATE account SET access_token = refresh_token")
    with pytest.raises(Refusal) as refused:
        await tokens.live_access_token(account_id)
    assert refused.value.code is Code.NOT_FOUND


async def test_a_token_of_another_account_does_not_open(
    tokens: AccountTokens, account_id: UUID, new_browser: NewBrowser, postgres: Postgres
) -> None:
    await new_browser().sign_in("jonas", "tide")
    await postgres.pool.execute(
        "UPDATE account SET access_token = (SELECT access_token FROM account WHERE id <> $1) WHERE id = $1", account_id
    )
    with pytest.raises(Refusal) as refused:
        await tokens.live_access_token(account_id)
    assert refused.value.code is Code.NOT_FOUND
