"""What the writer decides in SQL and writes to the rows is what the tables of `domain/chats.py` say, state by state."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import pytest

from server.chats.admission import Admitted, EpochLost, Repeated
from server.chats.commits import GroupCommit
from server.chats.saving import EndedAnswer, Saved, save_answer
from server.chats.starts import Start
from server.domain.channels import ChannelStatus
from server.domain.chats import (
    ChatEvent,
    ChatState,
    CreditEvent,
    CreditState,
    EndReason,
    end_answer,
    next_chat_state,
    next_credit_state,
    refuse_send,
)
from server.domain.errors import Code, Refusal
from server.storage.ids import new_id
from server.storage.postgres import Postgres
from tests.ledger.books import Books

IDEM = "idem-0001"
TEXT = "Who wins tonight?"
STATES = [
    (state, credit)
    for state, credit in itertools.product(ChatState, CreditState)
    if (credit is not CreditState.REFUNDED or state is ChatState.CLOSED)
    and (credit is not CreditState.CHARGED or state is ChatState.ANSWERING)
    and (credit is not CreditState.NONE or state in {ChatState.OPEN, ChatState.CLOSED})
]
"""Every pair of states that a chat can be in."""


@dataclass
class Writer:
    """A writer on a real database, and chats in any state."""

    postgres: Postgres
    books: Books
    commits: GroupCommit

    async def chat_in(self, channel_id: UUID, state: ChatState, credit: CreditState) -> UUID:
        """A chat in these states, as it would have got there."""
        (chat_id,) = await self.books.chats(channel_id)
        await self.postgres.pool.execute(
            "INSERT INTO chat_member (chat_id, ref, session_id) SELECT id, 1, session_id FROM chat WHERE id = $1",
            chat_id,
        )
        if credit is not CreditState.NONE:
            await self.books.start(channel_id, [chat_id])
        if credit is CreditState.SPENT:
            await self.books.spend(chat_id)
        if credit is CreditState.REFUNDED:
            await self.books.refund(chat_id)
        await self.postgres.pool.execute("UPDATE chat SET state = $2 WHERE id = $1", chat_id, state)
        return chat_id

    async def states(self, chat_id: UUID) -> tuple[ChatState, CreditState]:
        """What its row says."""
        row = await self.postgres.pool.fetchrow("SELECT state, credit_state FROM chat WHERE id = $1", chat_id)
        assert row is not None
        return ChatState(row["state"]), CreditState(row["credit_state"])

    async def message(self, chat_id: UUID, idem: str | None) -> UUID:
        """A message that the chat has already: a user's with an idem, else an answer that runs."""
        message_id = new_id()
        await self.postgres.pool.execute(
            """
            INSERT INTO message (id, chat_id, seq, type, content, status, author, idem)
            SELECT $1, $2, coalesce(max(seq), 0) + 1, CASE WHEN $3::text IS NULL THEN 'AI' ELSE 'USER' END, $4,
                   CASE WHEN $3::text IS NULL THEN 'STREAMING' ELSE 'DONE' END,
                   CASE WHEN $3::text IS NULL THEN NULL ELSE 1 END, $3
              FROM message WHERE chat_id = $2
            """,
            message_id,
            chat_id,
            idem,
            TEXT if idem else "",
        )
        return message_id


@pytest.fixture
async def writer(postgres_url: str) -> AsyncIterator[Writer]:
    """A writer that runs."""
    postgres = await Postgres.open(postgres_url)
    commits = GroupCommit(postgres, new_id())
    running = asyncio.create_task(commits.run())
    yield Writer(postgres, Books(postgres), commits)
    await Books(postgres).assert_clean()
    running.cancel()
    await asyncio.wait([running])
    await postgres.close()


def start_of(chat_id: UUID, channel_id: UUID, *, epoch: int = 1, text: str = TEXT) -> Start:
    return Start(
        chat_id=chat_id,
        channel_id=channel_id,
        epoch=epoch,
        idem=IDEM,
        text=text,
        prompt_tokens=4,
        title=text,
        author_ref=1,
        parent_id=None,
        message_id=new_id(),
        answer_id=new_id(),
        model="scripted",
        visitor=None,
    )


def expected_code(state: ChatState, credit: CreditState, status: ChannelStatus, credits_: int) -> Code | None:
    """What a send of something new is refused with, by the tables; None: it is admitted."""
    if status is not ChannelStatus.ACTIVE:
        return Code.CHANNEL_INACTIVE
    refusal = refuse_send(state)
    if refusal is not None:
        return refusal.code
    return Code.NO_CREDIT if credit is CreditState.NONE and not credits_ else None


@pytest.mark.parametrize("status", list(ChannelStatus))
async def test_a_send_is_decided_by_the_tables(writer: Writer, status: ChannelStatus) -> None:
    for (state, credit), credits_ in itertools.product(STATES, (0, 1)):
        channel_id = await writer.books.channel(1)
        chat_id = await writer.chat_in(channel_id, state, credit)
        left = (await writer.books.balance(channel_id)).balance
        if credits_ != left:
            await writer.books.add_credits(channel_id, credits_ - left)
        await set_status(writer, channel_id, status)
        code = expected_code(state, credit, status, credits_)
        may_charge = credit is CreditState.NONE
        decision = (await writer.commits.start(start_of(chat_id, channel_id), may_charge=may_charge)).decision
        if code is not None:
            assert isinstance(decision, Refusal)
            assert decision.code is code
            assert await writer.states(chat_id) == (state, credit)
        else:
            assert isinstance(decision, Admitted)
            assert decision.charges is (credit is CreditState.NONE)
            charged = next_credit_state(credit, CreditEvent.CHARGE) if decision.charges else credit
            assert await writer.states(chat_id) == (next_chat_state(state, ChatEvent.SEND), charged)
        await set_status(writer, channel_id, ChannelStatus.ACTIVE)


async def set_status(writer: Writer, channel_id: UUID, status: ChannelStatus) -> None:
    """Bring a funded channel to a status; a PENDING one has never been on air."""
    await writer.postgres.pool.execute(
        "UPDATE channel SET status = $2, activated_at = CASE WHEN $2 = 'PENDING' THEN NULL"
        " ELSE coalesce(activated_at, clock_timestamp()) END WHERE id = $1",
        channel_id,
        status,
    )


async def test_a_repeat_is_answered_in_every_state(writer: Writer) -> None:
    for state, credit in STATES:
        if credit is CreditState.NONE:
            continue  # no message is stored before its chat is charged
        channel_id = await writer.books.channel(1)
        chat_id = await writer.chat_in(channel_id, state, credit)
        message_id = await writer.message(chat_id, IDEM)
        await writer.postgres.pool.execute("UPDATE chat SET epoch = 7 WHERE id = $1", chat_id)
        for epoch in (1, 7):
            start = start_of(chat_id, channel_id, epoch=epoch)
            decision = (await writer.commits.start(start, may_charge=True)).decision
            assert isinstance(decision, Repeated)
            assert (decision.message.id, decision.is_this_start) == (message_id, False)
        other = (await writer.commits.start(start_of(chat_id, channel_id, text="Another"), may_charge=True)).decision
        assert isinstance(other, Refusal)
        assert other.code is Code.CONFLICT
        assert await writer.states(chat_id) == (state, credit)


async def test_under_another_epoch_nothing_is_decided(writer: Writer) -> None:
    for state, credit in STATES:
        channel_id = await writer.books.channel(1)
        chat_id = await writer.chat_in(channel_id, state, credit)
        await writer.postgres.pool.execute("UPDATE chat SET epoch = 2 WHERE id = $1", chat_id)
        decision = (await writer.commits.start(start_of(chat_id, channel_id), may_charge=True)).decision
        assert isinstance(decision, EpochLost)
        assert await writer.commits.spend(chat_id, 1) is False
        assert await writer.states(chat_id) == (state, credit)


async def test_a_first_token_is_marked_by_the_table(writer: Writer) -> None:
    for state, credit in STATES:
        channel_id = await writer.books.channel(1)
        chat_id = await writer.chat_in(channel_id, state, credit)
        is_possible = credit is CreditState.CHARGED
        assert await writer.commits.spend(chat_id, 1) is is_possible
        after = next_credit_state(credit, CreditEvent.FIRST_TOKEN) if is_possible else credit
        assert await writer.states(chat_id) == (state, after)


@pytest.mark.parametrize("credit", [CreditState.CHARGED, CreditState.SPENT])
async def test_an_answer_ends_by_the_table(writer: Writer, credit: CreditState) -> None:
    channel_id = await writer.books.channel(100)
    for why, is_full, epoch in itertools.product(EndReason, (False, True), (1, 2)):
        chat_id = await writer.chat_in(channel_id, ChatState.ANSWERING, credit)
        message_id = await writer.message(chat_id, None)
        has_text = credit is CreditState.SPENT
        ending = end_answer(why, credit, has_text=has_text, is_full=is_full)
        answer = EndedAnswer(chat_id, channel_id, epoch, message_id, "Hm." if has_text else "", 1, 5, ending)
        async with writer.postgres.pool.acquire() as connection, connection.transaction():
            saved, balance = await save_answer(connection, answer)
        status = await writer.postgres.pool.fetchval("SELECT status FROM message WHERE id = $1", message_id)
        if epoch == 1:
            assert (saved, balance is not None) == (Saved.DONE, ending.refunds)
            assert await writer.states(chat_id) == (ending.chat_state, ending.credit_state)
            assert status == ending.message_status
        else:
            assert (saved, balance) == (Saved.EPOCH_LOST, None)
            assert await writer.states(chat_id) == (ChatState.ANSWERING, credit)
            assert status == "STREAMING"


async def test_a_refund_that_finds_the_token_marked_is_none(writer: Writer) -> None:
    channel_id = await writer.books.channel(1)
    chat_id = await writer.chat_in(channel_id, ChatState.ANSWERING, CreditState.SPENT)
    message_id = await writer.message(chat_id, None)
    ending = end_answer(EndReason.USER_STOP, CreditState.CHARGED, has_text=False, is_full=False)
    answer = EndedAnswer(chat_id, channel_id, 1, message_id, "", 0, 5, ending)
    async with writer.postgres.pool.acquire() as connection, connection.transaction():
        assert await save_answer(connection, answer) == (Saved.CREDIT_WAS_SPENT, None)
    assert await writer.states(chat_id) == (ChatState.ANSWERING, CreditState.SPENT)
