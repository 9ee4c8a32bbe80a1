"""Running answers in Redis, at most 250 ms behind: what is left of an answer when its node dies.

Each running answer has one stream, named by chat, epoch and message, so that a node which lost a chat cannot write
into its successor's. An entry says where in the answer it begins (`o`, in code points) and what was added there (`x`).
A few calls of one script a tick carry the entries of all answers of the node. Redis emptied or gone costs nobody an
answer: what was missed is sent again with the next tick.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast
from uuid import UUID

import structlog

from server.chats.live_chat import LiveChat
from server.storage.redis import Redis, RedisUnavailable, checkpoint_key

TICK_SECONDS: Final = 0.25
KEPT_SECONDS: Final = 24 * 3600
ANSWERS_PER_CALL: Final = 128
"""Redis does nothing else during a call: about half a millisecond for so many."""

_WRITTEN: Final = 1
_GONE: Final = 0
"""What `checkpoint.lua` says of an answer."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Written:
    """How much of an answer Redis has, in code points."""

    chat: LiveChat
    epoch: int
    message_id: UUID
    key: str
    code_points: int = 0

    def unwritten(self) -> str:
        answer = self.chat.answer
        if answer is None or answer.id != self.message_id:
            return ""
        return answer.text_from(self.code_points)


class Checkpoints:
    """The checkpoints of one node."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._running: dict[UUID, _Written] = {}

    def begin(self, chat: LiveChat) -> None:
        """Keep the chat's running answer from now on."""
        assert chat.answer is not None
        assert chat.epoch is not None
        key = checkpoint_key(chat.facts.id, chat.epoch, chat.answer.id)
        self._running[chat.answer.id] = _Written(chat, chat.epoch, chat.answer.id, key)

    def stop(self, message_id: UUID) -> None:
        """Write no more of this answer. What Redis has stays: whoever takes the chat needs it."""
        self._running.pop(message_id, None)

    async def end(self, message_id: UUID) -> None:
        """This answer is saved: nobody needs what Redis has of it."""
        written = self._running.pop(message_id, None)
        if written is not None and written.code_points:
            await self.discard(written.chat.facts.id, written.epoch, message_id)

    async def run(self) -> None:
        """Write checkpoints until cancelled."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            await self.write_all()

    async def write_all(self) -> None:
        """Write what has been added since the last time. Redis in trouble: it is written next time."""
        due = [(written, text) for written in self._running.values() if (text := written.unwritten())]
        if not due:
            return
        groups = [due[first : first + ANSWERS_PER_CALL] for first in range(0, len(due), ANSWERS_PER_CALL)]
        try:
            replies = await self._redis.scripts("checkpoint", [_call(group) for group in groups])
        except RedisUnavailable:
            log.debug("checkpoints_missed", answers=len(due))
            return
        for group, reply in zip(groups, replies, strict=True):
            if not isinstance(reply, list) or len(reply) != len(group):
                log.warning("checkpoints_garbled", answers=len(group))
                continue
            for (written, text), outcome in zip(group, reply, strict=True):
                if outcome == _WRITTEN:
                    written.code_points += len(text)
                elif outcome == _GONE:
                    written.code_points = 0

    async def read(self, chat_id: UUID, epoch: int, message_id: UUID) -> str | None:
        """Return what Redis has of an answer; "" when it has nothing, None when it cannot be asked."""
        key = checkpoint_key(chat_id, epoch, message_id)
        try:
            entries = await self._redis.run(lambda client: client.xrange(key))
        except RedisUnavailable:
            log.warning("checkpoint_unreadable", chat=str(chat_id))
            return None
        return _joined([fields for _, fields in cast("list[tuple[bytes, dict[bytes, bytes]]]", entries or [])])

    async def discard(self, chat_id: UUID, epoch: int, message_id: UUID) -> None:
        """Delete what Redis has of an answer; when it cannot be asked, expiry does it."""
        key = checkpoint_key(chat_id, epoch, message_id)
        try:
            await self._redis.run(lambda client: client.delete(key))
        except RedisUnavailable:
            log.debug("checkpoint_left_to_expire", chat=str(chat_id))


def _joined(entries: Sequence[Mapping[bytes, bytes]]) -> str:
    """Put an answer together, up to the first entry that is none of ours or does not continue it."""
    text = ""
    for fields in entries:
        try:
            offset, added = int(fields[b"o"]), fields[b"x"].decode()
        except (KeyError, ValueError):
            break
        if not 0 <= offset <= len(text) or "\0" in added:
            break
        text = text[:offset] + added
    return text


def _call(group: Sequence[tuple[_Written, str]]) -> tuple[list[str], list[str | int]]:
    """The keys and arguments of `checkpoint.lua` for these answers."""
    args: list[str | int] = [KEPT_SECONDS]
    for written, text in group:
        args += (written.code_points, text)
    return [written.key for written, _ in group], args
