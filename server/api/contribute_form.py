"""The form of a contribution: what may be chosen on a channel, what was typed, and what is wrong with it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final

import msgspec

from server.channels.catalog import Channel
from server.domain.channels import ChannelStatus
from server.domain.display_names import display_name_of
from server.domain.dollars import cents_of, dollars
from server.domain.errors import Code, Refusal
from server.domain.money import Funding, credits_for
from server.domain.transactions import TransactionType
from server.ledger.contributing import Terms, Wish, check_amount

ACTIVATION_PRESETS_CENTS: Final = (100, 200, 500)
CREDIT_PRESETS_CENTS: Final = (200, 500, 1_000)
TYPED_CHARACTERS_MAX: Final = 200
"""Of what is typed into one field; more than any right value has, so that a wrong one can be shown again."""

_CENTS: Final = re.compile("[0-9]{1,9}")
_Typed = Annotated[str, msgspec.Meta(max_length=TYPED_CHARACTERS_MAX)]


class ContributeQuery(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the form of a contribution is filled in with.

    Attributes:
        type: what for; without it, what the channel needs.
        preset: an amount in US cents that was offered.
        amount: another amount, in dollars as people write it; it counts before `preset`.
        display_name: how a giver who is not signed in is called.
    """

    type: TransactionType | None = None
    preset: _Typed | None = None
    amount: _Typed | None = None
    display_name: _Typed | None = None


@dataclass(frozen=True, slots=True)
class Preset:
    """An amount that is offered.

    Attributes:
        credits: that it buys; 0 where it is for the activation.
        is_rest: whether it is what is missing to the goal.
    """

    cents: int
    credits: int
    is_rest: bool


@dataclass(slots=True)
class ContributeForm:
    """The form on one channel.

    Attributes:
        types: what can be contributed to, the usual one first; none: contributions are closed.
        errors: what is wrong, by field: type, amount, displayName.
    """

    channel: Channel
    terms: Terms
    query: ContributeQuery = field(default_factory=ContributeQuery)
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def types(self) -> Sequence[TransactionType]:
        """See there."""
        if not self.terms.is_open or self.channel.status is ChannelStatus.INACTIVE:
            return ()
        if self.channel.status is ChannelStatus.ACTIVE:
            return (TransactionType.CREDIT_PURCHASE,)
        more = (TransactionType.CREDIT_PURCHASE,) if self.terms.credits_on_pending else ()
        return (TransactionType.ACTIVATION, *more)

    @property
    def type(self) -> TransactionType:
        """What is chosen, or would be: an activation that comes too late goes on as credits."""
        if self.query.type is not None and self.query.type in self.types:
            return self.query.type
        return (*self.types, TransactionType.CREDIT_PURCHASE)[0]

    @property
    def missing_cents(self) -> int:
        """What is missing to the goal."""
        channel = self.channel
        return Funding(channel.status, channel.activation_funding_cents, channel.activation_goal_cents).room_cents

    @property
    def presets(self) -> Sequence[Preset]:
        """The amounts that are offered, the smallest first."""
        is_activation = TransactionType.ACTIVATION in self.types
        amounts = set(ACTIVATION_PRESETS_CENTS if is_activation else CREDIT_PRESETS_CENTS)
        if is_activation:  # what is over the goal can be typed; less than the least cannot be paid
            rest_cents = max(self.missing_cents, self.terms.min_cents)
            amounts = {cents for cents in amounts if cents < rest_cents} | {rest_cents}
        rate = self.terms.credits_per_dollar
        return [
            Preset(
                cents, 0 if is_activation else credits_for(cents, rate), is_activation and cents == self.missing_cents
            )
            for cents in sorted(amounts)
            if self.terms.min_cents <= cents <= self.terms.max_cents and (is_activation or credits_for(cents, rate))
        ]

    @property
    def typed(self) -> str:
        """What stands in the field of another amount: what was typed, or what was chosen and is not offered now."""
        chosen = self.query.preset or ""
        if self.query.amount or not _CENTS.fullmatch(chosen) or chosen in self._offered:
            return self.query.amount or ""
        return dollars(int(chosen)).removeprefix("$")

    @property
    def chosen(self) -> str:
        """The preset that is marked, in cents: what was chosen, else the middle one; none beside a typed amount."""
        if self.typed or not self._offered:
            return ""
        return self.query.preset if self.query.preset in self._offered else self._offered[len(self._offered) // 2]

    @property
    def _offered(self) -> list[str]:
        return [str(preset.cents) for preset in self.presets]

    def read(self) -> Wish | None:
        """The contribution that is asked for; None when something is wrong, which `errors` then say."""
        amount_cents, name = 0, None
        try:
            amount_cents = self._amount_cents()
            check_amount(amount_cents, self.terms)
        except Refusal as refusal:
            self.errors["amount"] = refusal.message
        try:
            name = display_name_of(self.query.display_name)
        except Refusal as refusal:
            self.errors["displayName"] = refusal.message
        return None if self.errors else Wish(self.channel.id, self.type, amount_cents, name)

    def _amount_cents(self) -> int:
        """What was typed, else what was chosen."""
        if self.query.amount:
            return cents_of(self.query.amount)
        if self.query.preset is None or _CENTS.fullmatch(self.query.preset) is None:
            raise Refusal(Code.BAD_REQUEST, "Choose an amount, or write one.")
        return int(self.query.preset)
