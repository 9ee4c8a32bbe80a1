"""Who watches which channel: its balance and its state, now and at every change.

A change made by this node is told at once; what others change (a purchase, the command line, another node) is found by
reading the watched channels once a second, one query for all of them. Figures come from Postgres. The ledger's version
says which of two balances is newer; funding and status have none, so readings follow each other, never side by side,
and a later one is never older.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

import asyncpg
import structlog

from server.domain.errors import Refusal
from server.domain.events import ChannelChanged, ChannelEvent, CreditChanged, CreditReason
from server.domain.transactions import CreditEntryKind
from server.ledger.accounts import Balance
from server.ledger.shared_reads import SharedReads
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres

POLL_SECONDS: Final = 1.0

_CHANNELS: Final = """
    SELECT channel.id, name, status, activation_funding_cents, activation_goal_cents, credit_balance, ledger_version,
           credit_entry.kind
      FROM channel LEFT JOIN credit_entry
        ON credit_entry.channel_id = channel.id AND credit_entry.channel_seq = channel.ledger_version
     WHERE channel.id = ANY($1)
"""
_REASONS: Final = {
    CreditEntryKind.PURCHASE: CreditReason.PURCHASE,
    CreditEntryKind.CHAT: CreditReason.SPEND,
    CreditEntryKind.REFUND: CreditReason.REFUND,
    CreditEntryKind.ADJUST: CreditReason.ADJUST,
}

log = structlog.get_logger(__name__)


class Watcher(Protocol):
    """A socket that watches channels. It may not block or raise."""

    def tell(self, event: ChannelEvent) -> None:
        """Take an event; only the newest of each kind counts."""


@dataclass(slots=True)
class _Known:
    """The newest figures of a channel that were told."""

    state: ChannelChanged
    version: int


class Watching:
    """The watched channels of one node."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._watchers: defaultdict[UUID, set[Watcher]] = defaultdict(set)
        self._known: dict[UUID, _Known] = {}
        self._asked: set[UUID] = set()
        self._has_changes = asyncio.Event()
        self._readings: SharedReads[None, None] = SharedReads(self._read)

    async def watch(self, channel_id: UUID, watcher: Watcher) -> None:
        """Tell the watcher the channel's figures now and at every change.

        Raises:
            Refusal: `unavailable`.
        """
        self._asked.add(channel_id)
        await self._readings.get(None)
        known = self._known.get(channel_id)
        self._watchers[channel_id].add(watcher)
        if known is not None:
            watcher.tell(known.state)
            watcher.tell(CreditChanged(known.state.channel, known.state.credit_balance, CreditReason.NOW))

    def unwatch(self, channel_id: UUID, watcher: Watcher) -> None:
        """Tell it nothing more."""
        watchers = self._watchers[channel_id]
        watchers.discard(watcher)
        if not watchers:
            del self._watchers[channel_id]
            self._known.pop(channel_id, None)

    def balance_changed(self, balance: Balance, why: CreditReason) -> None:
        """This node has changed a balance: tell it, unless something newer was told."""
        known = self._known.get(balance.channel_id)
        if known is None or balance.version <= known.version:
            return
        known.version = balance.version
        known.state = ChannelChanged(
            known.state.channel,
            known.state.status,
            known.state.activation_funding_cents,
            known.state.activation_goal_cents,
            balance.balance,
        )
        self._tell(balance.channel_id, CreditChanged(known.state.channel, balance.balance, why))

    def channel_changed(self, channel_id: UUID) -> None:
        """This node has changed a channel, its funding, status or credits: look, and tell what is new at once."""
        if channel_id in self._watchers:
            self._asked.add(channel_id)
            self._has_changes.set()

    async def run(self) -> None:
        """Find what others have changed, and what this node says it has, until cancelled."""
        loop = asyncio.get_running_loop()
        next_poll_at = loop.time() + POLL_SECONDS
        while True:
            try:
                async with asyncio.timeout_at(next_poll_at):
                    await self._has_changes.wait()
            except TimeoutError:
                self._asked.update(self._watchers)
                next_poll_at = loop.time() + POLL_SECONDS
            self._has_changes.clear()
            if not self._asked:
                continue
            try:
                await self._readings.get(None)
            except Refusal as refusal:  # all of them are asked for again within a second
                log.warning("channels_not_read", error=repr(refusal.__cause__))

    async def _read(self, _: None) -> None:
        """Read what was asked for by now, and tell."""
        asked, self._asked = self._asked, set()
        try:
            with outages_refused():
                rows = await self._postgres.pool.fetch(_CHANNELS, list(asked))
        except BaseException:  # whoever else has asked reads them next, should this one have gone away
            self._asked |= asked
            raise
        for row in rows:
            self._compare(row)

    def _compare(self, row: asyncpg.Record) -> None:
        """Bring a channel's figures forward and tell its watchers what is new."""
        state = ChannelChanged(
            row["name"],
            row["status"],
            row["activation_funding_cents"],
            row["activation_goal_cents"],
            row["credit_balance"],
        )
        known = self._known.get(row["id"])
        if known is None:
            self._known[row["id"]] = _Known(state, row["ledger_version"])
            return
        if row["ledger_version"] < known.version:
            return
        has_new_balance = row["ledger_version"] > known.version
        has_new_state = (state.status, state.activation_funding_cents, state.activation_goal_cents) != (
            known.state.status,
            known.state.activation_funding_cents,
            known.state.activation_goal_cents,
        )
        self._known[row["id"]] = _Known(state, row["ledger_version"])
        if has_new_state:
            self._tell(row["id"], state)
        if has_new_balance:
            why = _REASONS[CreditEntryKind(row["kind"])]
            self._tell(row["id"], CreditChanged(state.channel, state.credit_balance, why))

    def _tell(self, channel_id: UUID, event: ChannelEvent) -> None:
        for watcher in self._watchers.get(channel_id, ()):
            watcher.tell(event)
