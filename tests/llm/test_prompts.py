"""The prompt is cut to the model's window."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.domain.errors import Code, Refusal
from server.llm.model import PromptMessage
from server.llm.prompts import KNOWLEDGE_STEPS, Spoken, Window, fit
from server.llm.tokens import count
from tests.llm.encoded import Encoded
from tests.llm.texts import clean_texts

PERSONA = "You are the keeper of a lighthouse."
KNOWLEDGE = "The lamp has 24 panes. " * 20


def past(*texts: str) -> list[Spoken]:
    return [Spoken("assistant" if turn % 2 else "user", text, count(text)) for turn, text in enumerate(texts)]


def asked(text: str) -> Spoken:
    return Spoken("user", text, count(text))


def tokens_of(messages: list[PromptMessage]) -> int:
    return sum(count(message.content) for message in messages)


async def test_everything_is_sent_when_it_fits() -> None:
    assert await fit(PERSONA, KNOWLEDGE, past("Hello?", "Ahoy."), asked("Who?"), Window(4_000, 1_000)) == [
        PromptMessage("system", f"{PERSONA}\n\n{KNOWLEDGE}"),
        PromptMessage("user", "Hello?"),
        PromptMessage("assistant", "Ahoy."),
        PromptMessage("user", "Who?"),
    ]


async def test_a_channel_without_texts_has_no_system_message() -> None:
    assert await fit("", "", [], asked("Who?"), Window(4_000, 1_000)) == [PromptMessage("user", "Who?")]


async def test_an_answer_without_text_is_not_sent() -> None:
    messages = await fit("", "", past("Hello?", "", "Again?"), asked("Who?"), Window(4_000, 1_000))
    assert [message.content for message in messages] == ["Hello?", "Again?", "Who?"]


async def test_the_oldest_history_goes_first_and_what_is_left_begins_with_the_fan() -> None:
    history = past(*(f"message number {turn} " * 5 for turn in range(40)))
    messages = await fit(PERSONA, KNOWLEDGE, history, asked("Who?"), Window(600, 100))
    kept = [message.content for message in messages[1:-1]]
    assert kept == [message.text for message in history[-len(kept) :]]
    assert 0 < len(kept) < 40
    assert messages[1].role == "user"
    assert messages[0].content.endswith(KNOWLEDGE)


async def test_the_beginning_of_the_prompt_stays_for_several_turns() -> None:
    texts = [f"message number {turn} " * 5 for turn in range(120)]
    starts = [
        (await fit(PERSONA, "", past(*texts[:turns]), asked("Who?"), Window(1_200, 100)))[1].content
        for turns in range(60, 120, 2)
    ]
    assert len(set(starts)) <= len(starts) // 3


async def test_the_knowledge_is_cut_when_no_history_is_left() -> None:
    messages = await fit(PERSONA, KNOWLEDGE, past("Hello?", "Ahoy."), asked("Who? " * 20), Window(200, 100))
    assert [message.role for message in messages] == ["system", "user"]
    assert messages[0].content.startswith(f"{PERSONA}\n\nThe lamp")
    assert len(messages[0].content) < len(PERSONA) + len(KNOWLEDGE)


THAI_KNOWLEDGE = "ประภาคารแห่งนี้ตั้งอยู่บนเกาะเล็กๆกลางทะเลและมีผู้ดูแลที่รักการเล่าเรื่อง" * 120


async def test_the_event_loop_goes_on_while_knowledge_is_cut() -> None:
    cutting = asyncio.ensure_future(fit("", THAI_KNOWLEDGE, [], asked("Who?"), Window(3_500, 1_024)))
    turns = 0
    while not cutting.done():
        turns += 1
        await asyncio.sleep(0)
    assert len((await cutting)[0].content) < len(THAI_KNOWLEDGE)
    assert turns > 10


async def test_messages_of_about_the_same_length_share_a_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    messages = [asked("Who is there?"), asked("Who is the keeper of this lighthouse?")]
    window = Window(3_500, 1_024)
    first = await fit(PERSONA, THAI_KNOWLEDGE, [], messages[0], window)
    encoded = Encoded(monkeypatch)
    second = await fit(PERSONA, THAI_KNOWLEDGE, [], messages[1], window)
    assert first[0] == second[0]
    assert encoded.characters == 0


async def test_no_more_knowledge_is_cut_off_than_a_step() -> None:
    messages = await fit("", THAI_KNOWLEDGE, [], asked("Who?"), Window(3_500, 1_024))
    room_tokens = 3_500 - 1_024
    assert room_tokens - room_tokens // KNOWLEDGE_STEPS - 10 < tokens_of(messages) <= room_tokens


async def test_what_cannot_be_cut_is_refused_with_the_numbers() -> None:
    with pytest.raises(Refusal) as refused:
        await fit(PERSONA, KNOWLEDGE, [], asked("Who? " * 100), Window(250, 100))
    assert refused.value.code is Code.TOO_LARGE
    assert refused.value.details == {"tokens": count(PERSONA) + count("Who? " * 100), "window": 150}
    assert not refused.value.temporary


THAI = "ประภาคารแห่งนี้ตั้งอยู่บนเกาะ"
LOCAL_WINDOW = Window(3_500, 1_024, english_only=True)


async def test_of_other_scripts_a_model_for_english_is_sent_what_it_has_room_for_at_a_token_a_byte() -> None:
    messages = await fit("", "", past(*[THAI] * 60), asked(THAI), LOCAL_WINDOW)
    sent_bytes = sum(len(message.content.encode()) for message in messages)
    assert LOCAL_WINDOW.room_tokens // 2 < sent_bytes <= LOCAL_WINDOW.room_tokens


async def test_of_knowledge_in_other_scripts_a_model_for_english_is_told_less() -> None:
    messages = await fit(PERSONA, THAI_KNOWLEDGE, [], asked("Who?"), LOCAL_WINDOW)
    sent_bytes = len(messages[0].content.encode())
    assert LOCAL_WINDOW.room_tokens * 0.9 < sent_bytes < LOCAL_WINDOW.room_tokens + len(PERSONA)


async def test_a_model_for_english_is_sent_as_much_english_as_any_other() -> None:
    history = past(*(f"message number {'ab' * (turn % 3)} " * 5 for turn in range(400)))
    other = await fit(PERSONA, "", history, asked("Who?"), Window(3_500, 1_024))
    assert len(other) < len(history)
    assert await fit(PERSONA, "", history, asked("Who?"), LOCAL_WINDOW) == other


async def test_a_message_that_a_model_for_english_cannot_take_is_refused() -> None:
    newest = asked(THAI * 40)
    assert newest.tokens < LOCAL_WINDOW.room_tokens
    with pytest.raises(Refusal) as refused:
        await fit("", "", [], newest, LOCAL_WINDOW)
    assert refused.value.code is Code.TOO_LARGE
    assert refused.value.details == {"tokens": len(newest.text.encode()), "window": LOCAL_WINDOW.room_tokens}


windows = st.builds(Window, st.integers(50, 950), st.just(50), st.booleans())


@settings(deadline=None)
@given(clean_texts, clean_texts, st.lists(clean_texts, max_size=12), clean_texts, windows)
def test_a_prompt_never_passes_the_room(
    persona: str, knowledge: str, history: list[str], newest: str, window: Window
) -> None:
    def weight(*texts: str) -> int:
        return sum(window.weigh(text, count(text)) for text in texts)

    try:
        messages = asyncio.run(fit(persona, knowledge, past(*history), asked(newest), window))
    except Refusal:
        assert weight(persona, newest) > window.room_tokens
        return
    assert weight(*(message.content for message in messages)) <= window.room_tokens
    assert messages[-1] == PromptMessage("user", newest)
