"""The SQL of a group commit: what it reads under locks, and what it writes for the starts that were admitted.

How many statements a batch takes does not depend on its size. Locks are taken in the order that the whole program
keeps: sessions, channels, chats, quota rows, each sorted by id.
"""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from server.chats.admission import Admitted
from server.chats.starts import Facts, LockedChat, Start, StoredMessage
from server.domain.channels import ChannelStatus
from server.domain.chats import ChatState, CreditState
from server.ledger import charging, quotas
from server.storage.postgres import Connection


async def read_facts(
    connection: Connection, starts: Sequence[Start], first_chat_ids: set[UUID]
) -> tuple[Facts, dict[UUID, charging.ChannelAccount], datetime]:
    """Lock and read all that `decide` needs.

    Args:
        first_chat_ids: chats that are not charged as far as this node knows: their channels are locked.

    Returns:
        The facts, the locked accounts of the channels that may be charged, and the time at which the transaction began,
        in UTC. It is Postgres's: the day of the visitor quota must be the same on every node.
    """
    visitor_sessions = sorted({start.visitor.session_id for start in starts if start.visitor})
    if visitor_sessions:
        await connection.execute(
            "SELECT 1 FROM session WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE", visitor_sessions
        )
    firsts = [start for start in starts if start.chat_id in first_chat_ids]
    accounts = await charging.lock_channels(connection, sorted({start.channel_id for start in firsts}))
    now, chats = await _lock_chats(connection, sorted({start.chat_id for start in starts}))
    subjects = sorted({subject for start in firsts if start.visitor for subject in start.visitor.subjects})
    facts = Facts(
        chats=chats,
        channel_statuses=await _read_statuses(connection, starts, accounts),
        balances={account.id: account.balance for account in accounts.values()},
        quota_counts=await quotas.lock_counts(connection, now.date(), subjects) if subjects else {},
        answering=await _read_answering(connection, visitor_sessions) if visitor_sessions else {},
        stored=await _read_stored(connection, [start for start in starts if _may_be_stored(chats.get(start.chat_id))]),
    )
    return facts, accounts, now


def _may_be_stored(chat: LockedChat | None) -> bool:
    """Whether the chat may have messages; see `_lock_chats`."""
    return chat is not None and chat.credit_state is not CreditState.NONE


async def _lock_chats(connection: Connection, chat_ids: Sequence[UUID]) -> tuple[datetime, dict[UUID, LockedChat]]:
    """Lock these chats; the time comes with them, and in a row of its own when none of them is there. A chat that was
    not charged has no message: the first one is stored in the transaction that charges it."""
    rows = await connection.fetch(
        """
        WITH locked AS (
            SELECT id, epoch, state, credit_state,
                   CASE WHEN credit_state = 'NONE' THEN 0
                        ELSE (SELECT coalesce(max(seq), 0) FROM message WHERE message.chat_id = chat.id)
                   END AS last_seq
              FROM chat WHERE id = ANY($1) AND deleted_at IS NULL ORDER BY id FOR UPDATE
        )
        SELECT now() AS at, locked.* FROM (VALUES (1)) AS always LEFT JOIN locked ON true
        """,
        chat_ids,
    )
    chats = {
        row["id"]: LockedChat(
            row["id"], row["epoch"], ChatState(row["state"]), CreditState(row["credit_state"]), row["last_seq"]
        )
        for row in rows
        if row["id"] is not None
    }
    return rows[0]["at"], chats


async def _read_statuses(
    connection: Connection, starts: Sequence[Start], accounts: dict[UUID, charging.ChannelAccount]
) -> dict[UUID, ChannelStatus]:
    statuses = {account.id: account.status for account in accounts.values()}
    others = sorted({start.channel_id for start in starts} - statuses.keys())
    if others:
        rows = await connection.fetch("SELECT id, status FROM channel WHERE id = ANY($1)", others)
        statuses |= {row["id"]: ChannelStatus(row["status"]) for row in rows}
    return statuses


async def _read_answering(connection: Connection, session_ids: Sequence[UUID]) -> dict[UUID, set[UUID]]:
    rows = await connection.fetch(
        """
        SELECT session_id, array_agg(id) AS chat_ids FROM chat
         WHERE session_id = ANY($1) AND user_id IS NULL AND state = 'ANSWERING' GROUP BY session_id
        """,
        session_ids,
    )
    return {row["session_id"]: set(row["chat_ids"]) for row in rows}


async def _read_stored(connection: Connection, starts: Sequence[Start]) -> dict[tuple[UUID, str], StoredMessage]:
    if not starts:
        return {}
    rows = await connection.fetch(
        """
        SELECT message.chat_id, message.idem, message.id, message.content, message.seq, message.created_at
          FROM unnest($1::uuid[], $2::text[]) AS asked (chat_id, idem)
          JOIN message ON message.chat_id = asked.chat_id AND message.idem = asked.idem
        """,
        [start.chat_id for start in starts],
        [start.idem for start in starts],
    )
    return {
        (row["chat_id"], row["idem"]): StoredMessage(row["id"], row["content"], row["seq"], row["created_at"])
        for row in rows
    }


_WRITE = """
    WITH turn AS MATERIALIZED (
        SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::int[], $4::text[], $5::text[], $6::uuid[], $7::int[],
                             $8::text[], $9::int[], $10::uuid[], $11::text[], $12::uuid[], $13::text[])
            AS turn (chat_id, epoch, prompt_tokens, title, address_digest, message_id, seq,
                     text, author_ref, parent_id, idem, answer_id, model)
    ), taken AS (
        UPDATE chat SET state = 'ANSWERING', tokens_used = chat.tokens_used + turn.prompt_tokens, last_message_at = $14,
               owner_node = $15, title = coalesce(chat.title, turn.title),
               address_digest = coalesce(chat.address_digest, turn.address_digest),
               quota_day = coalesce(chat.quota_day, CASE WHEN turn.address_digest IS NOT NULL THEN $16::date END)
          FROM turn
         WHERE chat.id = turn.chat_id AND chat.epoch = turn.epoch AND chat.state = 'OPEN'
        RETURNING chat.id
    ), said AS (
        INSERT INTO message
               (id, chat_id, seq, type, content, tokens, status, author, parent_id, model, idem, created_at)
        SELECT message_id, chat_id, seq, 'USER', text, prompt_tokens, 'DONE', author_ref, parent_id, NULL, idem,
               $14::timestamptz
          FROM turn
         UNION ALL
        SELECT answer_id, chat_id, seq + 1, 'AI', '', 0, 'STREAMING', NULL, message_id, model, NULL, $14::timestamptz
          FROM turn
    )
    SELECT count(*) FROM taken
"""


async def write_admitted(
    connection: Connection, admitted: Sequence[Admitted], node_id: UUID, today: date, now: datetime
) -> None:
    """Take the turns and store the message and the empty answer of each. Charges are written by the ledger before.

    Raises:
        AssertionError: a row that was locked and read did not change as decided.
    """
    starts = [one.start for one in admitted]
    taken = await connection.fetchval(
        _WRITE,
        [start.chat_id for start in starts],
        [start.epoch for start in starts],
        [start.prompt_tokens for start in starts],
        [start.title for start in starts],
        [one.start.visitor.address_digest if one.charges and one.start.visitor else None for one in admitted],
        [start.message_id for start in starts],
        [one.seq for one in admitted],
        [start.text for start in starts],
        [start.author_ref for start in starts],
        [start.parent_id for start in starts],
        [start.idem for start in starts],
        [start.answer_id for start in starts],
        [start.model for start in starts],
        now,
        node_id,
        today,
    )
    assert taken == len(admitted), f"{taken} of {len(admitted)} turns were taken"
