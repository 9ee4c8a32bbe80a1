"""What money becomes: funding of a channel's activation, or credits.

Money is integer cents of US dollars, credits are integers. Credits are cents × credits per dollar ÷ 100, rounded down.
"""

from dataclasses import dataclass

from server.domain.channels import ChannelStatus
from server.domain.errors import Code, Refusal
from server.domain.transactions import TransactionType

CENTS_PER_DOLLAR = 100
MAX_CONTRIBUTION_CENTS = 100_000_000
"""The most that one contribution may be: a million dollars, which no sum of figures here can overflow."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one part of a contribution becomes: one transaction. An ACTIVATION buys no credits."""

    type: TransactionType
    amount_cents: int
    credits: int


@dataclass(frozen=True, slots=True)
class Funding:
    """How far a channel is on its way to the air."""

    status: ChannelStatus
    funding_cents: int
    goal_cents: int

    @property
    def room_cents(self) -> int:
        """What is missing to the goal; nothing once the channel was on air, even if a reversal took funding back."""
        return self.goal_cents - self.funding_cents if self.status is ChannelStatus.PENDING else 0


def credits_for(amount_cents: int, credits_per_dollar: int) -> int:
    """The credits that this amount buys, rounded down; 0 when it is too little for one."""
    return amount_cents * credits_per_dollar // CENTS_PER_DOLLAR


def credits_to_reverse(amount_cents: int, credits_: int, *, reversed_cents: int, more_cents: int) -> int:
    """The credits that go with the next part of a purchase that is taken back.

    What has gone is at any time the same share of the credits as of the money, rounded down; so the parts of a whole
    give the whole, whatever they are.

    Args:
        amount_cents: what was paid, in cents.
        credits_: what it bought.
        reversed_cents: what was taken back of it before.
        more_cents: what is taken back now; with `reversed_cents` no more than `amount_cents`.
    """
    before = credits_ * reversed_cents // amount_cents
    return credits_ * (reversed_cents + more_cents) // amount_cents - before


def split(asked: TransactionType, amount_cents: int, credits_per_dollar: int, channel: Funding) -> tuple[Share, ...]:
    """What a contribution becomes on this channel: one share, or two when it passes the goal.

    Funding never passes the goal: what is over becomes credits, and so does all of an activation that comes too late.
    Money that was paid is never refused here: what is left over buys one credit at least.
    """
    activation_cents = min(amount_cents, channel.room_cents) if asked is TransactionType.ACTIVATION else 0
    shares = []
    if activation_cents:
        shares.append(Share(TransactionType.ACTIVATION, activation_cents, 0))
    if surplus_cents := amount_cents - activation_cents:
        credits_bought = max(1, credits_for(surplus_cents, credits_per_dollar))
        shares.append(Share(TransactionType.CREDIT_PURCHASE, surplus_cents, credits_bought))
    return tuple(shares)


def quote(
    asked: TransactionType,
    amount_cents: int,
    credits_per_dollar: int,
    channel: Funding,
    *,
    allow_credits_on_pending: bool,
) -> tuple[Share, ...]:
    """What a contribution that is about to be made would become.

    Raises:
        Refusal: ``bad_request`` when the amount is out of bounds or buys no credit, ``channel_pending`` when credits
            are asked for a channel that is not on air yet, ``channel_inactive`` when the channel is off air.
    """
    if not 0 < amount_cents <= MAX_CONTRIBUTION_CENTS:
        raise Refusal(Code.BAD_REQUEST, "A contribution is at least one cent and at most a million dollars.")
    if channel.status is ChannelStatus.INACTIVE:
        raise Refusal(Code.CHANNEL_INACTIVE, "This channel is off air and takes no contributions.")
    if asked is TransactionType.CREDIT_PURCHASE:
        if channel.status is ChannelStatus.PENDING and not allow_credits_on_pending:
            raise Refusal(Code.CHANNEL_PENDING, "Credits can be bought once the channel is on air.")
        if credits_for(amount_cents, credits_per_dollar) < 1:
            raise Refusal(Code.BAD_REQUEST, "This amount does not buy a credit.")
    return split(asked, amount_cents, credits_per_dollar, channel)
