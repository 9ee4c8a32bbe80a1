"""From a wish to a checkout: written down once, the provider asked for the same contribution, its answer kept once."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from server.domain.errors import Code, Refusal
from server.domain.identity import Identity
from server.domain.money import Share
from server.domain.settings import Settings
from server.domain.transactions import ContributionStatus, TransactionType
from server.ledger.contributing import Contributing, Wish, check_amount
from server.ledger.given import read_given
from server.storage.ids import new_id
from server.storage.postgres import Postgres
from server.storage.settings import LiveSettings
from tests.ledger.books import Books
from tests.support.payments import PaperProvider

ACTIVATION, CREDIT_PURCHASE = TransactionType.ACTIVATION, TransactionType.CREDIT_PURCHASE
DOWN = Refusal(Code.PROVIDER_ERROR, "The provider failed.")


@pytest.fixture
def provider() -> PaperProvider:
    return PaperProvider()


@pytest.fixture
def contributing(postgres: Postgres, provider: PaperProvider) -> Contributing:
    return contributing_at(postgres, provider, Settings())


def contributing_at(postgres: Postgres, provider: PaperProvider | None, settings: Settings) -> Contributing:
    return Contributing(postgres, LiveSettings(postgres, settings), provider)


@pytest.fixture
async def giver(books: Books) -> Identity:
    return Identity(await books.session())


@pytest.fixture
async def wish(books: Books) -> Wish:
    return Wish(await books.channel(is_active=False), ACTIVATION, 1_000, "Mara")


async def stored(books: Books) -> list[tuple[object, ...]]:
    rows = await books.postgres.pool.fetch(
        "SELECT status, provider_reference, checkout_url, credits_per_dollar FROM contribution ORDER BY created_at"
    )
    return [tuple(row) for row in rows]


async def test_a_contribution_gets_its_checkout(
    books: Books, contributing: Contributing, provider: PaperProvider, giver: Identity, wish: Wish
) -> None:
    contribution_id = new_id()
    given = await contributing.contribute(contribution_id, giver, wish)
    assert (given.status, given.checkout_url) == (ContributionStatus.PENDING, f"/checkout/{contribution_id}")
    assert (given.display_name, given.amount_cents, given.type, given.parts) == ("Mara", 1_000, ACTIVATION, [])
    assert await stored(books) == [("PENDING", f"paper-{contribution_id}", f"/checkout/{contribution_id}", 10)]
    [order] = provider.orders
    assert (order.amount_cents, order.currency, order.description) == (1_000, "USD", "A channel: activation")
    assert order.return_url == f"/contributions/{contribution_id}"


async def test_doing_it_again_asks_the_provider_no_more(
    books: Books, contributing: Contributing, provider: PaperProvider, giver: Identity, wish: Wish
) -> None:
    contribution_id = new_id()
    first = await contributing.contribute(contribution_id, giver, wish)
    assert await contributing.contribute(contribution_id, giver, wish) == first
    assert len(provider.orders) == len(await stored(books)) == 1


async def test_when_the_provider_fails_the_next_try_goes_on_with_the_same_contribution(
    books: Books, contributing: Contributing, provider: PaperProvider, giver: Identity, wish: Wish
) -> None:
    contribution_id = new_id()
    provider.failures.append(DOWN)
    with pytest.raises(Refusal, match="provider failed"):
        await contributing.contribute(contribution_id, giver, wish)
    assert await stored(books) == [("CREATED", None, None, 10)]
    given = await contributing.contribute(contribution_id, giver, wish)
    assert given.status is ContributionStatus.PENDING
    assert provider.orders[0] == provider.orders[1]


async def test_the_rate_is_that_of_the_first_try(
    postgres: Postgres, books: Books, provider: PaperProvider, giver: Identity
) -> None:
    wish, contribution_id = Wish(await books.channel(), CREDIT_PURCHASE, 500), new_id()
    provider.failures.append(DOWN)
    with pytest.raises(Refusal, match="provider failed"):
        await contributing_at(postgres, provider, Settings(credits_per_dollar=10)).contribute(
            contribution_id, giver, wish
        )
    later = contributing_at(postgres, provider, Settings(credits_per_dollar=99))
    assert (await later.contribute(contribution_id, giver, wish)).credits_per_dollar == 10
    assert [order.description for order in provider.orders] == ["A channel: 50 credits"] * 2


async def test_a_rate_that_is_not_the_expected_one_is_a_conflict(
    books: Books, contributing: Contributing, giver: Identity, wish: Wish
) -> None:
    with pytest.raises(Refusal) as refused:
        await contributing.contribute(new_id(), giver, replace(wish, credits_per_dollar=11))
    assert refused.value.code is Code.CONFLICT
    assert await stored(books) == []
    await contributing.contribute(new_id(), giver, replace(wish, credits_per_dollar=10))


@pytest.mark.parametrize(
    "other", [{"amount_cents": 999}, {"type": CREDIT_PURCHASE}, {"display_name": None}, {"channel_id": UUID(int=0)}]
)
async def test_the_same_id_for_another_contribution_is_a_conflict(
    contributing: Contributing, giver: Identity, wish: Wish, other: dict[str, object]
) -> None:
    contribution_id = new_id()
    await contributing.contribute(contribution_id, giver, wish)
    with pytest.raises(Refusal) as refused:
        await contributing.contribute(contribution_id, giver, replace(wish, **other))  # type: ignore[arg-type]
    assert refused.value.code is Code.CONFLICT


async def test_the_id_of_somebody_elses_contribution_is_a_conflict(
    books: Books, contributing: Contributing, giver: Identity, wish: Wish
) -> None:
    contribution_id = new_id()
    await contributing.contribute(contribution_id, giver, wish)
    with pytest.raises(Refusal) as refused:
        await contributing.contribute(contribution_id, Identity(await books.session()), wish)
    assert refused.value.code is Code.CONFLICT


async def test_two_at_once_make_one_contribution(
    books: Books, contributing: Contributing, provider: PaperProvider, giver: Identity, wish: Wish
) -> None:
    for _ in range(20):
        contribution_id = new_id()
        first, second = await asyncio.gather(*(contributing.contribute(contribution_id, giver, wish) for _ in range(2)))
        assert first == second
    assert len(await stored(books)) == 20
    assert len({order.contribution_id for order in provider.orders}) == 20


async def test_no_transaction_is_open_while_the_provider_is_asked(
    books: Books, contributing: Contributing, provider: PaperProvider, giver: Identity, wish: Wish
) -> None:
    provider.may_answer.clear()
    asking = asyncio.create_task(contributing.contribute(new_id(), giver, wish))
    while not provider.orders:  # noqa: ASYNC110 - the provider says nothing before
        await asyncio.sleep(0)
    open_transactions = await books.postgres.pool.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
    )
    assert (open_transactions, await stored(books)) == (0, [("CREATED", None, None, 10)])
    provider.may_answer.set()
    await asking


async def test_news_that_is_faster_than_the_reference_keeps_its_status(
    books: Books, contributing: Contributing, provider: PaperProvider, giver: Identity, wish: Wish
) -> None:
    provider.may_answer.clear()
    contribution_id = new_id()
    asking = asyncio.create_task(contributing.contribute(contribution_id, giver, wish))
    while not provider.orders:  # noqa: ASYNC110 - the provider says nothing before
        await asyncio.sleep(0)
    await books.settle(contribution_id)
    provider.may_answer.set()
    given = await asking
    assert (given.status, given.checkout_url) == (ContributionStatus.SETTLED, None)
    assert await stored(books) == [("SETTLED", f"paper-{contribution_id}", f"/checkout/{contribution_id}", 10)]


async def test_a_reference_that_news_has_brought_stays(
    books: Books, contributing: Contributing, provider: PaperProvider, giver: Identity, wish: Wish
) -> None:
    provider.may_answer.clear()
    asking = asyncio.create_task(contributing.contribute(new_id(), giver, wish))
    while not provider.orders:  # noqa: ASYNC110 - the provider says nothing before
        await asyncio.sleep(0)
    await books.postgres.pool.execute("UPDATE contribution SET provider_reference = 'another', status = 'PENDING'")
    provider.may_answer.set()
    assert (await asking).checkout_url is None
    assert await stored(books) == [("PENDING", "another", None, 10)]


async def test_without_a_provider_nothing_is_written(
    postgres: Postgres, books: Books, giver: Identity, wish: Wish
) -> None:
    contributing = contributing_at(postgres, None, Settings())
    with pytest.raises(Refusal, match="no payment provider") as refused:
        await contributing.contribute(new_id(), giver, wish)
    assert (refused.value.code, contributing.terms.is_open, await stored(books)) == (Code.UNAVAILABLE, False, [])


async def test_a_contribution_of_another_provider_waits_for_it(
    postgres: Postgres, provider: PaperProvider, giver: Identity, wish: Wish
) -> None:
    contribution_id = new_id()
    provider.failures.append(DOWN)
    with pytest.raises(Refusal, match="provider failed"):
        await contributing_at(postgres, provider, Settings()).contribute(contribution_id, giver, wish)
    other = PaperProvider("other")
    with pytest.raises(Refusal) as refused:
        await contributing_at(postgres, other, Settings()).contribute(contribution_id, giver, wish)
    assert (refused.value.code, other.orders) == (Code.UNAVAILABLE, [])


async def test_a_quote_is_what_settling_makes_of_it(books: Books, contributing: Contributing) -> None:
    channel_id = await books.channel(is_active=False)
    await books.give(channel_id, ACTIVATION, 600)
    quoted = await contributing.quote(Wish(channel_id, ACTIVATION, 1_000))
    assert (quoted.rows, quoted.credits_per_dollar) == (
        (Share(ACTIVATION, 400, 0), Share(CREDIT_PURCHASE, 600, 60)),
        10,
    )
    assert (await books.give(channel_id, ACTIVATION, 1_000)).shares == quoted.rows


async def test_who_lost_the_race_for_the_goal_gets_credits_in_full(
    books: Books, contributing: Contributing, giver: Identity, wish: Wish
) -> None:
    for contribution_id in (ids := [new_id(), new_id()]):
        await contributing.contribute(contribution_id, giver, wish)
    settled = await asyncio.gather(*(books.settle(contribution_id) for contribution_id in ids))
    assert sorted(len(settlement.shares) for settlement in settled if settlement) == [1, 1]
    parts = [(await read_given(books.postgres, contribution_id, giver)).parts for contribution_id in ids]
    assert sorted((part.type, part.amount_cents, part.credits) for [part] in parts) == [
        (ACTIVATION, 1_000, 0),
        (CREDIT_PURCHASE, 1_000, 100),
    ]
    await books.assert_clean()


@pytest.mark.parametrize(("cents", "is_allowed"), [(99, False), (100, True), (100_000, True), (100_001, False)])
def test_the_bounds_of_a_contribution_are_settings(contributing: Contributing, cents: int, is_allowed: bool) -> None:
    if is_allowed:
        check_amount(cents, contributing.terms)
        return
    with pytest.raises(Refusal, match=r"at least \$1 and at most \$1,000") as refused:
        check_amount(cents, contributing.terms)
    assert (refused.value.code, refused.value.details) == (Code.BAD_REQUEST, {"min": 100, "max": 100_000})


async def test_a_contribution_is_its_givers_alone(
    books: Books, contributing: Contributing, giver: Identity, wish: Wish
) -> None:
    given = await contributing.contribute(new_id(), giver, wish)
    assert (await read_given(books.postgres, given.id, giver)).id == given.id
    for contribution_id, other in ((given.id, Identity(await books.session())), (new_id(), giver)):
        with pytest.raises(Refusal) as refused:
            await read_given(books.postgres, contribution_id, other)
        assert refused.value.code is Code.NOT_FOUND
