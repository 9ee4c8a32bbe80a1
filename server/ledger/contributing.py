"""Contributing: what an amount would become, and the way to the payment's provider.

A contribution is written down first, under an id that its request has for ever; then the provider is asked, outside of
any transaction, for the same contribution however often the request comes; then its reference is written down. Whatever
dies in between, the next try goes on where it was.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from server.domain.channels import ChannelStatus
from server.domain.dollars import dollars
from server.domain.errors import Code, Refusal
from server.domain.identity import Identity
from server.domain.money import Funding, Share, credits_for, quote
from server.domain.transactions import ContributionStatus, TransactionType
from server.ledger.contributions import NewContribution, begin
from server.ledger.given import Given, read_given
from server.ledger.payments.provider import Checkout, Order, PaymentProvider
from server.storage.outages import outages_refused
from server.storage.postgres import Connection, Postgres
from server.storage.settings import LiveSettings

CURRENCY: Final = "USD"
CHECKOUT_OPEN_FOR: Final = timedelta(hours=12)
"""How long a contribution can be paid. Stripe takes 30 minutes to 24 hours; the middle leaves room for wrong clocks."""

_CHANNEL: Final = """
    SELECT title, status, activation_funding_cents, activation_goal_cents FROM channel WHERE id = $1
"""
_BEGUN: Final = """
    SELECT contribution.channel_id, session_id, type, amount_cents, credits_per_dollar, display_name, provider,
           contribution.status, contribution.created_at, title
      FROM contribution JOIN channel ON channel.id = contribution.channel_id WHERE contribution.id = $1
"""
# News of the payment may have come before this: then it has a status already, and maybe its reference.
_STORE_CHECKOUT: Final = """
    UPDATE contribution
       SET provider_reference = $2, checkout_url = $3, updated_at = clock_timestamp(),
           status = CASE status WHEN 'CREATED' THEN 'PENDING' ELSE status END
     WHERE id = $1 AND checkout_url IS NULL AND coalesce(provider_reference, $2) = $2
"""


@dataclass(frozen=True, slots=True)
class Quote:
    """What an amount becomes on a channel, as it stands now.

    Attributes:
        rows: one transaction each.
        credits_per_dollar: the rate.
    """

    rows: tuple[Share, ...]
    credits_per_dollar: int


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms contributions are taken now.

    Attributes:
        is_open: whether somebody takes the money.
        credits_on_pending: whether credits can be bought for a channel that is not on air yet.
    """

    is_open: bool
    min_cents: int
    max_cents: int
    credits_per_dollar: int
    credits_on_pending: bool


@dataclass(frozen=True, slots=True)
class Wish:
    """A contribution that somebody asks for.

    Attributes:
        display_name: how the giver wants to be called; None for an anonymous supporter.
        credits_per_dollar: the rate that the giver was told; None: whatever it is now.
    """

    channel_id: UUID
    type: TransactionType
    amount_cents: int
    display_name: str | None = None
    credits_per_dollar: int | None = None


@dataclass(frozen=True, slots=True)
class _Begun:
    """A contribution that is written down."""

    wish: Wish
    session_id: UUID
    credits_per_dollar: int
    provider: str
    status: ContributionStatus
    created_at: datetime
    title: str


class Contributing:
    """Takes contributions on one node.

    Args:
        provider: who takes the money; None: nobody does, and nothing can be given.
    """

    def __init__(self, postgres: Postgres, settings: LiveSettings, provider: PaymentProvider | None) -> None:
        self._postgres = postgres
        self._settings = settings
        self._provider = provider

    @property
    def terms(self) -> Terms:
        """What holds for every contribution now."""
        settings = self._settings.current
        return Terms(
            is_open=self._provider is not None,
            min_cents=settings.contributions_min_cents,
            max_cents=settings.contributions_max_cents,
            credits_per_dollar=settings.credits_per_dollar,
            credits_on_pending=settings.credits_allow_on_pending,
        )

    async def quote(self, wish: Wish) -> Quote:
        """What this contribution would become now.

        Raises:
            Refusal: bad_request, the amount is out of bounds or buys no credit; channel_pending; channel_inactive;
                not_found; unavailable.
        """
        with outages_refused():
            async with self._postgres.pool.acquire() as connection:
                return await self._quote(connection, wish)

    async def contribute(self, contribution_id: UUID, giver: Identity, wish: Wish) -> Given:
        """Begin this contribution, or go on with it.

        Args:
            contribution_id: the same for every repetition of one request.
            giver: whose contribution it is.
            wish: the same each time; the rate is frozen the first time.

        Returns:
            The contribution with the address of its checkout, or what has become of it meanwhile.

        Raises:
            Refusal: as `quote`; conflict, the id was used for another contribution, or the rate is not the expected
                one any more; provider_error and unavailable, which may be tried again with the same id.
        """
        provider = self._provider
        if provider is None:
            raise Refusal(Code.UNAVAILABLE, "Contributions are closed: this site has no payment provider.")
        with outages_refused():
            begun = await self._postgres.transact(
                lambda connection: self._begin(connection, contribution_id, giver, wish, provider.name)
            )
        if begun.status is ContributionStatus.CREATED:
            if begun.provider != provider.name:
                raise Refusal(Code.UNAVAILABLE, "This contribution was begun with a provider that is not asked now.")
            checkout = await provider.open_checkout(_order(contribution_id, begun))
            await self._store(contribution_id, checkout)
        return await read_given(self._postgres, contribution_id, giver)

    async def _begin(
        self, conn: Connection, contribution_id: UUID, giver: Identity, wish: Wish, provider: str
    ) -> _Begun:
        begun = await _find_begun(conn, contribution_id)
        if begun is None:
            rate = (await self._quote(conn, wish)).credits_per_dollar
            await begin(conn, _new(contribution_id, giver, wish, rate, provider))
            begun = await _find_begun(conn, contribution_id)
            assert begun is not None
        expected = (wish.channel_id, wish.type, wish.amount_cents, wish.display_name, giver.session_id)
        found = begun.wish
        if (found.channel_id, found.type, found.amount_cents, found.display_name, begun.session_id) != expected:
            raise Refusal(Code.CONFLICT, "This id was used for another contribution.")
        return begun

    async def _quote(self, conn: Connection, wish: Wish) -> Quote:
        settings = self._settings.current
        check_amount(wish.amount_cents, self.terms)
        rate = settings.credits_per_dollar
        if wish.credits_per_dollar not in {None, rate}:
            raise Refusal(
                Code.CONFLICT, f"A dollar buys {rate:,} credits now, which is not what you were told: look again."
            )
        channel = await conn.fetchrow(_CHANNEL, wish.channel_id)
        if channel is None:
            raise Refusal(Code.NOT_FOUND, "There is no such channel.")
        funding = Funding(
            ChannelStatus(channel["status"]), channel["activation_funding_cents"], channel["activation_goal_cents"]
        )
        allowed = settings.credits_allow_on_pending
        return Quote(quote(wish.type, wish.amount_cents, rate, funding, allow_credits_on_pending=allowed), rate)

    async def _store(self, contribution_id: UUID, checkout: Checkout) -> None:
        """Once: the first checkout stays, and so does a reference that news of the payment has brought."""
        with outages_refused():
            await self._postgres.transact(
                lambda connection: connection.execute(
                    _STORE_CHECKOUT, contribution_id, checkout.reference, checkout.url
                )
            )


def check_amount(amount_cents: int, terms: Terms) -> None:
    """Refuse an amount that the terms do not allow.

    Raises:
        Refusal: bad_request, with the bounds in cents.
    """
    if not terms.min_cents <= amount_cents <= terms.max_cents:
        raise Refusal(
            Code.BAD_REQUEST,
            f"A contribution is at least {dollars(terms.min_cents)} and at most {dollars(terms.max_cents)}.",
            details={"min": terms.min_cents, "max": terms.max_cents},
        )


async def _find_begun(conn: Connection, contribution_id: UUID) -> _Begun | None:
    row = await conn.fetchrow(_BEGUN, contribution_id)
    if row is None:
        return None
    wish = Wish(row["channel_id"], TransactionType(row["type"]), row["amount_cents"], row["display_name"])
    return _Begun(
        wish,
        row["session_id"],
        row["credits_per_dollar"],
        row["provider"],
        ContributionStatus(row["status"]),
        row["created_at"],
        row["title"],
    )


def _new(contribution_id: UUID, giver: Identity, wish: Wish, rate: int, provider: str) -> NewContribution:
    return NewContribution(
        id=contribution_id,
        channel_id=wish.channel_id,
        session_id=giver.session_id,
        type=wish.type,
        amount_cents=wish.amount_cents,
        credits_per_dollar=rate,
        provider=provider,
        display_name=wish.display_name,
    )


def _order(contribution_id: UUID, begun: _Begun) -> Order:
    """The same each time: of what changes meanwhile (the split at the goal), it says nothing."""
    wish = begun.wish
    if wish.type is TransactionType.ACTIVATION:
        bought = "activation"
    else:
        count = credits_for(wish.amount_cents, begun.credits_per_dollar)
        bought = f"{count:,} credit" + ("" if count == 1 else "s")
    return Order(
        contribution_id=contribution_id,
        amount_cents=wish.amount_cents,
        currency=CURRENCY,
        description=f"{begun.title}: {bought}",
        return_url=f"/contributions/{contribution_id}",
        expires_at=begun.created_at + CHECKOUT_OPEN_FOR,
    )
