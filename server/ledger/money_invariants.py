"""The invariants of money: what contributions became, what they bought, and what was taken back of it."""

from typing import Final

from server.ledger.invariant import Invariant

MONEY_INVARIANTS: Final = (
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
        SELECT format('transaction %s', one.id) AS subject,
               format('its channel, money or giver is not that of its contribution %s', paid.id) AS problem
        FROM "transaction" AS one JOIN contribution AS paid ON paid.id = one.contribution_id
        WHERE (one.channel_id, one.currency, one.credits_per_dollar, one.provider, one.session_id, one.user_id)
              IS DISTINCT FROM (paid.channel_id, paid.currency, paid.credits_per_dollar, paid.provider,
                                paid.session_id, paid.user_id)
              OR paid.type = 'CREDIT_PURCHASE' AND one.type = 'ACTIVATION'
        UNION ALL
        SELECT format('contribution %s', contribution_id), format('it has %s transactions of type %s', count(*), type)
        FROM "transaction" WHERE reverses_id IS NULL GROUP BY contribution_id, type HAVING count(*) > 1
        """,
    ),
    Invariant(
        "S7",
        """
        SELECT format('contribution %s', paid.id) AS subject,
               format('it is %s; its transactions and their reversals leave %s cents', paid.status,
                      sum(one.amount_cents)) AS problem
        FROM contribution AS paid JOIN "transaction" AS one ON one.contribution_id = paid.id
        GROUP BY paid.id HAVING (paid.status = 'REVERSED') <> (sum(one.amount_cents) = 0)
        UNION ALL
        SELECT format('contribution %s', id),
               format('it is %s and was settled at %s', status, coalesce(settled_at::text, 'no time'))
        FROM contribution WHERE (status IN ('SETTLED', 'REVERSED')) <> (settled_at IS NOT NULL)
        """,
    ),
    Invariant(
        "S7",
        """
        SELECT format('transaction %s', id) AS subject,
               format('it is %s and %s, of %s cents at %s credits a dollar, with %s credits and a deficit of %s', type,
                      status, amount_cents, credits_per_dollar, credits, deficit_credits) AS problem
        FROM "transaction"
        WHERE reverses_id IS NULL
              AND (amount_cents <= 0 OR deficit_credits <> 0 OR status <> 'SETTLED'
                   OR credits <> CASE type WHEN 'ACTIVATION' THEN 0
                                           ELSE greatest(1, div(amount_cents::numeric * credits_per_dollar, 100))
                                 END)
        """,
    ),
    Invariant(
        "S7",
        """
        SELECT format('transaction %s', bought.id) AS subject,
               format('it bought %s credits; its %s entries have %s', bought.credits, count(entry.channel_seq),
                      coalesce(sum(entry.delta), 0)) AS problem
        FROM "transaction" AS bought
        LEFT JOIN credit_entry AS entry
            ON entry.source_id = bought.id AND entry.kind = 'PURCHASE' AND entry.channel_id = bought.channel_id
        WHERE bought.type = 'CREDIT_PURCHASE' AND bought.reverses_id IS NULL
        GROUP BY bought.id HAVING (count(entry.channel_seq), sum(entry.delta)) IS DISTINCT FROM (1, bought.credits)
        UNION ALL
        SELECT format('credit_entry %s #%s', channel.name, entry.channel_seq),
               format('it is a purchase without a transaction of that kind: %s', entry.source_id)
        FROM credit_entry AS entry JOIN channel ON channel.id = entry.channel_id
        LEFT JOIN "transaction" AS bought
            ON bought.id = entry.source_id AND bought.channel_id = entry.channel_id
               AND bought.type = 'CREDIT_PURCHASE' AND bought.reverses_id IS NULL
        WHERE entry.kind = 'PURCHASE' AND bought.id IS NULL
        """,
    ),
    Invariant(
        "S7",
        """
        SELECT format('transaction %s', original.id) AS subject,
               format('it is of %s cents and %s credits; reversals took %s and %s', original.amount_cents,
                      original.credits, -sum(reversal.amount_cents), -sum(reversal.credits)) AS problem
        FROM "transaction" AS original JOIN "transaction" AS reversal ON reversal.reverses_id = original.id
        GROUP BY original.id
        HAVING -sum(reversal.amount_cents) > original.amount_cents
               OR -sum(reversal.credits) IS DISTINCT FROM
                  div(original.credits * -sum(reversal.amount_cents), nullif(original.amount_cents, 0))
        """,
    ),
    Invariant(
        "S7",
        """
        SELECT format('transaction %s', reversal.id) AS subject,
               format('it is no reversal of %s: %s, %s cents, %s credits, a deficit of %s', reversal.reverses_id,
                      reversal.status, reversal.amount_cents, reversal.credits, reversal.deficit_credits) AS problem
        FROM "transaction" AS reversal LEFT JOIN "transaction" AS original ON original.id = reversal.reverses_id
        WHERE reversal.reverses_id IS NOT NULL
              AND (original.id IS NULL OR original.reverses_id IS NOT NULL OR reversal.status <> 'REVERSAL'
                   OR reversal.amount_cents >= 0
                   OR reversal.deficit_credits NOT BETWEEN 0 AND -reversal.credits
                   OR (reversal.contribution_id, reversal.type) IS DISTINCT FROM
                      (original.contribution_id, original.type))
        """,
    ),
    Invariant(
        "S7",
        """
        SELECT format('transaction %s', reversal.id) AS subject,
               format('it took %s credits and left a deficit of %s; its %s entries have %s, to a balance of %s',
                      -reversal.credits, reversal.deficit_credits, count(entry.channel_seq),
                      coalesce(sum(entry.delta), 0), coalesce(max(entry.balance_after), 0)) AS problem
        FROM "transaction" AS reversal
        LEFT JOIN credit_entry AS entry
            ON entry.source_id = reversal.id AND entry.kind = 'ADJUST' AND entry.channel_id = reversal.channel_id
        WHERE reversal.reverses_id IS NOT NULL
        GROUP BY reversal.id
        HAVING coalesce(sum(entry.delta), 0) <> reversal.credits + reversal.deficit_credits
               OR count(entry.channel_seq) > 1
               OR reversal.deficit_credits > 0 AND max(entry.balance_after) > 0
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
)
"""S7."""
