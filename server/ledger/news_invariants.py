"""The invariants of a provider's news: what is written down as applied has had its effect."""

from typing import Final

from server.ledger.invariant import Invariant

NEWS_INVARIANTS: Final = (
    Invariant(
        "S11",
        """
        WITH paid AS (
            SELECT provider, provider_reference, payment_reference, id
            FROM contribution WHERE status IN ('SETTLED', 'REVERSED')
        )
        SELECT format('provider_event %s %s', news.provider, news.event_id) AS subject,
               'a payment that is applied; no contribution that it names is paid' AS problem
        FROM provider_event AS news
        WHERE news.kind = 'PAID' AND news.applied_at IS NOT NULL
              AND NOT EXISTS (SELECT FROM paid WHERE (paid.provider, paid.provider_reference)
                                                     = (news.provider, news.provider_reference))
              AND NOT EXISTS (SELECT FROM paid WHERE (paid.provider, paid.payment_reference)
                                                     = (news.provider, news.payment_reference))
              AND NOT EXISTS (SELECT FROM paid WHERE (paid.provider, paid.id)
                                                     = (news.provider, news.contribution_id))
        """,
    ),
    Invariant(
        "S11",
        """
        SELECT format('provider_event %s %s', news.provider, news.event_id) AS subject,
               format('a refund of %s cents that is applied; %s cents went back by %s', news.refunded_cents,
                      coalesce(back.amount_cents, 0), news.refund_reference) AS problem
        FROM provider_event AS news
        LEFT JOIN (
            SELECT provider, provider_reference, -sum(amount_cents) AS amount_cents
            FROM "transaction" WHERE reverses_id IS NOT NULL GROUP BY provider, provider_reference
        ) AS back ON (back.provider, back.provider_reference) = (news.provider, news.refund_reference)
        WHERE news.kind = 'REFUNDED' AND news.applied_at IS NOT NULL
              AND news.refunded_cents IS DISTINCT FROM back.amount_cents
        """,
    ),
)
"""S11."""
