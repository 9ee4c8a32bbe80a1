"""From a payment to funding and credits: a contribution is begun, and settled once, whatever the provider repeats.

Locks are taken in the order sessions, contribution, channel. A session is read FOR SHARE before anything that names it
is written, so that a sign-in, which locks it FOR UPDATE, either waits or is seen: no row of a claimed session stays
without its user.
"""

from dataclasses import dataclass
from uuid import UUID

from server.domain.channels import ChannelEvent, ChannelStatus, after
from server.domain.errors import Code, Refusal
from server.domain.money import Funding, Share, split
from server.domain.transactions import ContributionStatus, CreditEntryKind, TransactionType, before
from server.ledger.accounts import Balance, ChannelAccount, lock_channels, post
from server.ledger.badges import award_for_settlement
from server.storage.ids import new_id
from server.storage.postgres import Connection


@dataclass(frozen=True, slots=True)
class NewContribution:
    """A payment that somebody is about to make.

    Attributes:
        credits_per_dollar: the rate that was quoted; it stays, whatever the setting becomes.
        provider_reference: the provider's id of it; None until there is one.
        display_name: how the giver wants to be called; None for an anonymous supporter.
    """

    id: UUID
    channel_id: UUID
    session_id: UUID
    type: TransactionType
    amount_cents: int
    credits_per_dollar: int
    provider: str
    provider_reference: str | None = None
    display_name: str | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a contribution became.

    Attributes:
        balance: the channel's balance, to be published; None when no credits were bought.
        activated: whether this contribution put the channel on air.
    """

    contribution_id: UUID
    channel_id: UUID
    shares: tuple[Share, ...]
    balance: Balance | None
    activated: bool


async def begin(conn: Connection, new: NewContribution) -> None:
    """Write down a contribution before the provider is asked; doing it again with the same content changes nothing,
    also when the provider has given its reference meanwhile.

    Args:
        conn: in a transaction of the caller's.

    Raises:
        Refusal: ``conflict`` when the id was used for another contribution; ``unauthorized`` when the session of
            a user has just ended, as that of one who was deleted has.
    """
    session = await conn.fetchrow(
        "SELECT user_id, expires_at > clock_timestamp() AS is_live FROM session WHERE id = $1 FOR SHARE", new.session_id
    )
    if session is None or (session["user_id"] is not None and not session["is_live"]):
        raise Refusal(Code.UNAUTHORIZED, "This session has ended.")
    user_id = session["user_id"]
    content = (
        new.channel_id,
        new.session_id,
        new.type,
        new.amount_cents,
        new.credits_per_dollar,
        new.provider,
        new.provider_reference,
        new.display_name,
    )
    inserted = await conn.fetchval(
        """
        INSERT INTO contribution (id, user_id, channel_id, session_id, type, amount_cents, credits_per_dollar,
                                  provider, provider_reference, display_name)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        ON CONFLICT (id) DO NOTHING RETURNING id
        """,
        new.id,
        user_id,
        *content,
    )
    if inserted is not None:
        return
    stored = await conn.fetchrow(
        """
        SELECT channel_id, session_id, type, amount_cents, credits_per_dollar, provider,
               CASE WHEN $2::text IS NOT NULL THEN provider_reference END AS provider_reference, display_name
        FROM contribution WHERE id = $1
        """,
        new.id,
        new.provider_reference,
    )
    if stored is None or tuple(stored) != content:
        raise Refusal(Code.CONFLICT, "This id was used for another contribution.")


async def settle(conn: Connection, contribution_id: UUID) -> Settlement | None:
    """Turn a contribution that was paid into funding and credits.

    What it becomes is decided now, under the channel's lock: funding up to the goal, credits for all else.

    Args:
        conn: in a transaction of the caller's, at the READ COMMITTED level.

    Returns:
        What it became; None when it was settled, or reversed, before: nothing was changed then.

    Raises:
        Refusal: ``not_found``.
    """
    user_id = await _lock_giver(conn, contribution_id)
    paid = await conn.fetchrow(
        """
        UPDATE contribution
        SET status = 'SETTLED', settled_at = clock_timestamp(), updated_at = clock_timestamp(),
            user_id = coalesce(user_id, $2)
        WHERE id = $1 AND status = ANY($3)
        RETURNING channel_id, type, amount_cents, credits_per_dollar
        """,
        contribution_id,
        user_id,
        before(ContributionStatus.SETTLED),
    )
    if paid is None:
        return None
    account = (await lock_channels(conn, [paid["channel_id"]]))[paid["channel_id"]]
    funding = await _read_funding(conn, account)
    shares = split(TransactionType(paid["type"]), paid["amount_cents"], paid["credits_per_dollar"], funding)
    balance, activated = None, False
    for share in shares:
        transaction_id = await _write_transaction(conn, contribution_id, share)
        if share.type is TransactionType.ACTIVATION:
            activated = await _fund(conn, account.id, funding, share.amount_cents)
        else:
            balance = await post(
                conn, account, kind=CreditEntryKind.PURCHASE, delta=share.credits, source_id=transaction_id
            )
    await award_for_settlement(conn, contribution_id)
    return Settlement(contribution_id, account.id, shares, balance, activated)


async def _lock_giver(conn: Connection, contribution_id: UUID) -> UUID | None:
    """Lock the session that the contribution was made in; returns the user who claimed it."""
    giver = await conn.fetchrow(
        """
        SELECT session.user_id FROM session
        WHERE id = (SELECT session_id FROM contribution WHERE id = $1) FOR SHARE
        """,
        contribution_id,
    )
    if giver is None:
        raise Refusal(Code.NOT_FOUND, "There is no such contribution.")
    user_id: UUID | None = giver["user_id"]
    return user_id


async def _read_funding(conn: Connection, account: ChannelAccount) -> Funding:
    row = await conn.fetchrow(
        "SELECT activation_funding_cents, activation_goal_cents FROM channel WHERE id = $1", account.id
    )
    assert row is not None
    return Funding(account.status, row["activation_funding_cents"], row["activation_goal_cents"])


async def _write_transaction(conn: Connection, contribution_id: UUID, share: Share) -> UUID:
    """Its time is read now, under the channel's lock: later than that of every transaction of the channel so far."""
    transaction_id = new_id()
    await conn.execute(
        """
        INSERT INTO "transaction" (id, channel_id, user_id, session_id, amount_cents, currency, type, description,
                                   credits, credits_per_dollar, contribution_id, provider, provider_reference)
        SELECT $1, channel_id, user_id, session_id, $3, currency, $4, $5, $6, credits_per_dollar, id, provider,
               provider_reference
        FROM contribution WHERE id = $2
        """,
        transaction_id,
        contribution_id,
        share.amount_cents,
        share.type,
        describe(share),
        share.credits,
    )
    return transaction_id


async def _fund(conn: Connection, channel_id: UUID, funding: Funding, amount_cents: int) -> bool:
    """Add to the funding; returns whether the goal is reached by it, which puts the channel on air."""
    funded_cents = funding.funding_cents + amount_cents
    activated = funded_cents == funding.goal_cents
    status = after(funding.status, ChannelEvent.GOAL_REACHED) if activated else ChannelStatus.PENDING
    await conn.execute(
        """
        UPDATE channel
        SET activation_funding_cents = $2, status = $3, updated_at = clock_timestamp(),
            activated_at = CASE WHEN $4 THEN clock_timestamp() END
        WHERE id = $1
        """,
        channel_id,
        funded_cents,
        status,
        activated,
    )
    return activated


def describe(share: Share) -> str:
    """What a transaction's row says for people."""
    if share.type is TransactionType.ACTIVATION:
        return "Contribution to the channel's activation"
    return f"{share.credits:,} credit" + ("" if share.credits == 1 else "s")
