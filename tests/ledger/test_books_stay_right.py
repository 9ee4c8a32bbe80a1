"""A state machine over everything that moves credits: balances are right after each step, whatever the order, and the
ledger's own check is clean after some steps and the last. (What is off stays off: entries never change.)"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from server.domain.errors import Refusal
from server.domain.transactions import TransactionType
from server.ledger.adjustments import Adjustment, adjust
from server.ledger.credits import Credits
from server.ledger.reversal_requests import ReversalRequest, Reversals
from server.storage.ids import new_id
from server.storage.postgres import Postgres
from server.storage.redis import Redis, balance_key
from tests.ledger.books import Books
from tests.support.patient_redis import PATIENT_REDIS

T = TypeVar("T")


class Ledger(RuleBasedStateMachine):
    """The model: what each channel's balance and each chat's credit must be."""

    postgres_url: str
    redis_url: str
    channels = Bundle("channels")
    chats = Bundle("chats")
    purchases = Bundle("purchases")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.postgres = self.run(Postgres.open(self.postgres_url))
        self.redis = Redis.open(self.redis_url, PATIENT_REDIS)
        self.books = Books(self.postgres)
        self.credits = Credits(self.postgres, self.redis)
        self.balances: dict[UUID, int] = {}
        self.states: dict[UUID, str] = {}
        self.channel_of: dict[UUID, UUID] = {}
        self.left_cents: dict[UUID, int] = {}
        self.left_credits: dict[UUID, int] = {}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @rule(target=channels, credits_=st.integers(0, 3))
    def new_channel(self, credits_: int) -> UUID:
        channel_id = self.run(self.books.channel(credits_=credits_))
        self.balances[channel_id] = credits_
        return channel_id

    @rule(target=chats, channel_id=channels)
    def open_chat(self, channel_id: UUID) -> UUID:
        (chat_id,) = self.run(self.books.chats(channel_id))
        self.states[chat_id], self.channel_of[chat_id] = "NONE", channel_id
        return chat_id

    @rule(chat_ids=st.lists(chats, min_size=1, max_size=4, unique=True))
    def send_first_messages(self, chat_ids: list[UUID]) -> None:
        for chat_id in chat_ids:
            channel_id = self.channel_of[chat_id]
            charges = self.states[chat_id] == "NONE" and self.balances[channel_id] > 0
            assert bool(self.run(self.start(channel_id, chat_id))) == charges
            if charges:
                self.states[chat_id] = "CHARGED"
                self.balances[channel_id] -= 1

    async def start(self, channel_id: UUID, chat_id: UUID) -> set[UUID]:
        if not await self.credits.reserve(channel_id, chat_id):
            return set()
        charged = await self.books.start(channel_id, [chat_id])
        await self.credits.publish([await self.books.balance(channel_id)], [chat_id])
        return charged

    @rule(chat_id=chats)
    def first_token(self, chat_id: UUID) -> None:
        wins = self.states[chat_id] == "CHARGED"
        assert self.run(self.books.spend(chat_id)) == wins
        if wins:
            self.states[chat_id] = "SPENT"

    @rule(chat_id=chats)
    def answer_fails(self, chat_id: UUID) -> None:
        wins = self.states[chat_id] == "CHARGED"
        assert (self.run(self.books.refund(chat_id)) is not None) == wins
        if wins:
            self.states[chat_id] = "REFUNDED"
            self.balances[self.channel_of[chat_id]] += 1

    @rule(target=purchases, channel_id=channels, amount_cents=st.integers(10, 60))
    def buy(self, channel_id: UUID, amount_cents: int) -> UUID:
        settlement = self.run(self.books.give(channel_id, TransactionType.CREDIT_PURCHASE, amount_cents))
        self.balances[channel_id] += amount_cents // 10
        bought: UUID = self.run(
            self.postgres.pool.fetchval(
                'SELECT id FROM "transaction" WHERE contribution_id = $1', settlement.contribution_id
            )
        )
        self.left_cents[bought], self.left_credits[bought] = amount_cents, amount_cents // 10
        self.channel_of[bought] = channel_id
        return bought

    @rule(bought=purchases, amount_cents=st.none() | st.integers(1, 60))
    def reverse(self, bought: UUID, amount_cents: int | None) -> None:
        taken_cents = self.left_cents[bought] if amount_cents is None else amount_cents
        request = ReversalRequest(bought, str(new_id()), amount_cents, "a step")
        try:
            reversal = self.run(Reversals(self.postgres, self.credits).reverse(request))
        except Refusal:
            assert not 0 < taken_cents <= self.left_cents[bought]
            return
        self.left_cents[bought] -= taken_cents
        self.left_credits[bought] += reversal.credits
        if not self.left_cents[bought]:
            assert self.left_credits[bought] == 0
        channel_id = self.channel_of[bought]
        deficit = max(0, -reversal.credits - self.balances[channel_id])
        assert reversal.deficit_credits == deficit
        self.balances[channel_id] += reversal.credits + deficit

    @rule(channel_id=channels, by_credits=st.integers(-3, 3).filter(bool))
    def adjust(self, channel_id: UUID, by_credits: int) -> None:
        adjustment = Adjustment(new_id(), channel_id, by_credits, "a step")
        try:
            self.run(adjust(self.postgres, self.credits, adjustment))
        except Refusal:
            assert self.balances[channel_id] + by_credits < 0
        else:
            self.balances[channel_id] += by_credits

    @rule(channel_id=channels)
    def redis_forgets(self, channel_id: UUID) -> None:
        self.run(self.redis.run(lambda client: client.delete(balance_key(channel_id))))

    @rule(channel_id=channels, balance=st.integers(0, 9), version=st.integers(0, 99))
    def redis_is_wrong(self, channel_id: UUID, balance: int, version: int) -> None:
        async def write() -> None:
            key = balance_key(channel_id)
            await self.redis.run(lambda client: client.hset(key, mapping={"b": balance, "v": version}))
            await self.redis.run(lambda client: client.pexpire(key, 5_000))

        self.run(write())

    @rule()
    def check_the_books(self) -> None:
        self.run(self.books.assert_clean())

    @invariant()
    def the_balances_are_right(self) -> None:
        self.run(self.compare())

    async def compare(self) -> None:
        balances = await self.postgres.pool.fetch(
            "SELECT id, credit_balance FROM channel WHERE id = ANY($1)", list(self.balances)
        )
        assert {channel["id"]: channel["credit_balance"] for channel in balances} == self.balances
        states = await self.postgres.pool.fetch(
            "SELECT id, credit_state FROM chat WHERE id = ANY($1)", list(self.states)
        )
        assert {chat["id"]: chat["credit_state"] for chat in states} == self.states

    def teardown(self) -> None:
        try:
            self.check_the_books()
        finally:
            self.run(self.redis.close())
            self.run(self.postgres.close())
            self.runner.close()


def machine(postgres_url: str, redis_url: str) -> type[RuleBasedStateMachine]:
    return type("Machine", (Ledger,), {"postgres_url": postgres_url, "redis_url": redis_url})


def run_machine(postgres_url: str, redis_url: str, *, examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine(postgres_url, redis_url),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )


def test_every_order_of_steps_keeps_the_books_right(postgres_url: str, redis_url: str) -> None:
    run_machine(postgres_url, redis_url, examples=10, steps=20)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_very_many_orders_of_steps_keep_the_books_right(postgres_url: str, redis_url: str) -> None:
    run_machine(postgres_url, redis_url, examples=30, steps=40)
