"""A commit whose reply is lost is found by the repetition, and not done again."""

from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from server.domain.payments import PaymentKind
from server.domain.transactions import TransactionType
from server.ledger import charging
from server.ledger.accounts import Balance
from server.ledger.adjustments import Adjustment, adjust
from server.ledger.contributions import begin, settle
from server.ledger.credits import Credits
from server.ledger.payments.payments import Payments
from server.ledger.reversal_requests import ReversalRequest, Reversals
from server.storage.ids import new_id
from server.storage.postgres import TRANSACTION_TRIES, Postgres, is_unreachable
from server.storage.redis import Redis, balance_key
from tests.ledger.books import Books, refund_chat
from tests.ledger.losing_proxy import LosingProxy, open_through_a_losing_proxy
from tests.ledger.payments.news import news
from tests.ledger.test_reversals import Desk


@pytest.fixture
async def lossy(postgres_url: str) -> AsyncIterator[tuple[Postgres, LosingProxy]]:
    async with open_through_a_losing_proxy(postgres_url) as opened:
        yield opened


async def test_an_adjustment_is_done_once(
    books: Books, channel_credits: Credits, lossy: tuple[Postgres, LosingProxy]
) -> None:
    postgres, proxy = lossy
    channel_id = await books.channel(credits_=5)
    proxy.replies_to_lose = 2
    adjustment = Adjustment(new_id(), channel_id, 3, "a present")
    assert await adjust(postgres, channel_credits, adjustment) == Balance(channel_id, 8, 2)
    assert proxy.replies_to_lose == 0
    assert (await books.balance(channel_id)).balance == 8
    await books.assert_clean()


async def test_an_adjustment_that_never_reached_postgres_is_done_by_the_repetition(
    books: Books, channel_credits: Credits, lossy: tuple[Postgres, LosingProxy]
) -> None:
    postgres, proxy = lossy
    channel_id = await books.channel(credits_=5)
    proxy.commits_to_lose = 2
    await adjust(postgres, channel_credits, Adjustment(new_id(), channel_id, 3, "a present"))
    assert (await books.balance(channel_id)).balance == 8
    await books.assert_clean()


async def test_a_contribution_is_begun_and_settled_once(books: Books, lossy: tuple[Postgres, LosingProxy]) -> None:
    postgres, proxy = lossy
    channel_id = await books.channel()
    new = await books.contribution(channel_id, TransactionType.CREDIT_PURCHASE, 500)
    proxy.replies_to_lose = 1
    await postgres.transact(lambda conn: begin(conn, new))
    proxy.replies_to_lose = 1
    assert await postgres.transact(lambda conn: settle(conn, new.id)) is None  # the try before has done it
    assert await books.balance(channel_id) == Balance(channel_id, 50, 1)
    await books.assert_clean()


async def test_a_first_token_and_a_refund_are_read_back(books: Books, lossy: tuple[Postgres, LosingProxy]) -> None:
    postgres, proxy = lossy
    channel_id = await books.channel(credits_=2)
    spent, refunded = await books.charged_chat(channel_id), await books.charged_chat(channel_id)
    proxy.replies_to_lose = 1
    assert await postgres.transact(lambda conn: charging.spend(conn, [(spent, 1)])) == set()
    proxy.replies_to_lose = 1
    assert await postgres.transact(lambda conn: refund_chat(conn, refunded)) is None
    assert [await books.credit_state(chat_id) for chat_id in (spent, refunded)] == ["SPENT", "REFUNDED"]
    assert (await books.balance(channel_id)).balance == 1
    await books.assert_clean()


async def test_a_connection_that_is_always_lost_is_not_tried_for_ever(
    books: Books, lossy: tuple[Postgres, LosingProxy]
) -> None:
    postgres, proxy = lossy
    proxy.commits_to_lose = TRANSACTION_TRIES
    with pytest.raises(Exception) as lost:  # noqa: PT011 - whatever asyncpg calls it
        await postgres.transact(lambda conn: conn.execute("SELECT 1"))
    assert is_unreachable(lost.value)
    assert proxy.commits_to_lose == 0


async def test_a_reversal_is_done_once_and_published(
    books: Books, channel_credits: Credits, redis: Redis, lossy: tuple[Postgres, LosingProxy]
) -> None:
    postgres, proxy = lossy
    channel_id = await books.channel()
    bought = await Desk(books).bought(channel_id, 500)
    proxy.replies_to_lose = 2
    reversals = Reversals(postgres, channel_credits)
    recorded = await reversals.reverse(ReversalRequest(bought, "key-0001", 200, "why"))
    assert proxy.replies_to_lose == 0
    assert (recorded.amount_cents, recorded.credits) == (-200, -20)
    assert await books.entries(channel_id) == [(1, "PURCHASE", 50, 50), (2, "ADJUST", -20, 30)]
    assert await redis.run(lambda client: client.hget(balance_key(channel_id), "b")) == b"30"


async def test_news_that_an_admin_must_look_at_is_told(
    books: Books, channel_credits: Credits, lossy: tuple[Postgres, LosingProxy]
) -> None:
    postgres, proxy = lossy
    new = await books.contribution(await books.channel(), TransactionType.CREDIT_PURCHASE, 500)
    payments = Payments(postgres, channel_credits, lambda balance, why: None, providers={}, current=None)
    proxy.replies_to_lose = 1
    with capture_logs() as logged:
        await payments.take("sandbox", news(new, PaymentKind.PAID, amount_cents=499))
    assert proxy.replies_to_lose == 0
    told = [entry for entry in logged if entry["event"] == "payment_event_not_applied"]
    assert [(entry["log_level"], entry["problem"]) for entry in told] == [("error", "AMOUNT_DIFFERS")]
