"""How often anybody may do what: every limit of requests in one table, for the code, its tests and the documents."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MINUTE_SECONDS: Final = 60
HOUR_SECONDS: Final = 3_600


class Subject(StrEnum):
    """Whom a rate counts.

    Attributes:
        meaning: in words, for the documents.
    """

    _value_: str
    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> "Subject":
        """A member is its word."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    ADDRESS = "address", "one IPv4 address, or the /64 of an IPv6 one"
    CALLER = "caller", "a visitor's session, a user in all of their sessions, or an API key"
    CHANNEL = "channel", "everybody together, on one channel"


class Action(StrEnum):
    """What is counted apart from everything else.

    Attributes:
        meaning: in words, for the documents.
    """

    _value_: str
    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> "Action":
        """A member is its word."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    REQUESTS = "requests", "any HTTP request but those for health, on each server by itself"
    READS = "reads", "a page or an answer of the API that no other row names"
    LISTS = "lists", "a page of a list, and a search in it"
    DOWNLOADS = "downloads", "a CSV file"
    WRITES = "writes", "a change that no other row names"
    QUOTES = "quotes", "a quote for a contribution"
    CONTRIBUTIONS = "contributions", "making a contribution"
    CHECKOUTS = "checkouts", "a decision at the sandbox's checkout"
    WEBHOOKS = "webhooks", "news from a payment provider"
    SIGN_INS = "sign_ins", "beginning or finishing a sign-in"
    USERNAME_CHECKS = "username_checks", "asking whether a username is free, or choosing one"
    EXPORTS = "exports", "everything about oneself in one file"
    KEYS = "keys", "making an API key"
    TICKETS = "tickets", "a ticket for the websocket"
    SOCKETS = "sockets", "opening a websocket; an API key's tickets are counted instead"
    ADMINISTRATION = "administration", "what only admins may do"


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in any span of so long."""

    count: int
    seconds: int

    def times(self, factor: float) -> "Rate":
        """The rate with its count multiplied; never less than 1."""
        return Rate(max(1, round(self.count * factor)), self.seconds)


def _rates(
    *, address: int, caller: int | None = None, channel: int | None = None, seconds: int = MINUTE_SECONDS
) -> Mapping[Subject, Rate]:
    counts = {Subject.ADDRESS: address, Subject.CALLER: caller, Subject.CHANNEL: channel}
    return {subject: Rate(count, seconds) for subject, count in counts.items() if count is not None}


RATES: Final[Mapping[Action, Mapping[Subject, Rate]]] = {
    Action.REQUESTS: _rates(address=3_000),
    Action.READS: _rates(address=600),
    Action.LISTS: _rates(address=300),
    Action.DOWNLOADS: _rates(address=30, caller=10, channel=120),
    Action.WRITES: _rates(address=300, caller=60),
    Action.QUOTES: _rates(address=240),
    Action.CONTRIBUTIONS: _rates(address=60, caller=20, channel=600),
    Action.CHECKOUTS: _rates(address=60),
    Action.WEBHOOKS: _rates(address=1_200),
    Action.SIGN_INS: _rates(address=60, caller=20),
    Action.USERNAME_CHECKS: _rates(address=120, caller=30),
    Action.EXPORTS: _rates(address=30, caller=5, seconds=HOUR_SECONDS),
    Action.KEYS: _rates(address=60, caller=10, seconds=HOUR_SECONDS),
    Action.TICKETS: _rates(address=600, caller=60),
    Action.SOCKETS: _rates(address=300),
    Action.ADMINISTRATION: _rates(address=300, caller=300),
}
"""Every action's rates. An address always has one: it is counted before anybody is looked up."""
