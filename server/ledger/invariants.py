"""The invariants of the ledger as queries: each gives the rows that break it, as (row, what is wrong).

They derive everything anew from the rows and believe no constraint, so they also find what somebody wrote past them.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Invariant:
    """One rule, and the query that gives what breaks it.

    Attributes:
        name: as in `docs/ledger.md`.
        query: rows of two texts, ``subject`` and ``problem``.
    """

    name: str
    query: str


INVARIANTS: Final = (
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
        "S7",
        """
        SELECT format('contribution %s', contribution.id) AS subject,
               format('it is %s, of %s cents; its transactions have %s', contribution.status,
                      contribution.amount_cents, coalesce(sum(paid.amount_cents), 0)) AS problem
        FROM contribution
        LEFT JOIN "transaction" AS paid ON paid.contribution_id = contribution.id AND paid.reverses_id IS NULL
        GROUP BY contribution.id
        HAVING coalesce(sum(paid.amount_cents), 0)
               <> CASE WHEN contribution.status IN ('SETTLED', 'REVERSED') THEN contribution.amount_cents ELSE 0 END
        """,
    ),
    Invariant(
        "S7",
        """
        SELECT format('transaction %s', bought.id) AS subject,
               format('it bought %s credits; its entry has %s', bought.credits, coalesce(entry.delta::text, 'none'))
                   AS problem
        FROM "transaction" AS bought
        LEFT JOIN credit_entry AS entry
            ON entry.source_id = bought.id AND entry.kind = 'PURCHASE' AND entry.channel_id = bought.channel_id
        WHERE bought.type = 'CREDIT_PURCHASE' AND bought.reverses_id IS NULL
              AND entry.delta IS DISTINCT FROM bought.credits
        UNION ALL
        SELECT format('credit_entry %s #%s', channel.name, entry.channel_seq),
               format('it is a purchase without a transaction: %s', entry.source_id)
        FROM credit_entry AS entry JOIN channel ON channel.id = entry.channel_id
        LEFT JOIN "transaction" AS bought ON bought.id = entry.source_id
        WHERE entry.kind = 'PURCHASE' AND bought.id IS NULL
        """,
    ),
    Invariant(
        "S7",
        """
        SELECT format('transaction %s', original.id) AS subject,
               format('it is of %s cents and reversals took %s', original.amount_cents, -sum(reversal.amount_cents))
                   AS problem
        FROM "transaction" AS original JOIN "transaction" AS reversal ON reversal.reverses_id = original.id
        GROUP BY original.id HAVING -sum(reversal.amount_cents) > original.amount_cents
        """,
    ),
    Invariant(
        "S7",
        """
        SELECT format('channel %s', channel.name) AS subject,
               format('its funding is %s of %s cents; its transactions give %s', channel.activation_funding_cents,
                      channel.activation_goal_cents, coalesce(sum(given.amount_cents), 0)) AS problem
        FROM channel
        LEFT JOIN "transaction" AS given ON given.channel_id = channel.id AND given.type = 'ACTIVATION'
        GROUP BY channel.id
        HAVING channel.activation_funding_cents <> coalesce(sum(given.amount_cents), 0)
               OR channel.activation_funding_cents NOT BETWEEN 0 AND channel.activation_goal_cents
        UNION ALL
        SELECT format('channel %s', name),
               format('it is %s, activated at %s, with %s of %s cents', status, coalesce(activated_at::text, 'no time'),
                      activation_funding_cents, activation_goal_cents)
        FROM channel
        WHERE (status = 'PENDING') <> (activated_at IS NULL)
              OR status = 'PENDING' AND activation_funding_cents >= activation_goal_cents
        """,
    ),
    Invariant(
        "S8",
        """
        SELECT format('%s %s', owned.kind, owned.id) AS subject,
               format('its session was claimed by %s; it belongs to %s', session.user_id,
                      coalesce(owned.user_id::text, 'nobody')) AS problem
        FROM (
            SELECT 'transaction' AS kind, id::text, session_id, user_id FROM "transaction"
            UNION ALL SELECT 'contribution', id::text, session_id, user_id FROM contribution
            UNION ALL SELECT 'chat', id::text, session_id, user_id FROM chat
            UNION ALL SELECT 'chat_member', format('%s of chat %s', ref, chat_id), session_id, user_id FROM chat_member
        ) AS owned JOIN session ON session.id = owned.session_id
        WHERE session.user_id IS NOT NULL AND owned.user_id IS DISTINCT FROM session.user_id
        UNION ALL
        SELECT format('session_badge %s', session_badge.id),
               format('its session was claimed by %s', session.user_id)
        FROM session_badge JOIN session ON session.id = session_badge.session_id
        WHERE session.user_id IS NOT NULL AND jsonb_array_length(session_badge.badges) > 0
        """,
    ),
    Invariant(
        "S9",
        """
        SELECT format('transaction_total %s %s %s', channel.name, type, day) AS subject,
               format('it has (%s, %s cents, %s credits); its transactions give (%s, %s, %s)', kept.transactions,
                      kept.amount_cents, kept.credits, given.transactions, given.amount_cents, given.credits)
                   AS problem
        FROM transaction_total AS kept
        FULL JOIN (
            SELECT channel_id, type, (created_at AT TIME ZONE 'UTC')::date AS day, count(*) AS transactions,
                   sum(amount_cents) AS amount_cents, sum(credits) AS credits
            FROM "transaction" GROUP BY 1, 2, 3
        ) AS given USING (channel_id, type, day)
        JOIN channel ON channel.id = channel_id
        WHERE (kept.transactions, kept.amount_cents, kept.credits)
              IS DISTINCT FROM (given.transactions, given.amount_cents, given.credits)
        """,
    ),
    Invariant(
        "S9",
        """
        SELECT format('contributor %s of %s', giver_id, channel.name) AS subject,
               format('it is %s; the transactions give %s', kept.figures, given.figures) AS problem
        FROM (
            SELECT channel_id, giver_id,
                   ROW(user_id, activations, activation_cents, purchases, purchase_cents, credits, latest_at, latest_id)
                       AS figures
            FROM contributor
        ) AS kept
        FULL JOIN (
            SELECT channel_id, coalesce(user_id, session_id) AS giver_id,
                   ROW(user_id, count(*) FILTER (WHERE type = 'ACTIVATION'),
                       coalesce(sum(amount_cents) FILTER (WHERE type = 'ACTIVATION'), 0)::bigint,
                       count(*) FILTER (WHERE type = 'CREDIT_PURCHASE'),
                       coalesce(sum(amount_cents) FILTER (WHERE type = 'CREDIT_PURCHASE'), 0)::bigint,
                       sum(credits)::bigint, max(created_at),
                       (array_agg(id ORDER BY created_at DESC, id DESC))[1]) AS figures
            FROM "transaction" GROUP BY channel_id, coalesce(user_id, session_id), user_id
        ) AS given USING (channel_id, giver_id)
        JOIN channel ON channel.id = channel_id
        WHERE kept.figures::text IS DISTINCT FROM given.figures::text
        """,
    ),
)
"""All that one transaction can check."""
