"""Checkpoints of running answers, on a real Valkey: what is written, begun anew, and kept back."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.chats.checkpoints import ANSWERS_PER_CALL, Checkpoints
from server.chats.live_chat import ChatFacts, LiveChat, Owner
from server.chats.transcript import LiveMessage, Transcript
from server.domain.chats import ChatState, CreditState, MessageStatus, MessageType
from server.storage.redis import Redis, checkpoint_key
from server.ws.encoding import encode_event
from tests.support.patient_redis import PATIENT_REDIS

EPOCH = 3


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    opened = Redis.open(redis_url, PATIENT_REDIS)
    yield opened
    await opened.close()


class Unhurried:
    """Runs an answer for ever."""

    def stop(self) -> None:
        """Nobody does."""

    def followers_changed(self, count: int) -> None:
        """Nobody follows."""


def message(message_id: UUID) -> LiveMessage:
    return LiveMessage(message_id, MessageType.AI, MessageStatus.STREAMING, 2, 0, datetime.now(UTC))


def answering(checkpoints: Checkpoints) -> tuple[LiveChat, LiveMessage]:
    """A chat whose answer is kept, without text yet."""
    chat_id, answer = uuid4(), message(uuid4())
    chat = LiveChat(
        ChatFacts(chat_id, uuid4(), "night-kitchen", uuid4(), 0, 50_000, None),
        Owner(uuid4(), None),
        state=ChatState.ANSWERING,
        credit_state=CreditState.SPENT,
        tokens_used=0,
        epoch=EPOCH,
        transcript=Transcript(),
        encode=encode_event,
    )
    chat.begin_answer(answer, Unhurried())
    checkpoints.begin(chat)
    return chat, answer


async def kept(checkpoints: Checkpoints, chat: LiveChat, answer: LiveMessage) -> str | None:
    return await checkpoints.read(chat.facts.id, EPOCH, answer.id)


async def test_more_answers_than_one_call_takes_are_all_kept(redis: Redis) -> None:
    checkpoints = Checkpoints(redis)
    running = [answering(checkpoints) for _ in range(ANSWERS_PER_CALL + 1)]
    for tick in range(2):
        for place, (_, answer) in enumerate(running):
            answer.add(f"{tick}:{place} ")
        await checkpoints.write_all()
    for place, (chat, answer) in enumerate(running):
        assert await kept(checkpoints, chat, answer) == f"0:{place} 1:{place} "


@pytest.mark.parametrize("leftover", ["gone", "of another type"])
async def test_what_is_gone_is_written_whole_with_the_next_tick(redis: Redis, leftover: str) -> None:
    checkpoints = Checkpoints(redis)
    chat, answer = answering(checkpoints)
    key = checkpoint_key(chat.facts.id, EPOCH, answer.id)
    answer.add("Once upon ")
    await checkpoints.write_all()
    await redis.run(lambda client: client.delete(key))
    if leftover == "of another type":
        await redis.run(lambda client: client.set(key, "not ours"))
    answer.add("a time")
    await checkpoints.write_all()  # learns that nothing continues there
    await checkpoints.write_all()
    assert await kept(checkpoints, chat, answer) == "Once upon a time"
    assert 0 < await redis.run(lambda client: client.ttl(key)) <= 24 * 3600


async def test_what_redis_refuses_for_now_is_not_taken_as_written(redis: Redis) -> None:
    checkpoints = Checkpoints(redis)
    chat, answer = answering(checkpoints)
    answer.add("Once upon ")
    await checkpoints.write_all()
    await redis.run(lambda client: client.config_set("maxmemory", "1"))
    try:
        answer.add("a ")
        await checkpoints.write_all()
    finally:
        await redis.run(lambda client: client.config_set("maxmemory", "0"))
    answer.add("time")
    await checkpoints.write_all()
    assert await kept(checkpoints, chat, answer) == "Once upon a time"


async def test_replies_that_make_no_sense_count_for_nothing(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = Checkpoints(redis)
    chat, answer = answering(checkpoints)
    answer.add("Once upon a time")

    async def garbled(name: str, calls: list[Any]) -> list[Any]:
        return [[1, 1, 1] for _ in calls]

    with monkeypatch.context() as patched:
        patched.setattr(redis, "scripts", garbled)
        await checkpoints.write_all()
    await checkpoints.write_all()
    assert await kept(checkpoints, chat, answer) == "Once upon a time"


@given(st.lists(st.text(max_size=5), max_size=8), st.integers(0, 40), st.booleans())
def test_the_text_behind_a_place_is_a_slice_of_the_whole(parts: list[str], place: int, is_joined: bool) -> None:
    answer = message(uuid4())
    for part in parts:
        answer.add(part)
    if is_joined:
        assert answer.text == "".join(parts)
    assert answer.text_from(place) == "".join(parts)[place:]
