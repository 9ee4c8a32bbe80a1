"""What becomes of a message: decided in Python, under row locks, from what one transaction has read.

The rules are `domain/chats.py`; the order in which they are asked is that of `docs/ledger.md` (*Starting a chat*): the
caller's id first, so that a repeated command gets its first answer whatever has happened to the chat since.
"""

from dataclasses import dataclass
from datetime import datetime

from server.chats.refusals import busy_elsewhere, no_credit, not_found, off_air, quota_exceeded
from server.chats.starts import Facts, LockedChat, Start, StoredMessage
from server.domain.channels import ChannelStatus
from server.domain.chats import ChatEvent, CreditState, next_chat_state, refuse_send
from server.domain.errors import Code, Refusal


@dataclass(frozen=True, slots=True)
class Admitted:
    """The message takes the next place; `charges` when it is the chat's first."""

    start: Start
    seq: int
    charges: bool


@dataclass(frozen=True, slots=True)
class Repeated:
    """The message was stored before; `is_this_start` when an earlier try of this very start did it."""

    message: StoredMessage
    is_this_start: bool


@dataclass(frozen=True, slots=True)
class EpochLost:
    """Another node writes this chat, or took it since."""


Decision = Admitted | Repeated | EpochLost | Refusal


def decide(start: Start, facts: Facts, now: datetime) -> Decision:
    """Decide one start and bring the facts forward, so that the next one of the batch sees what this one took."""
    repeat = facts.stored.get((start.chat_id, start.idem))
    if repeat is not None:
        return _answer_repeat(start, repeat, facts.chats.get(start.chat_id))
    chat = facts.chats.get(start.chat_id)
    if chat is None:
        return not_found()
    if chat.epoch != start.epoch:
        return EpochLost()
    refusal = _refuse(start, chat, facts, now)
    if refusal is not None:
        return refusal
    charges = chat.credit_state is CreditState.NONE
    if charges:
        facts.balances[start.channel_id] -= 1
        chat.credit_state = CreditState.CHARGED
        for subject in start.visitor.subjects if start.visitor else ():
            facts.quota_counts[subject] += 1
    if start.visitor:
        facts.answering.setdefault(start.visitor.session_id, set()).add(start.chat_id)
    chat.state = next_chat_state(chat.state, ChatEvent.SEND)
    seq = chat.last_seq + 1
    chat.last_seq = seq + 1
    facts.stored[start.chat_id, start.idem] = StoredMessage(start.message_id, start.text, seq, now)
    return Admitted(start, seq, charges)


def _answer_repeat(start: Start, repeat: StoredMessage, chat: LockedChat | None) -> Repeated | Refusal:
    if repeat.content != start.text:
        return Refusal(Code.CONFLICT, "This idem was used for another text in this chat.")
    is_mine = repeat.id == start.message_id and chat is not None and chat.epoch == start.epoch
    return Repeated(repeat, is_this_start=is_mine)


def _refuse(start: Start, chat: LockedChat, facts: Facts, now: datetime) -> Refusal | None:
    if facts.channel_statuses.get(start.channel_id) is not ChannelStatus.ACTIVE:
        return off_air()
    by_state = refuse_send(chat.state)
    if by_state is not None:
        return by_state
    if start.visitor and facts.answering.get(start.visitor.session_id, set()) - {chat.id}:
        return busy_elsewhere()
    return _refuse_charge(start, facts, now) if chat.credit_state is CreditState.NONE else None


def _refuse_charge(start: Start, facts: Facts, now: datetime) -> Refusal | None:
    visitor = start.visitor
    if visitor and any(facts.quota_counts[subject] >= visitor.limit_chats for subject in visitor.subjects):
        return quota_exceeded(visitor.limit_chats, now)
    return no_credit() if facts.balances[start.channel_id] <= 0 else None
