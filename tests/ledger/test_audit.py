"""The check finds every corruption that somebody plants past the constraints, and names its row."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

import pytest

from server.domain.transactions import TransactionType
from server.ledger.audit import Finding, check
from server.storage.ids import new_id
from server.storage.postgres import Postgres
from server.storage.redis import Redis
from tests.ledger.books import Books


@dataclass
class World:
    """A little of everything, all of it right."""

    books: Books
    channel: UUID
    other: UUID
    spent: UUID
    refunded: UUID
    opened: UUID
    purchase: UUID
    visitor: UUID

    async def corrupt(self, *statements: str) -> list[Finding]:
        """Write past every trigger, reference and check; returns what the check says then."""
        self.books.are_broken = True
        async with self.books.postgres.pool.acquire() as conn:
            await conn.execute(
                """
                DO $$ DECLARE found record; BEGIN
                    FOR found IN SELECT conrelid::regclass AS place, conname FROM pg_constraint
                        WHERE contype = 'c' AND connamespace = 'public'::regnamespace
                    LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', found.place, found.conname); END LOOP;
                END $$
                """
            )
            async with conn.transaction():
                await conn.execute("SET LOCAL session_replication_role = replica")
                for statement in statements:
                    ids = {name: f"'{value}'" for name, value in vars(self).items() if isinstance(value, UUID)}
                    assert await conn.execute(statement.format(**ids)) != "UPDATE 0"
        return list((await check(self.books.postgres)).findings)


@pytest.fixture
async def world(books: Books) -> World:
    channel, other = await books.channel(), await books.channel(credits_=5)
    await books.give(channel, TransactionType.CREDIT_PURCHASE, 100)
    spent, refunded = await books.charged_chat(channel), await books.charged_chat(channel)
    await books.spend(spent)
    await books.refund(refunded)
    (opened,) = await books.chats(channel)
    purchase = await books.postgres.pool.fetchval("SELECT id FROM \"transaction\" WHERE type = 'CREDIT_PURCHASE'")
    visitor = await books.postgres.pool.fetchval("SELECT session_id FROM chat WHERE id = $1", spent)
    return World(books, channel, other, spent, refunded, opened, purchase, visitor)


async def test_a_right_ledger_is_clean_and_counted(world: World, redis: Redis) -> None:
    report = await check(world.books.postgres, redis)
    assert report.is_clean
    assert (report.channels, report.entries, report.chats, report.contributions) == (2, 5, 3, 3)
    assert report.differences == ()
    assert not report.is_cut


CORRUPTIONS = {
    "S1: a negative balance": (
        "S1",
        "channel channel-{channel}",
        ["UPDATE channel SET credit_balance = -1 WHERE id = {channel}"],
    ),
    "S1: a negative balance after an entry": (
        "S1",
        "credit_entry channel-{channel} #2",
        ["UPDATE credit_entry SET balance_after = -9 WHERE channel_id = {channel} AND channel_seq = 2"],
    ),
    "S2: a balance that no entry gave": (
        "S2",
        "channel channel-{channel}",
        ["UPDATE channel SET credit_balance = credit_balance + 1 WHERE id = {channel}"],
    ),
    "S2: a version that no entry has": (
        "S2",
        "channel channel-{other}",
        ["UPDATE channel SET ledger_version = ledger_version + 1 WHERE id = {other}"],
    ),
    "S2: an entry is gone": (
        "S2",
        "credit_entry channel-{channel} #3",
        ["DELETE FROM credit_entry WHERE channel_id = {channel} AND channel_seq = 2"],
    ),
    "S2: the newest entry is gone": (
        "S2",
        "channel channel-{channel}",
        ["DELETE FROM credit_entry WHERE channel_id = {channel} AND channel_seq = 4"],
    ),
    "S2: an entry gave more than it says": (
        "S2",
        "credit_entry channel-{channel} #1",
        ["UPDATE credit_entry SET delta = delta + 1 WHERE channel_id = {channel} AND channel_seq = 1"],
    ),
    "S2: a chat that took two": (
        "S2",
        "credit_entry channel-{channel} #2",
        ["UPDATE credit_entry SET delta = -2 WHERE channel_id = {channel} AND channel_seq = 2"],
    ),
    "S3: a charged chat without an entry": (
        "S3",
        "chat {opened}",
        ["UPDATE chat SET credit_state = 'CHARGED', charged_at = now() WHERE id = {opened}"],
    ),
    "S3: an entry of a chat that was never charged": (
        "S3",
        "chat {spent}",
        ["UPDATE chat SET credit_state = 'NONE', charged_at = NULL, first_token_at = NULL WHERE id = {spent}"],
    ),
    "S3: an entry without a chat": (
        "S3",
        "credit_entry channel-{channel} #2",
        ["DELETE FROM chat_member", "DELETE FROM chat WHERE id = {spent}"],
    ),
    "S3: an entry on another channel": (
        "S3",
        "chat {spent}",
        ["UPDATE chat SET channel_id = {other} WHERE id = {spent}"],
    ),
    "S3: a message in a chat that was never charged": (
        "S3",
        "chat {opened}",
        ["INSERT INTO message (id, chat_id, seq, type, status) VALUES (gen_random_uuid(), {opened}, 1, 'AI', 'DONE')"],
    ),
    "S4: a refunded chat without an entry": (
        "S4",
        "chat {spent}",
        ["UPDATE chat SET credit_state = 'REFUNDED', first_token_at = NULL WHERE id = {spent}"],
    ),
    "S4: a refund of a chat that goes on": (
        "S4",
        "chat {refunded}",
        ["UPDATE chat SET credit_state = 'SPENT', first_token_at = now() WHERE id = {refunded}"],
    ),
    "S4: spent without a first token": (
        "S4",
        "chat {spent}",
        ["UPDATE chat SET first_token_at = NULL WHERE id = {spent}"],
    ),
    "S4: refunded after a first token": (
        "S4",
        "chat {refunded}",
        ["UPDATE chat SET first_token_at = now() WHERE id = {refunded}"],
    ),
    "S7: a contribution that is more than its transactions": (
        "S7",
        "contribution ",
        ["UPDATE contribution SET amount_cents = amount_cents + 1 WHERE type = 'CREDIT_PURCHASE'"],
    ),
    "S7: transactions of a contribution that was never paid": (
        "S7",
        "contribution ",
        ["UPDATE contribution SET status = 'FAILED', settled_at = NULL WHERE type = 'CREDIT_PURCHASE'"],
    ),
    "S7: a purchase that is not in the ledger": (
        "S7",
        "transaction {purchase}",
        ['UPDATE "transaction" SET credits = credits + 1 WHERE id = {purchase}'],
    ),
    "S7: a purchase in the ledger that nobody made": (
        "S7",
        "credit_entry channel-{channel} #1",
        ["UPDATE credit_entry SET source_id = gen_random_uuid() WHERE channel_id = {channel} AND channel_seq = 1"],
    ),
    "S7: funding that nobody gave": (
        "S7",
        "channel channel-{channel}",
        ["UPDATE channel SET activation_goal_cents = 2000, activation_funding_cents = 1001 WHERE id = {channel}"],
    ),
    "S7: funding above the goal": (
        "S7",
        "channel channel-{channel}",
        ["UPDATE channel SET activation_goal_cents = 999 WHERE id = {channel}"],
    ),
    "S7: on air without a beginning": (
        "S7",
        "channel channel-{channel}",
        ["UPDATE channel SET activated_at = NULL WHERE id = {channel}"],
    ),
    "S7: at the goal and not on air": (
        "S7",
        "channel channel-{channel}",
        ["UPDATE channel SET status = 'PENDING', activated_at = NULL WHERE id = {channel}"],
    ),
    "S7: reversed by more than it was": (
        "S7",
        "transaction {purchase}",
        [
            """
            INSERT INTO "transaction" (id, channel_id, session_id, amount_cents, type, status, credits,
                                       credits_per_dollar, contribution_id, provider, reverses_id)
            SELECT gen_random_uuid(), channel_id, session_id, -101, type, 'REVERSAL', -10, 10, contribution_id,
                   provider, id FROM "transaction" WHERE id = {purchase}
            """
        ],
    ),
    "S8: a claimed session with a chat of nobody": (
        "S8",
        "chat {spent}",
        [
            'INSERT INTO "user" (id) VALUES ({opened})',
            "UPDATE session SET user_id = {opened} WHERE id = {visitor}",
        ],
    ),
    "S10: a badge that is none": (
        "S10",
        "badge {opened} of visitor {visitor}",
        [
            (
                "INSERT INTO session_badge (id, session_id, badges) VALUES ({opened}, {visitor},"
                """ jsonb_build_array(jsonb_build_object('badgeId', {opened})))"""
            )
        ],
    ),
    "S10: a badge that another's transaction earned": (
        "S10",
        "badge First Spark of visitor {visitor}",
        [
            (
                "INSERT INTO session_badge (id, session_id, badges) SELECT {opened}, {visitor},"
                " jsonb_build_array(jsonb_build_object('badgeId', id, 'transactionId', {purchase}))"
                " FROM badge WHERE name = 'First Spark'"
            )
        ],
    ),
    "S11: a payment that is applied, and a contribution that is not paid": (
        "S11",
        "provider_event sandbox told",
        [
            """
            INSERT INTO provider_event (provider, event_id, type, kind, contribution_id, payload, applied_at)
            VALUES ('sandbox', 'told', 'payment.paid', 'PAID', {opened}, '{{}}', now())
            """
        ],
    ),
    "S11: a refund that is applied, and nothing that went back": (
        "S11",
        "provider_event sandbox told",
        [
            """
            INSERT INTO provider_event (provider, event_id, type, kind, refund_reference, refunded_cents, payload,
                                        applied_at)
            VALUES ('sandbox', 'told', 'refund', 'REFUNDED', 'refund-1', 40, '{{}}', now())
            """
        ],
    ),
    "S11: a refund of which less went back": (
        "S11",
        "provider_event sandbox told",
        [
            """
            INSERT INTO "transaction" (id, channel_id, session_id, amount_cents, type, status, credits,
                                       credits_per_dollar, contribution_id, provider, provider_reference, reverses_id)
            SELECT gen_random_uuid(), channel_id, session_id, -30, type, 'REVERSAL', -3, 10, contribution_id,
                   'sandbox', 'refund-1', id FROM "transaction" WHERE id = {purchase}
            """,
            """
            INSERT INTO provider_event (provider, event_id, type, kind, refund_reference, refunded_cents, payload,
                                        applied_at)
            VALUES ('sandbox', 'told', 'refund', 'REFUNDED', 'refund-1', 40, '{{}}', now())
            """,
        ],
    ),
}


@pytest.mark.parametrize(("invariant", "subject", "statements"), CORRUPTIONS.values(), ids=CORRUPTIONS.keys())
async def test_a_planted_corruption_is_found_by_its_name(
    world: World, invariant: str, subject: str, statements: list[str]
) -> None:
    findings = await world.corrupt(*statements)
    named = subject.format(**vars(world))
    assert any(one.invariant == invariant and one.subject.startswith(named) and one.problem for one in findings)


async def test_other_rows_are_not_named(world: World) -> None:
    findings = await world.corrupt("UPDATE chat SET first_token_at = NULL WHERE id = {spent}")
    assert [(one.invariant, one.subject) for one in findings] == [("S4", f"chat {world.spent}")]


async def test_rows_of_a_claimed_session_must_be_the_user_s(books: Books) -> None:
    user_id = await books.user()
    session_id = await books.session(user_id)
    channel_id = await books.channel()
    (chat_id,) = await books.chats(channel_id, session_id=session_id)  # nobody's, though the session is claimed
    await books.postgres.pool.execute(
        "INSERT INTO session_badge (id, session_id, badges) VALUES ($1, $2, '[{\"badgeId\": 1}]')", new_id(), session_id
    )
    subjects = {one.subject.split()[0] for one in (await check(books.postgres)).findings if one.invariant == "S8"}
    assert subjects == {"chat", "session_badge"}
    await books.postgres.pool.execute("UPDATE chat SET user_id = $2 WHERE id = $1", chat_id, user_id)
    await books.postgres.pool.execute("DELETE FROM session_badge")
    await books.assert_clean()


async def test_the_check_is_right_while_others_write(books: Books, postgres_url: str) -> None:
    channel_id = await books.channel(credits_=200)
    chat_ids = await books.chats(channel_id, 100)
    reader = await Postgres.open(postgres_url)
    done = asyncio.Event()

    async def check_again_and_again() -> int:
        checks = 0
        while not done.is_set():
            assert (await check(reader)).findings == ()
            checks += 1
        return checks

    checking = asyncio.create_task(check_again_and_again())
    for chat_id in chat_ids:
        await books.start(channel_id, [chat_id])
        await (books.refund(chat_id) if chat_id.int % 2 else books.spend(chat_id))
    done.set()
    assert await checking > 1
    await reader.close()
