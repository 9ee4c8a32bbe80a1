"""The credit of a chat: charged with its first message, spent with its first token, or given back.

Everything here runs inside a transaction that the caller holds, and keeps the lock order of the whole program:
sessions, contributions, channels, chats, quota rows, each sorted by id. Each function is one round trip, whatever the
size of the batch, and checks what it has written: rows that are not as expected end the transaction with
`BrokenExpectation`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from server.domain.channels import ChannelStatus
from server.ledger.accounts import Balance, ChannelAccount, expect, lock_channels
from server.storage.postgres import Connection

__all__ = ["ChannelAccount", "Connection", "charge", "lock_channels", "refund", "spend"]


_CHARGE: Final = """
    WITH start AS (
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[])
            AS start (channel_id, chat_id, channel_seq, balance_after)
    ), chats AS (
        UPDATE chat SET credit_state = 'CHARGED', charged_at = clock_timestamp()
        FROM start
        WHERE chat.id = start.chat_id AND chat.channel_id = start.channel_id AND chat.credit_state = 'NONE'
        RETURNING chat.id
    ), entries AS (
        INSERT INTO credit_entry (channel_id, channel_seq, kind, delta, balance_after, chat_id)
        SELECT channel_id, channel_seq, 'CHAT', -1, balance_after, chat_id FROM start
        RETURNING chat_id
    ), channels AS (
        UPDATE channel SET credit_balance = credit_balance - taken.credits,
                           ledger_version = ledger_version + taken.credits
        FROM unnest($5::uuid[], $6::bigint[], $7::bigint[]) AS taken (channel_id, version, credits)
        WHERE channel.id = taken.channel_id AND channel.ledger_version = taken.version
        RETURNING channel.id
    )
    SELECT (SELECT count(*) FROM chats) AS chats, (SELECT count(*) FROM entries) AS entries,
           (SELECT count(*) FROM channels) AS channels
"""


async def charge(
    conn: Connection, accounts: Mapping[UUID, ChannelAccount], starts: Sequence[tuple[UUID, UUID]]
) -> dict[UUID, Balance]:
    """Take one credit for each of these chats.

    Args:
        conn: in the transaction that has locked the channels and the chats.
        accounts: the channels as `lock_channels` has read them in this transaction.
        starts: (channel id, chat id) in the order in which the entries are numbered; no chat twice.

    Returns:
        The new balance of each channel that was charged.

    Raises:
        BrokenExpectation: a channel is not on air or has too few credits, or its ledger has moved on since it was read;
            a chat is not the channel's or was charged before.
    """
    taken: Counter[UUID] = Counter()
    numbers, balances_after = [], []
    for channel_id, _ in starts:
        taken[channel_id] += 1
        numbers.append(accounts[channel_id].version + taken[channel_id])
        balances_after.append(accounts[channel_id].balance - taken[channel_id])
    charged = [accounts[channel_id] for channel_id in taken]
    expect(all(account.status is ChannelStatus.ACTIVE for account in charged), "only channels on air are charged")
    expect(all(account.balance >= taken[account.id] for account in charged), "credits are there to be taken")
    counts = await conn.fetchrow(
        _CHARGE,
        [channel_id for channel_id, _ in starts],
        [chat_id for _, chat_id in starts],
        numbers,
        balances_after,
        [account.id for account in charged],
        [account.version for account in charged],
        [taken[account.id] for account in charged],
    )
    assert counts is not None
    expect(counts["chats"] == len(starts), "every chat is the channel's and was not charged")
    expect(counts["entries"] == len(starts), "every charge is an entry")
    expect(counts["channels"] == len(charged), "no ledger has moved on under its lock")
    return {
        account.id: Balance(account.id, account.balance - taken[account.id], account.version + taken[account.id])
        for account in charged
    }


async def spend(conn: Connection, chats: Sequence[tuple[UUID, int]]) -> set[UUID]:
    """Mark that the first token of these chats is about to leave: after this there is no refund.

    Args:
        conn: in a transaction of the caller's.
        chats: (chat id, epoch under which this node owns it).

    Returns:
        The chats that were CHARGED under that epoch and are SPENT now. No token of the others may leave.
    """
    rows = await conn.fetch(
        """
        WITH mine AS (
            SELECT chat.id FROM chat
            JOIN unnest($1::uuid[], $2::bigint[]) AS mine (id, epoch) ON chat.id = mine.id
            WHERE chat.credit_state = 'CHARGED' AND chat.epoch = mine.epoch
            ORDER BY chat.id FOR NO KEY UPDATE OF chat
        )
        UPDATE chat SET credit_state = 'SPENT', first_token_at = clock_timestamp()
        FROM mine WHERE chat.id = mine.id
        RETURNING chat.id
        """,
        [chat_id for chat_id, _ in chats],
        [epoch for _, epoch in chats],
    )
    return {row["id"] for row in rows}


async def refund(conn: Connection, account: ChannelAccount, chat_id: UUID, epoch: int) -> Balance | None:
    """Give the credit of a chat back and close the chat, if no token of it has left.

    Args:
        conn: in the transaction that has locked the chat's channel.
        account: the channel as `lock_channels` has read it in this transaction. It is a statement of its own: one that
            both locks a row and changes it waits in a circle with the next in line, as soon as a row that refers to it
            is being inserted.

    Returns:
        The channel's new balance; None when the chat is not CHARGED under this epoch: its first token has left, it was
        refunded before, another node owns it, or it was never charged. Nothing was changed then.

    Raises:
        BrokenExpectation: the ledger has moved on since the account was read.
    """
    row = await conn.fetchrow(
        """
        WITH refunded AS (
            UPDATE chat SET credit_state = 'REFUNDED', state = 'CLOSED'
            WHERE id = $1 AND channel_id = $3 AND credit_state = 'CHARGED' AND epoch = $2
            RETURNING channel_id
        ), given AS (
            UPDATE channel SET credit_balance = credit_balance + 1, ledger_version = ledger_version + 1
            FROM refunded WHERE channel.id = refunded.channel_id AND ledger_version = $4
            RETURNING channel.id, credit_balance, ledger_version
        ), entry AS (
            INSERT INTO credit_entry (channel_id, channel_seq, kind, delta, balance_after, chat_id)
            SELECT id, ledger_version, 'REFUND', 1, credit_balance, $1 FROM given
        )
        SELECT given.* FROM refunded LEFT JOIN given ON true
        """,
        chat_id,
        epoch,
        account.id,
        account.version,
    )
    if row is None:
        return None
    expect(row["id"] is not None, "no ledger has moved on under its lock")
    return Balance(row["id"], row["credit_balance"], row["ledger_version"])
