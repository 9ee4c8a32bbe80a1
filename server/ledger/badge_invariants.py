"""What must be so of badges: each one held is a badge, on a channel, earned by what its giver gave and still stands."""

from typing import Final

from server.ledger.invariant import Invariant

BADGE_INVARIANTS: Final = (
    Invariant(
        "S10",
        """
        WITH held AS (
            SELECT 'user' AS kind, user_id AS giver_id, badge_id::text, channel_id::text, transaction_id::text
            FROM user_badge
            UNION ALL
            SELECT 'visitor', session_id, kept ->> 'badgeId', kept ->> 'channelId', kept ->> 'transactionId'
            FROM session_badge, jsonb_array_elements(badges) AS kept
        )
        SELECT format('badge %s of %s %s', coalesce(badge.name, held.badge_id), held.kind, held.giver_id) AS subject,
               CASE WHEN badge.id IS NULL THEN 'there is no such badge'
                    WHEN held.channel_id IS NOT NULL AND channel.id IS NULL
                        THEN format('there is no such channel: %s', held.channel_id)
                    ELSE format('it was earned by what is not theirs or does not stand: %s', held.transaction_id)
               END AS problem
        FROM held
        LEFT JOIN badge ON badge.id::text = held.badge_id
        LEFT JOIN channel ON channel.id::text = held.channel_id
        LEFT JOIN "transaction" AS given
            ON given.id = CASE WHEN held.transaction_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                               THEN held.transaction_id::uuid END
               AND coalesce(given.user_id, given.session_id) = held.giver_id
               AND given.amount_cents + (
                   SELECT coalesce(sum(reversal.amount_cents), 0) FROM "transaction" AS reversal
                   WHERE reversal.reverses_id = given.id
               ) > 0
        WHERE badge.id IS NULL OR held.channel_id IS NOT NULL AND channel.id IS NULL
              OR held.transaction_id IS NOT NULL AND given.id IS NULL
        """,
    ),
)
"""S10."""
