"""Running answers in Redis, at most 250 ms behind: what is left of an answer when its node dies.

Each running answer has one stream, named by chat, epoch and message, so that a node which lost a chat cannot write
into its successor's. An entry says where in the answer it begins (`o`, in code points) and what was added there (`x`).
One pipeline a tick carries the entries of all answers of the node. Redis emptied or gone costs nobody an answer: what
was missed is sent again with the next tick.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast
from uuid import UUID

import structlog
from redis.asyncio import Redis as AsyncRedis

from server.chats.live_chat import LiveChat
from server.storage.redis import Redis, RedisUnavailable, checkpoint_key

TICK_SECONDS: Final = 0.25
KEPT_SECONDS: Final = 24 * 3600

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Written:
    """How much of an answer Redis has, in code points."""

    chat: LiveChat
    epoch: int
    message_id: UUID
    code_points: int = 0

    @property
    def key(self) -> str:
        return checkpoint_key(self.chat.facts.id, self.epoch, self.message_id)

    def unwritten(self) -> str:
        answer = self.chat.answer
        if answer is None or answer.id != self.message_id:
            return ""
        return answer.text[self.code_points :]


class Checkpoints:
    """The checkpoints of one node."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._running: dict[UUID, _Written] = {}

    def begin(self, chat: LiveChat) -> None:
        """Keep the chat's running answer from now on."""
        assert chat.answer is not None
        assert chat.epoch is not None
        self._running[chat.answer.id] = _Written(chat, chat.epoch, chat.answer.id)

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
        try:
            replies = await self._redis.run(lambda client: _append(client, due))
        except RedisUnavailable:
            log.debug("checkpoints_missed", answers=len(due))
            return
        for (written, text), reply in zip(due, replies, strict=True):
            if isinstance(reply, bytes):
                written.code_points += len(text)
            elif reply is None or str(reply).startswith("WRONGTYPE"):  # gone, or something else is there
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


async def _append(client: AsyncRedis, due: Sequence[tuple[_Written, str]]) -> list[bytes | Exception | None]:
    """Append to each stream, those that begin in the place of whatever is there.

    Returns:
        For each, its entry's id; None: the stream is gone; or what Redis did not like about this one.
    """
    pipeline = client.pipeline(transaction=False)
    beginning = [written.key for written, _ in due if written.code_points == 0]
    for key in beginning:
        pipeline.delete(key)
    for written, text in due:
        is_first = written.code_points == 0
        pipeline.xadd(written.key, {"o": written.code_points, "x": text}, nomkstream=not is_first)
    for key in beginning:
        pipeline.expire(key, KEPT_SECONDS)
    replies = await pipeline.execute(raise_on_error=False)
    return cast("list[bytes | Exception | None]", replies[len(beginning) : len(beginning) + len(due)])
