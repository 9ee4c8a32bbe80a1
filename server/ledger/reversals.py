"""Money that goes back: an admin or the provider reverses a transaction, whole or in part.

A reversal is a row of its own that points at the old one; nothing that was written changes. A reversed activation
lowers the funding, and a channel that is on air stays there. A reversed purchase takes its credits back for as long as
the channel has any: what fans have used already is written down as a deficit, and not taken from what others gave.

Locks are taken in the order of the whole program: session (FOR SHARE), contribution, channel.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from server.domain.errors import Code, Refusal
from server.domain.givers import Giver
from server.domain.money import credits_to_reverse
from server.domain.transactions import CreditEntryKind, TransactionType
from server.ledger.accounts import Balance, ChannelAccount, expect, lock_channels, post
from server.ledger.badges import recompute
from server.storage.ids import new_id
from server.storage.postgres import Connection

MAX_REASON_CHARACTERS: Final = 500
MAX_REFERENCE_CHARACTERS: Final = 255


@dataclass(frozen=True, slots=True)
class Reversal:
    """What was taken back of one transaction.

    Attributes:
        transaction_id: of the reversal's own row.
        reverses_id: of the transaction that was reversed.
        amount_cents: what was taken back, as a positive number.
        credits: that went with it, taken or not, as a positive number; 0 of an activation.
        deficit_credits: those of them that had been used already and could not be taken.
        balance: the channel's balance, to be published; None when no credits were taken.
    """

    transaction_id: UUID
    reverses_id: UUID
    contribution_id: UUID
    channel_id: UUID
    type: TransactionType
    amount_cents: int
    credits: int
    deficit_credits: int
    balance: Balance | None


@dataclass(frozen=True, slots=True)
class _Paid:
    """One transaction of a contribution, and what was taken back of it so far."""

    id: UUID
    type: TransactionType
    amount_cents: int
    credits: int
    reversed_cents: int

    @property
    def left_cents(self) -> int:
        return self.amount_cents - self.reversed_cents


@dataclass(frozen=True, slots=True)
class _Earlier:
    """A reversal that was written before."""

    reverses_id: UUID
    reference: str
    amount_cents: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class _Order:
    """What a caller asks for; the fields are the arguments of `reverse`."""

    reference: str
    amount_cents: int | None
    reason: str
    by_user_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """A contribution under its locks.

    Attributes:
        user_id: who claimed the session it was made in; None: nobody.
        account: its channel's.
        paid: its transactions, credits first.
        earlier: its reversals so far, the oldest first.
    """

    contribution_id: UUID
    session_id: UUID
    user_id: UUID | None
    account: ChannelAccount
    paid: Sequence[_Paid]
    earlier: Sequence[_Earlier]

    @property
    def left_cents(self) -> int:
        return sum(one.left_cents for one in self.paid)


async def reverse(
    conn: Connection,
    transaction_id: UUID,
    *,
    reference: str,
    amount_cents: int | None,
    reason: str,
    by_user_id: UUID | None = None,
) -> Reversal | None:
    """Take one transaction back, whole or in part, once for each reference.

    Args:
        conn: in a transaction of the caller's, at the READ COMMITTED level.
        transaction_id: of what was paid; not of a reversal.
        reference: the caller's id of this reversal: the admin's Idempotency-Key, or the provider's refund.
        amount_cents: how much of it; None: all that is left.
        reason: kept with the row for ever and never shown to fans; 1 to ``MAX_REASON_CHARACTERS``.
        by_user_id: the admin; None: the provider, or the command line.

    Returns:
        What was taken back; None when this reference was applied before: nothing was changed now.

    Raises:
        Refusal: ``bad_request`` for an amount below one cent, or a reason or a reference that is none; ``not_found``;
            ``conflict`` for a reversal of a reversal, for more than is left (details: amount, left), and when the
            reference was used for something else. Nothing was changed.
    """
    order = _Order(reference, amount_cents, reason, by_user_id)
    _check(order)
    found = await conn.fetchrow('SELECT contribution_id, reverses_id FROM "transaction" WHERE id = $1', transaction_id)
    if found is None:
        raise Refusal(Code.NOT_FOUND, "There is no such transaction.")
    if found["reverses_id"] is not None:
        raise Refusal(Code.CONFLICT, "This transaction is a reversal itself and cannot be reversed.")
    place = await _lock(conn, found["contribution_id"])
    (one,) = (paid for paid in place.paid if paid.id == transaction_id)
    earlier = [each for each in place.earlier if each.reverses_id == transaction_id]
    if any(each.reference == reference for each in earlier):
        _expect_same_amount(order, earlier, one.left_cents)
        if any(each.reason != reason for each in earlier if each.reference == reference):
            raise _used_before()
        return None
    amount = _amount_of(order, one.left_cents)
    reversal = await _take_back(conn, place, one, amount, order)
    await _finish(conn, place, left_cents=place.left_cents - amount)
    return reversal


async def reverse_contribution(
    conn: Connection, contribution_id: UUID, *, reference: str, amount_cents: int | None, reason: str
) -> tuple[Reversal, ...] | None:
    """Take a payment back that its provider has refunded: from the credits it bought first, then from its activation.

    Args:
        conn, amount_cents, reason: as `reverse` takes them; a repeated call may say another reason.
        contribution_id: of a contribution that was settled.
        reference: the provider's id of the refund or the dispute.

    Returns:
        What was taken back, one of each transaction that gave something; None when this reference was applied before.

    Raises:
        Refusal: ``bad_request``, ``not_found`` and ``conflict`` as `reverse`; ``conflict`` when it never settled.
    """
    order = _Order(reference, amount_cents, reason)
    _check(order)
    place = await _lock(conn, contribution_id)
    if not place.paid:
        raise Refusal(Code.CONFLICT, "This contribution has not settled: there is nothing to reverse.")
    if any(each.reference == reference for each in place.earlier):
        _expect_same_amount(order, place.earlier, place.left_cents)
        return None
    missing_cents = amount = _amount_of(order, place.left_cents)
    reversals: list[Reversal] = []
    for one in place.paid:
        if taken_cents := min(missing_cents, one.left_cents):
            missing_cents -= taken_cents
            reversals.append(await _take_back(conn, place, one, taken_cents, order))
    await _finish(conn, place, left_cents=place.left_cents - amount)
    return tuple(reversals)


def _check(order: _Order) -> None:
    if order.amount_cents is not None and order.amount_cents < 1:
        raise Refusal(Code.BAD_REQUEST, "A reversal is of at least one cent.")
    for name, text, most in (
        ("reason", order.reason, MAX_REASON_CHARACTERS),
        ("reference", order.reference, MAX_REFERENCE_CHARACTERS),
    ):
        if not text.strip() or len(text) > most or "\0" in text:
            raise Refusal(Code.BAD_REQUEST, f"A reversal needs a {name} of 1 to {most} characters.")


def _amount_of(order: _Order, left_cents: int) -> int:
    """What is to be taken back now."""
    if left_cents == 0:
        raise Refusal(Code.CONFLICT, "Everything was reversed before.", details={"left": 0})
    if order.amount_cents is None:
        return left_cents
    if order.amount_cents > left_cents:
        raise Refusal(
            Code.CONFLICT,
            f"Only {left_cents:,} cents are left; {order.amount_cents:,} cannot be reversed.",
            details={"amount": order.amount_cents, "left": left_cents},
        )
    return order.amount_cents


def _expect_same_amount(order: _Order, earlier: Sequence[_Earlier], left_cents: int) -> None:
    """Make sure that a reference which is used again asks for the amount that it took.

    "All that is left" is the same again where it left nothing, and nothing came after it.

    Raises:
        Refusal: ``conflict``.
    """
    if order.amount_cents is None:
        is_same = left_cents == 0 and earlier[-1].reference == order.reference
    else:
        is_same = order.amount_cents == sum(each.amount_cents for each in earlier if each.reference == order.reference)
    if not is_same:
        raise _used_before()


def _used_before() -> Refusal:
    return Refusal(Code.CONFLICT, "This reference was used for another reversal.")


async def _lock(conn: Connection, contribution_id: UUID) -> _Place:
    """Lock all that a reversal reads and writes, then read it: nothing of it changes before the commit."""
    giver = await conn.fetchrow(
        """
        SELECT id, user_id FROM session
        WHERE id = (SELECT session_id FROM contribution WHERE id = $1) FOR SHARE
        """,
        contribution_id,
    )
    if giver is None:
        raise Refusal(Code.NOT_FOUND, "There is no such contribution.")
    channel_id = await conn.fetchval(
        "SELECT channel_id FROM contribution WHERE id = $1 FOR NO KEY UPDATE", contribution_id
    )
    account = (await lock_channels(conn, [channel_id]))[channel_id]
    rows = await conn.fetch(
        """
        SELECT id, type, amount_cents, credits, reverses_id, provider_reference, reason FROM "transaction"
        WHERE contribution_id = $1 ORDER BY created_at, id
        """,
        contribution_id,
    )
    earlier = [
        _Earlier(row["reverses_id"], row["provider_reference"], -row["amount_cents"], row["reason"])
        for row in rows
        if row["reverses_id"] is not None
    ]
    reversed_cents = Counter[UUID]()
    for each in earlier:
        reversed_cents[each.reverses_id] += each.amount_cents
    paid = [
        _Paid(row["id"], TransactionType(row["type"]), row["amount_cents"], row["credits"], reversed_cents[row["id"]])
        for row in rows
        if row["reverses_id"] is None
    ]
    paid.sort(key=lambda one: one.type is TransactionType.ACTIVATION)
    return _Place(contribution_id, giver["id"], giver["user_id"], account, paid, earlier)


async def _take_back(conn: Connection, place: _Place, one: _Paid, amount_cents: int, order: _Order) -> Reversal:
    """Write the reversal of one transaction, and take from the channel what it gave."""
    credits_ = credits_to_reverse(
        one.amount_cents, one.credits, reversed_cents=one.reversed_cents, more_cents=amount_cents
    )
    taken_credits = min(credits_, place.account.balance)
    reversal_id = new_id()
    # Its time is read now, under the channel's lock: later than that of every transaction of the channel so far.
    await conn.execute(
        """
        INSERT INTO "transaction" (id, channel_id, user_id, session_id, amount_cents, currency, type, status,
                                   description, credits, deficit_credits, credits_per_dollar, contribution_id,
                                   provider, provider_reference, reverses_id, reason, reversed_by)
        SELECT $2, channel_id, coalesce(user_id, $3), session_id, $4, currency, type, 'REVERSAL',
               $5, $6, $7, credits_per_dollar, contribution_id, provider, $8, id, $9, $10
        FROM "transaction" WHERE id = $1
        """,
        one.id,
        reversal_id,
        place.user_id,
        -amount_cents,
        _describe(one.type, credits_),
        -credits_,
        credits_ - taken_credits,
        order.reference,
        order.reason,
        order.by_user_id,
    )
    balance = None
    if one.type is TransactionType.ACTIVATION:
        await _lower_funding(conn, place.account.id, amount_cents)
    elif taken_credits:
        balance = await post(
            conn,
            place.account,
            kind=CreditEntryKind.ADJUST,
            delta=-taken_credits,
            source_id=reversal_id,
            reason=order.reason,
        )
    return Reversal(
        transaction_id=reversal_id,
        reverses_id=one.id,
        contribution_id=place.contribution_id,
        channel_id=place.account.id,
        type=one.type,
        amount_cents=amount_cents,
        credits=credits_,
        deficit_credits=credits_ - taken_credits,
        balance=balance,
    )


async def _lower_funding(conn: Connection, channel_id: UUID, by_cents: int) -> None:
    """Take funding away. The status stays: a channel that is on air does not fall back below its goal."""
    lowered = await conn.fetchval(
        """
        UPDATE channel
        SET activation_funding_cents = activation_funding_cents - $2, updated_at = clock_timestamp()
        WHERE id = $1 AND activation_funding_cents >= $2
        RETURNING id
        """,
        channel_id,
        by_cents,
    )
    expect(lowered is not None, "a channel has the funding that its transactions gave")


async def _finish(conn: Connection, place: _Place, *, left_cents: int) -> None:
    """Say of a contribution of which nothing is left that it was reversed, and take back the badges that hang on it."""
    if not left_cents:
        reversed_id = await conn.fetchval(
            """
            UPDATE contribution SET status = 'REVERSED', updated_at = clock_timestamp()
            WHERE id = $1 AND status = 'SETTLED' RETURNING id
            """,
            place.contribution_id,
        )
        expect(reversed_id is not None, "only what has settled is reversed")
    await recompute(conn, Giver.of(place.user_id, place.session_id))


def _describe(type_: TransactionType, credits_: int) -> str:
    """What a reversal's row says for people; why it was reversed is not for the public."""
    if type_ is TransactionType.ACTIVATION:
        return "Reversal of a contribution to the channel's activation"
    return f"Reversal of {credits_:,} credit" + ("" if credits_ == 1 else "s")
