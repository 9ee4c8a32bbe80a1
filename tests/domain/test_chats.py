"""The life of a chat: the tables, and whatever order of events a chat can meet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from server.domain.chats import (
    CHAT_TRANSITIONS,
    CREDIT_TRANSITIONS,
    ChatEvent,
    ChatState,
    CreditEvent,
    CreditState,
    EndReason,
    ForbiddenTransition,
    MessageStatus,
    end_answer,
    next_chat_state,
    next_credit_state,
    refuse_send,
)
from server.domain.errors import Code


@given(st.sampled_from(ChatState), st.sampled_from(ChatEvent))
def test_what_the_table_does_not_have_is_forbidden_by_name(state: ChatState, event: ChatEvent) -> None:
    if (state, event) in CHAT_TRANSITIONS:
        assert next_chat_state(state, event) is CHAT_TRANSITIONS[state, event]
    else:
        with pytest.raises(ForbiddenTransition, match=f"{state.value} does not know {event.value}"):
            next_chat_state(state, event)


@given(st.sampled_from(CreditState), st.sampled_from(CreditEvent))
def test_a_credit_is_never_given_back_after_its_first_token(state: CreditState, event: CreditEvent) -> None:
    if (state, event) in CREDIT_TRANSITIONS:
        assert next_credit_state(state, event) is not CreditState.NONE
    else:
        with pytest.raises(ForbiddenTransition):
            next_credit_state(state, event)
    assert (CreditState.SPENT, CreditEvent.REFUND) not in CREDIT_TRANSITIONS


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (ChatState.OPEN, None),
        (ChatState.ANSWERING, Code.BUSY),
        (ChatState.FULL, Code.LIMIT_REACHED),
        (ChatState.CLOSED, Code.CLOSED),
    ],
)
def test_each_state_refuses_a_message_with_its_own_code(state: ChatState, code: Code | None) -> None:
    refusal = refuse_send(state)
    assert (refusal.code if refusal else None) is code


@given(st.sampled_from(EndReason), st.booleans(), st.booleans())
def test_an_answer_that_let_no_token_out_is_refunded_and_ends_the_chat(
    why: EndReason, has_text: bool, is_full: bool
) -> None:
    ending = end_answer(why, CreditState.CHARGED, has_text=has_text, is_full=is_full)
    assert ending.refunds
    assert (ending.chat_state, ending.credit_state) == (ChatState.CLOSED, CreditState.REFUNDED)


@given(st.sampled_from(EndReason), st.booleans(), st.booleans())
def test_a_spent_chat_goes_on_or_is_full(why: EndReason, has_text: bool, is_full: bool) -> None:
    ending = end_answer(why, CreditState.SPENT, has_text=has_text, is_full=is_full)
    assert not ending.refunds
    assert ending.chat_state is (ChatState.FULL if is_full else ChatState.OPEN)
    assert ending.credit_state is CreditState.SPENT


@pytest.mark.parametrize("why", [EndReason.STOP, EndReason.LENGTH, EndReason.CAP])
def test_an_empty_answer_is_an_error_whatever_the_model_says(why: EndReason) -> None:
    ending = end_answer(why, CreditState.SPENT, has_text=False, is_full=False)
    assert (ending.why, ending.message_status) == (EndReason.ERROR, MessageStatus.FAILED)


def test_what_a_user_stopped_is_stopped_also_when_it_is_empty() -> None:
    ending = end_answer(EndReason.USER_STOP, CreditState.SPENT, has_text=False, is_full=False)
    assert (ending.why, ending.message_status) == (EndReason.USER_STOP, MessageStatus.STOPPED)


class ChatLife(RuleBasedStateMachine):
    """One chat with its credit, driven as turns drive it."""

    def __init__(self) -> None:
        super().__init__()
        self.chat = ChatState.OPEN
        self.credit = CreditState.NONE
        self.charges = self.refunds = 0
        self.token_left = False

    @precondition(lambda self: refuse_send(self.chat) is None)
    @rule()
    def send(self) -> None:
        if self.credit is CreditState.NONE:
            self.credit = next_credit_state(self.credit, CreditEvent.CHARGE)
            self.charges += 1
        self.chat = next_chat_state(self.chat, ChatEvent.SEND)

    @precondition(lambda self: self.chat is ChatState.ANSWERING and self.credit is CreditState.CHARGED)
    @rule()
    def first_token(self) -> None:
        self.credit = next_credit_state(self.credit, CreditEvent.FIRST_TOKEN)
        self.token_left = True

    @precondition(lambda self: self.chat is ChatState.ANSWERING)
    @rule(why=st.sampled_from(EndReason), has_text=st.booleans(), is_full=st.booleans())
    def end(self, why: EndReason, has_text: bool, is_full: bool) -> None:
        ending = end_answer(why, self.credit, has_text=has_text, is_full=is_full)
        self.chat, self.credit = ending.chat_state, ending.credit_state
        self.refunds += ending.refunds

    @precondition(lambda self: self.chat is not ChatState.ANSWERING)
    @rule()
    def close(self) -> None:
        self.chat = next_chat_state(self.chat, ChatEvent.CLOSE)

    @invariant()
    def charged_and_refunded_at_most_once(self) -> None:
        assert self.refunds <= self.charges <= 1

    @invariant()
    def spent_exactly_when_a_token_has_left(self) -> None:
        assert (self.credit is CreditState.SPENT) == self.token_left

    @invariant()
    def refunded_chats_are_closed(self) -> None:
        assert self.credit is not CreditState.REFUNDED or self.chat is ChatState.CLOSED


TestChatLife = ChatLife.TestCase
