"""What becomes of a message, decided from what was read."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from server.chats.admission import Admitted, EpochLost, Repeated, decide
from server.chats.starts import Facts, LockedChat, Start, StoredMessage, VisitorClaim
from server.domain.channels import ChannelStatus
from server.domain.chats import ChatState, CreditState
from server.domain.errors import Code, Refusal
from server.storage.ids import new_id

NOW = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
CHANNEL = new_id()


def start_of(
    chat_id: UUID, *, idem: str = "idem-0001", text: str = "Hello", visitor: VisitorClaim | None = None
) -> Start:
    return Start(
        chat_id=chat_id,
        channel_id=CHANNEL,
        epoch=1,
        idem=idem,
        text=text,
        prompt_tokens=2,
        title=text,
        author_ref=1,
        parent_id=None,
        message_id=new_id(),
        answer_id=new_id(),
        model="scripted",
        visitor=visitor,
    )


def facts_of(
    *chat_ids: UUID,
    state: ChatState = ChatState.OPEN,
    credit_state: CreditState = CreditState.NONE,
    status: ChannelStatus = ChannelStatus.ACTIVE,
    balance: int = 1,
    counts: dict[str, int] | None = None,
) -> Facts:
    return Facts(
        chats={chat_id: LockedChat(chat_id, 1, state, credit_state, 0) for chat_id in chat_ids},
        channel_statuses={CHANNEL: status},
        balances={CHANNEL: balance},
        quota_counts=counts or {},
    )


def code_of(decision: object) -> Code | None:
    return decision.code if isinstance(decision, Refusal) else None


def test_one_credit_admits_the_first_of_a_batch_only() -> None:
    first, second = new_id(), new_id()
    facts = facts_of(first, second)
    assert isinstance(decide(start_of(first), facts, NOW), Admitted)
    assert code_of(decide(start_of(second), facts, NOW)) is Code.NO_CREDIT


def test_a_later_message_needs_no_credit() -> None:
    chat = new_id()
    decision = decide(start_of(chat), facts_of(chat, credit_state=CreditState.SPENT, balance=0), NOW)
    assert isinstance(decision, Admitted)
    assert not decision.charges


def test_two_messages_of_one_batch_for_one_chat_are_one_turn() -> None:
    chat = new_id()
    facts = facts_of(chat, balance=5)
    assert isinstance(decide(start_of(chat, idem="idem-aaaa"), facts, NOW), Admitted)
    assert code_of(decide(start_of(chat, idem="idem-bbbb"), facts, NOW)) is Code.BUSY
    assert facts.balances[CHANNEL] == 4


def test_the_same_message_twice_in_one_batch_is_a_repeat() -> None:
    chat = new_id()
    facts = facts_of(chat, balance=5)
    first = start_of(chat)
    decide(first, facts, NOW)
    repeat = decide(start_of(chat), facts, NOW)
    assert isinstance(repeat, Repeated)
    assert repeat.message.id == first.message_id
    assert not repeat.is_this_start


@pytest.mark.parametrize("state", [ChatState.ANSWERING, ChatState.FULL, ChatState.CLOSED])
def test_a_repeat_is_answered_whatever_state_the_chat_is_in(state: ChatState) -> None:
    chat = new_id()
    facts = facts_of(chat, state=state, credit_state=CreditState.SPENT, status=ChannelStatus.INACTIVE, balance=0)
    start = start_of(chat)
    facts.stored[chat, start.idem] = StoredMessage(start.message_id, start.text, 1, NOW)
    repeat = decide(start, facts, NOW)
    assert isinstance(repeat, Repeated)
    assert repeat.is_this_start
    assert code_of(decide(start_of(chat, text="Another text"), facts, NOW)) is Code.CONFLICT


def test_a_vanished_chat_is_not_found_and_a_taken_one_is_lost() -> None:
    chat = new_id()
    assert code_of(decide(start_of(chat), facts_of(), NOW)) is Code.NOT_FOUND
    facts = facts_of(chat)
    facts.chats[chat].epoch = 2
    assert isinstance(decide(start_of(chat), facts, NOW), EpochLost)


def test_a_channel_off_air_takes_no_message_and_is_asked_before_the_chat() -> None:
    chat = new_id()
    facts = facts_of(chat, state=ChatState.CLOSED, status=ChannelStatus.INACTIVE)
    assert code_of(decide(start_of(chat), facts, NOW)) is Code.CHANNEL_INACTIVE


def test_a_visitor_has_one_answer_at_a_time() -> None:
    first, second = new_id(), new_id()
    visitor = VisitorClaim(new_id(), "digest", 10)
    counts = dict.fromkeys(visitor.subjects, 0)
    facts = facts_of(first, second, balance=5, counts=counts)
    assert isinstance(decide(start_of(first, visitor=visitor), facts, NOW), Admitted)
    assert code_of(decide(start_of(second, visitor=visitor), facts, NOW)) is Code.BUSY


@pytest.mark.parametrize("subject", [0, 1], ids=["session", "address"])
@pytest.mark.parametrize(("count", "code"), [(2, None), (3, Code.QUOTA_EXCEEDED)])
def test_the_daily_quota_ends_at_its_limit_until_midnight(count: int, code: Code | None, subject: int) -> None:
    """Each of the two alone."""
    chat = new_id()
    visitor = VisitorClaim(new_id(), "digest", 3)
    facts = facts_of(
        chat, balance=5, counts={one: count if place == subject else 0 for place, one in enumerate(visitor.subjects)}
    )
    decision = decide(start_of(chat, visitor=visitor), facts, NOW)
    assert code_of(decision) is code
    if isinstance(decision, Refusal):
        assert decision.after_seconds == 6 * 3600


def test_the_quota_is_asked_before_the_credit() -> None:
    chat = new_id()
    visitor = VisitorClaim(new_id(), "digest", 0)
    facts = facts_of(chat, balance=0, counts=dict.fromkeys(visitor.subjects, 0))
    assert code_of(decide(start_of(chat, visitor=visitor), facts, NOW)) is Code.QUOTA_EXCEEDED
