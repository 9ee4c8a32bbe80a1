"""Badges are earned in the transaction of what earns them, by visitors and users alike, and taken back with it."""

import asyncio
from collections.abc import Mapping
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from server.domain.givers import Giver
from server.domain.transactions import TransactionType
from server.ledger.badges import Recomputed, recompute
from server.ledger.contributions import settle
from server.ledger.reversals import reverse_contribution
from server.storage.ids import new_id
from tests.ledger.books import Books
from tests.ledger.fans import Held, held, holdings
from tests.ledger.test_charging import wait_for_a_lock

ACTIVATION, CREDIT_PURCHASE = TransactionType.ACTIVATION, TransactionType.CREDIT_PURCHASE


class Fan:
    """Somebody who gives."""

    def __init__(self, books: Books, user_id: UUID | None, session_id: UUID) -> None:
        self.books = books
        self.session_id = session_id
        self.giver = Giver.of(user_id, session_id)

    async def pay(self, channel_id: UUID, cents: int, type_: TransactionType = CREDIT_PURCHASE) -> UUID:
        """A contribution that is paid and not settled."""
        return (await self.books.contribution(channel_id, type_, cents, session_id=self.session_id)).id

    async def give(self, channel_id: UUID, cents: int, type_: TransactionType = CREDIT_PURCHASE) -> UUID:
        """A contribution that is settled."""
        contribution_id = await self.pay(channel_id, cents, type_)
        await self.books.settle(contribution_id)
        return contribution_id

    async def take_back(self, contribution_id: UUID, cents: int | None = None) -> None:
        await self.books.postgres.transact(
            lambda conn: reverse_contribution(
                conn, contribution_id, reference=str(new_id()), amount_cents=cents, reason="a test"
            )
        )

    async def recompute(self) -> Recomputed:
        return await self.books.postgres.transact(lambda conn: recompute(conn, self.giver))

    async def held(self) -> Held:
        return await held(self.books.postgres, self.giver)


@pytest.fixture(params=["visitor", "user"])
async def fan(books: Books, request: pytest.FixtureRequest) -> Fan:
    return await a_fan(books, is_user=request.param == "user")


async def a_fan(books: Books, *, is_user: bool = False) -> Fan:
    user_id = await books.user() if is_user else None
    return Fan(books, user_id, await books.session(user_id))


async def test_a_first_contribution_is_earned_with_its_transaction_and_its_time(books: Books, fan: Fan) -> None:
    channel_id = await books.channel(is_active=False)
    contribution_id = await fan.pay(channel_id, 100, ACTIVATION)
    assert await fan.held() == set()
    await books.settle(contribution_id)
    assert await fan.held() == {("spark", None), ("star", channel_id), ("hexagon", channel_id)}
    row = await books.postgres.pool.fetchrow(
        'SELECT id, created_at FROM "transaction" WHERE contribution_id = $1', contribution_id
    )
    assert row is not None
    assert {(one.transaction_id, one.earned_at) for one in await holdings(books.postgres, fan.giver)} == {tuple(row)}


async def test_who_closes_the_goal_earns_it_and_who_comes_later_helped_nobody(books: Books) -> None:
    channel_id = await books.channel(is_active=False)
    first, closer, late = [await a_fan(books) for _ in range(3)]
    await first.give(channel_id, 400, ACTIVATION)
    await closer.give(channel_id, 700, ACTIVATION)
    await late.give(channel_id, 100, ACTIVATION)
    always = {("spark", None), ("hexagon", channel_id)}
    assert await first.held() == always | {("star", channel_id)}
    assert await closer.held() == always | {("star", channel_id), ("switch", channel_id), ("ticket", channel_id)}
    assert await late.held() == always | {("ticket", channel_id)}


async def test_credits_bought_for_a_channel_add_up_and_those_of_another_do_not(books: Books, fan: Fan) -> None:
    channel_id, other_id = await books.channel(), await books.channel()
    await fan.give(channel_id, 90)
    await fan.give(other_id, 90)
    assert not {icon for icon, _ in await fan.held()} & {"ticket", "roll", "booth"}
    await fan.give(channel_id, 10)
    assert {("ticket", channel_id)} == {one for one in await fan.held() if one[0] in {"ticket", "roll", "booth"}}
    await fan.give(channel_id, 9_900)
    tickets = {(icon, channel_id) for icon in ("ticket", "roll", "booth")}
    assert tickets == {one for one in await fan.held() if one[0] in {"ticket", "roll", "booth"}}


async def test_supporting_three_channels_is_earned_with_the_third(books: Books, fan: Fan) -> None:
    channel_ids = [await books.channel() for _ in range(3)]
    for channel_id in channel_ids[:2]:
        await fan.give(channel_id, 10)
        await fan.give(channel_id, 10)
    assert ("wave", None) not in await fan.held()
    await fan.give(channel_ids[2], 10)
    assert ("wave", None) in await fan.held()


async def test_the_first_ten_givers_of_a_channel_are_early_however_they_race(books: Books) -> None:
    channel_id = await books.channel(is_active=False)
    fans = [await a_fan(books, is_user=bool(number % 2)) for number in range(14)]
    paid = [await fan.pay(channel_id, 10, ACTIVATION) for fan in fans for _ in range(2)]
    await asyncio.gather(*(books.settle(contribution_id) for contribution_id in paid))
    early = [fan for fan in fans if ("hexagon", channel_id) in await fan.held()]
    assert len(early) == 10
    for fan in fans:
        assert (await fan.recompute()).lost == ()
    assert [fan for fan in fans if ("hexagon", channel_id) in await fan.held()] == early


async def test_a_second_settlement_of_the_same_giver_waits_for_the_first_one_s_badges(books: Books, fan: Fan) -> None:
    first, second, third = [await books.channel() for _ in range(3)]
    await fan.give(first, 10)
    paid = [await fan.pay(second, 10), await fan.pay(third, 10)]
    async with books.postgres.pool.acquire() as conn:
        settling = conn.transaction()
        await settling.start()
        await settle(conn, paid[0])
        other = asyncio.create_task(books.settle(paid[1]))
        await wait_for_a_lock(books.postgres)
        await settling.commit()
    await other
    assert {("wave", None), ("hexagon", second), ("hexagon", third)} <= await fan.held()


async def test_settlements_of_one_giver_on_many_channels_at_once_lose_no_badge(books: Books, fan: Fan) -> None:
    channel_ids = [await books.channel() for _ in range(10)]
    paid = [await fan.pay(channel_id, 100) for channel_id in channel_ids]
    await asyncio.gather(*(books.settle(contribution_id) for contribution_id in paid))
    assert await fan.held() == {
        ("spark", None),
        ("wave", None),
        ("dial", None),
        *((icon, channel_id) for icon in ("ticket", "hexagon") for channel_id in channel_ids),
    }


async def test_what_was_awarded_is_what_the_whole_history_earns(books: Books, fan: Fan) -> None:
    for goal_cents in (100, 200, 300):
        channel_id = await books.channel(goal_cents=goal_cents, is_active=False)
        await (await a_fan(books)).give(channel_id, 50, ACTIVATION)
        await fan.give(channel_id, 50, ACTIVATION)
        await fan.give(channel_id, 300, ACTIVATION)
    before = await holdings(books.postgres, fan.giver)
    recomputed = await fan.recompute()
    assert set(recomputed.held.values()) == set(before)
    assert recomputed.lost == ()


async def test_a_reversal_takes_back_what_no_longer_holds_with_a_log_line_each(books: Books, fan: Fan) -> None:
    channel_id = await books.channel(is_active=False)
    contribution_id = await fan.give(channel_id, 1_100, ACTIVATION)
    assert len(await fan.held()) == 5
    with capture_logs() as logs:
        await fan.take_back(contribution_id)
    assert await fan.held() == set()
    told = [line for line in logs if line["event"] == "badge_taken_back"]
    assert {line["badge"] for line in told} == {"First Spark", "First Light", "Switched On", "Ticket", "Front Row"}
    assert {line["giver"] for line in told} == {fan.giver.kind}
    assert all("does not meet it" in line["why"] for line in told)
    await books.assert_clean()


async def test_a_part_that_is_reversed_takes_only_what_hangs_on_it(books: Books, fan: Fan) -> None:
    channel_id = await books.channel()
    contribution_id = await fan.give(channel_id, 1_000)
    assert {("ticket", channel_id), ("roll", channel_id)} <= await fan.held()
    await fan.take_back(contribution_id, 10)
    assert await fan.held() == {("spark", None), ("ticket", channel_id), ("hexagon", channel_id)}


async def test_what_still_holds_is_dated_by_what_still_stands(books: Books, fan: Fan) -> None:
    channel_id = await books.channel()
    first, second = await fan.give(channel_id, 50), await fan.give(channel_id, 50)
    await fan.give(channel_id, 50)
    await fan.take_back(first)
    written = await books.postgres.pool.fetchval(
        'SELECT created_at FROM "transaction" WHERE contribution_id = $1', second
    )
    assert [one.earned_at for one in await holdings(books.postgres, fan.giver) if not one.channel_id] == [written]


async def test_a_place_that_was_reversed_is_not_passed_on(books: Books) -> None:
    channel_id = await books.channel(is_active=False)
    fans = [await a_fan(books) for _ in range(12)]
    given = [await fan.give(channel_id, 10, ACTIVATION) for fan in fans]
    await fans[0].take_back(given[0])
    assert ("hexagon", channel_id) not in await fans[0].held()
    await fans[10].recompute()
    assert ("hexagon", channel_id) not in await fans[10].held()
    await fans[0].give(channel_id, 10, ACTIVATION)
    assert ("hexagon", channel_id) not in await fans[0].held()


async def change(books: Books, icon: str, criteria: str) -> None:
    """As an admin changes a badge: a row, and no code."""
    await books.postgres.pool.execute("UPDATE badge SET criteria = $2 WHERE icon = $1", icon, criteria)


async def test_a_badge_that_was_made_harder_is_earned_by_its_new_number(books: Books, fan: Fan) -> None:
    await change(books, "spark", '{"kind": "contributions", "count": 2}')
    channel_id = await books.channel()
    await fan.give(channel_id, 10)
    assert ("spark", None) not in await fan.held()
    await fan.give(channel_id, 10)
    assert ("spark", None) in await fan.held()


async def test_a_badge_that_was_added_is_earned_without_a_change_of_the_program(books: Books, fan: Fan) -> None:
    await books.postgres.pool.execute(
        "INSERT INTO badge (id, name, description, icon, criteria, position) VALUES ($1, 'Five', '', 'five',"
        """ '{"kind": "credits_bought", "credits": 5, "per": "channel"}', 5)""",
        new_id(),
    )
    channel_id = await books.channel()
    await fan.give(channel_id, 50)
    assert ("five", channel_id) in await fan.held()


@pytest.mark.parametrize("criteria", ['{"kind": "likes"}', "[]", "null", '{"kind": "chats", "count": 0}'])
async def test_criteria_that_nobody_can_read_stop_no_payment_and_take_no_badge(books: Books, criteria: str) -> None:
    channel_id, fan = await books.channel(), await a_fan(books)
    await fan.give(channel_id, 10)
    await change(books, "spark", criteria)
    with capture_logs() as logs:
        second = await fan.give(channel_id, 10)
    unreadable: list[Mapping[str, object]] = [line for line in logs if line["event"] == "badge_unreadable"]
    assert [line["badge"] for line in unreadable] == ["First Spark"]
    await fan.take_back(second)
    assert ("spark", None) in await fan.held()
