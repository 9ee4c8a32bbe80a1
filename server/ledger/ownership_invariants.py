"""The invariant of ownership: what was done in a session belongs to the user who claimed it."""

from typing import Final

from server.ledger.invariant import Invariant

OWNERSHIP_INVARIANTS: Final = (
    Invariant(
        "S8",
        """
        SELECT format('%s %s', owned.kind, owned.id) AS subject,
               format('its session was claimed by %s; it belongs to %s', coalesce(session.user_id::text, 'nobody'),
                      coalesce(owned.user_id::text, 'nobody')) AS problem
        FROM (
            SELECT 'transaction' AS kind, id::text, session_id, user_id FROM "transaction"
            UNION ALL SELECT 'contribution', id::text, session_id, user_id FROM contribution
            UNION ALL SELECT 'chat', id::text, session_id, user_id FROM chat
            UNION ALL SELECT 'chat_member', format('%s of chat %s', ref, chat_id), session_id, user_id FROM chat_member
        ) AS owned JOIN session ON session.id = owned.session_id
        WHERE owned.user_id IS DISTINCT FROM session.user_id
        UNION ALL
        SELECT format('session_badge %s', session_badge.id),
               format('its session was claimed by %s', session.user_id)
        FROM session_badge JOIN session ON session.id = session_badge.session_id
        WHERE session.user_id IS NOT NULL AND jsonb_array_length(session_badge.badges) > 0
        """,
    ),
    Invariant(
        "S8",
        """
        SELECT format('transaction %s', id) AS subject, 'it has neither a user nor a session' AS problem
        FROM "transaction" WHERE user_id IS NULL AND session_id IS NULL
        """,
    ),
)
"""S8."""
