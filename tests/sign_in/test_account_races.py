"""Two who do the same at the same moment, each in a transaction of their own."""

import asyncio
from uuid import UUID

import pytest

from server.auth.account_tokens import AccountTokens
from server.auth.accounts import ACCOUNTS_MAX, Accounts, EmailElsewhere
from server.auth.providers.provider import Identified, Profile, ProviderTokens
from server.auth.sealing import Keyring
from server.domain.errors import Code, Refusal
from server.storage.postgres import Postgres
from tests.ledger.losing_proxy import open_through_a_losing_proxy
from tests.support.rows import Rows

ROUNDS = 5
BOTH = ("tide", "reef")


@pytest.fixture
def accounts(postgres: Postgres) -> Accounts:
    return Accounts(postgres, AccountTokens(postgres, Keyring(["a secret of the tests"]), {}))


def somebody(subject: str, email: str | None = None) -> Identified:
    return Identified(Profile(subject, email=email, email_verified=email is not None), ProviderTokens("a token"))


async def sign_up(accounts: Accounts, provider: str, found: Identified) -> UUID | None:
    """The user; None: told to sign in elsewhere."""
    try:
        return await accounts.sign_up_or_find(provider, "oidc", found, BOTH)
    except EmailElsewhere:
        return None


async def test_one_person_who_signs_up_twice_at_once_is_one_user(accounts: Accounts, postgres: Postgres) -> None:
    for number in range(ROUNDS):
        found = somebody(f"subject-{number}")
        users = await asyncio.gather(*(sign_up(accounts, "tide", found) for _ in range(4)))
        assert len(set(users)) == 1
    assert await postgres.pool.fetchval('SELECT count(*) FROM "user"') == ROUNDS


async def test_one_address_at_two_providers_at_once_is_one_user(accounts: Accounts, postgres: Postgres) -> None:
    for number in range(ROUNDS):
        found = somebody("same", f"mara-{number}@people.example")
        found = Identified(Profile(f"s{number}", email=found.profile.email, email_verified=True), found.tokens)
        users = await asyncio.gather(*(sign_up(accounts, provider, found) for provider in BOTH))
        assert sum(user is None for user in users) == 1
    assert await postgres.pool.fetchval('SELECT count(*) FROM "user"') == ROUNDS


async def test_two_ways_that_are_taken_away_at_once_leave_one(accounts: Accounts) -> None:
    for number in range(ROUNDS):
        user_id = await sign_up(accounts, "tide", somebody(f"t{number}"))
        assert user_id is not None
        await accounts.link(user_id, "reef", "oidc", somebody(f"r{number}"))

        async def unlink(account_id: UUID, user_id: UUID = user_id) -> bool:
            try:
                await accounts.unlink(user_id, account_id, BOTH)
            except Refusal as refusal:
                if refusal.code is not Code.CONFLICT:
                    raise
                return False
            return True

        taken = await asyncio.gather(*(unlink(one.id) for one in await accounts.of_user(user_id)))
        assert sorted(taken) == [False, True]
        assert len(await accounts.of_user(user_id)) == 1


async def test_one_account_that_two_link_at_once_is_one_user_s(accounts: Accounts, rows: Rows) -> None:
    for number in range(ROUNDS):
        users = [await rows.user(f"user_{number}_{which}") for which in range(2)]

        async def link(user_id: UUID, subject: str = f"s{number}") -> bool:
            try:
                await accounts.link(user_id, "tide", "oidc", somebody(subject))
            except Refusal as refusal:
                if refusal.code is not Code.CONFLICT:
                    raise
                return False
            return True

        assert sorted(await asyncio.gather(*(link(user_id) for user_id in users))) == [False, True]


async def test_so_many_accounts_and_no_more_are_linked(accounts: Accounts, rows: Rows) -> None:
    user_id = await rows.user("mara_k")
    for number in range(ACCOUNTS_MAX):
        await accounts.link(user_id, "tide", "oidc", somebody(f"s{number}"))
    with pytest.raises(Refusal) as refused:
        await accounts.link(user_id, "tide", "oidc", somebody("one more"))
    assert refused.value.code is Code.CONFLICT
    assert len(await accounts.of_user(user_id)) == ACCOUNTS_MAX


async def test_an_account_that_outlived_its_user_is_nobody_s(accounts: Accounts, postgres: Postgres) -> None:
    first = await sign_up(accounts, "tide", somebody("mara", "mara@people.example"))
    await postgres.pool.execute('UPDATE "user" SET deleted_at = clock_timestamp() WHERE id = $1', first)
    second = await sign_up(accounts, "tide", somebody("mara", "mara@people.example"))
    assert second not in (None, first)


async def test_a_way_that_is_taken_away_and_the_reply_is_lost_is_taken_away(
    accounts: Accounts, postgres_url: str
) -> None:
    user_id = await sign_up(accounts, "tide", somebody("t"))
    assert user_id is not None
    await accounts.link(user_id, "reef", "oidc", somebody("r"))
    first, second = await accounts.of_user(user_id)
    async with open_through_a_losing_proxy(postgres_url) as (postgres, proxy):
        through = Accounts(postgres, AccountTokens(postgres, Keyring(["a secret of the tests"]), {}))
        proxy.replies_to_lose = 1
        assert await through.unlink(user_id, first.id, BOTH) == first
        assert proxy.replies_to_lose == 0
    assert await accounts.of_user(user_id) == [second]
