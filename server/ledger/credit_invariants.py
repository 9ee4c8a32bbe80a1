"""The invariants of credits: balances, the numbered entries behind them, and chats that were charged."""

from typing import Final

from server.ledger.invariant import Invariant

CREDIT_INVARIANTS: Final = (
    Invariant(
        "S1",
        """
        SELECT format('channel %s', name) AS subject, format('its balance is %s', credit_balance) AS problem
        FROM channel WHERE credit_balance < 0
        UNION ALL
        SELECT format('credit_entry %s #%s', channel.name, entry.channel_seq),
               format('the balance after it is %s', entry.balance_after)
        FROM credit_entry AS entry JOIN channel ON channel.id = entry.channel_id WHERE entry.balance_after < 0
        """,
    ),
    Invariant(
        "S2",
        """
        SELECT format('channel %s', channel.name) AS subject,
               format('its balance is %s at version %s; its %s entries give %s, the newest is #%s with %s',
                      channel.credit_balance, channel.ledger_version, coalesce(total.entries, 0),
                      coalesce(total.credits, 0), coalesce(total.newest, 0),
                      coalesce(newest.balance_after, 0)) AS problem
        FROM channel
        LEFT JOIN (
            SELECT channel_id, count(*) AS entries, max(channel_seq) AS newest,
                   sum(CASE kind WHEN 'CHAT' THEN -1 WHEN 'REFUND' THEN 1 ELSE delta END) AS credits
            FROM credit_entry GROUP BY channel_id
        ) AS total ON total.channel_id = channel.id
        LEFT JOIN credit_entry AS newest
            ON newest.channel_id = channel.id AND newest.channel_seq = total.newest
        WHERE (channel.credit_balance, channel.credit_balance, channel.ledger_version, channel.ledger_version)
              <> (coalesce(total.credits, 0), coalesce(newest.balance_after, 0), coalesce(total.entries, 0),
                  coalesce(total.newest, 0))
        """,
    ),
    Invariant(
        "S2",
        """
        SELECT format('credit_entry %s #%s', channel.name, entry.channel_seq) AS subject,
               format('it follows #%s with %s by %s credits and says %s',
                      entry.seq_before, entry.balance_before, entry.delta, entry.balance_after) AS problem
        FROM (
            SELECT *, coalesce(lag(channel_seq) OVER numbered, 0) AS seq_before,
                   coalesce(lag(balance_after) OVER numbered, 0) AS balance_before
            FROM credit_entry WINDOW numbered AS (PARTITION BY channel_id ORDER BY channel_seq)
        ) AS entry JOIN channel ON channel.id = entry.channel_id
        WHERE entry.channel_seq <> entry.seq_before + 1 OR entry.balance_after <> entry.balance_before + entry.delta
        """,
    ),
    Invariant(
        "S3",
        """
        SELECT format('chat %s', chat.id) AS subject,
               format('it is %s and has %s CHAT entries', chat.credit_state, count(entry.chat_id)) AS problem
        FROM chat
        LEFT JOIN credit_entry AS entry
            ON entry.chat_id = chat.id AND entry.kind = 'CHAT' AND entry.channel_id = chat.channel_id
        GROUP BY chat.id
        HAVING count(entry.chat_id) <> CASE WHEN chat.credit_state = 'NONE' THEN 0 ELSE 1 END
        """,
    ),
    Invariant(
        "S3",
        """
        SELECT format('credit_entry %s #%s', channel.name, entry.channel_seq) AS subject,
               format('it has no chat of this channel: %s', entry.chat_id) AS problem
        FROM credit_entry AS entry JOIN channel ON channel.id = entry.channel_id
        LEFT JOIN chat ON chat.id = entry.chat_id AND chat.channel_id = entry.channel_id
        WHERE entry.kind IN ('CHAT', 'REFUND') AND chat.id IS NULL
        """,
    ),
    Invariant(
        "S3",
        """
        SELECT format('chat %s', id) AS subject,
               format('it is %s and was charged at %s', credit_state, coalesce(charged_at::text, 'no time')) AS problem
        FROM chat WHERE (credit_state = 'NONE') <> (charged_at IS NULL)
        """,
    ),
    Invariant(
        "S3",
        """
        SELECT format('chat %s', id) AS subject, 'it was never charged and has messages' AS problem
        FROM chat WHERE credit_state = 'NONE' AND EXISTS (SELECT FROM message WHERE message.chat_id = chat.id)
        """,
    ),
    Invariant(
        "S4",
        """
        SELECT format('chat %s', chat.id) AS subject,
               format('it is %s and has %s REFUND entries', chat.credit_state, count(entry.chat_id)) AS problem
        FROM chat LEFT JOIN credit_entry AS entry ON entry.chat_id = chat.id AND entry.kind = 'REFUND'
        GROUP BY chat.id
        HAVING count(entry.chat_id) <> CASE WHEN chat.credit_state = 'REFUNDED' THEN 1 ELSE 0 END
        """,
    ),
    Invariant(
        "S4",
        """
        SELECT format('chat %s', id) AS subject,
               format('it is %s and its first token left at %s', credit_state,
                      coalesce(first_token_at::text, 'no time')) AS problem
        FROM chat WHERE (credit_state = 'SPENT') <> (first_token_at IS NOT NULL)
        """,
    ),
    Invariant(
        "S4",
        """
        SELECT format('chat %s', id) AS subject, format('it is REFUNDED and %s', state) AS problem
        FROM chat WHERE credit_state = 'REFUNDED' AND state <> 'CLOSED'
        UNION ALL
        SELECT format('chat %s', refund.chat_id),
               format('its refund is #%s and its charge #%s', refund.channel_seq, charge.channel_seq)
        FROM credit_entry AS refund JOIN credit_entry AS charge ON charge.chat_id = refund.chat_id
        WHERE refund.kind = 'REFUND' AND charge.kind = 'CHAT' AND refund.channel_seq <= charge.channel_seq
        """,
    ),
)
"""S1 to S4."""
