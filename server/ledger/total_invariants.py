"""The invariants of totals that are kept beside the transactions."""

from typing import Final

from server.ledger.invariant import Invariant

TOTAL_INVARIANTS: Final = (
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
"""S9."""
