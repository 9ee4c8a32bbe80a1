"""The line of messages in front of one chat: they are sent one after the other."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from server.chats.live_chat import LiveChat
from server.domain.errors import Code, Refusal

WAITING_MAX: Final = 32
"""Messages that may wait in front of one chat, twice as many as an identity has sockets."""


@contextlib.asynccontextmanager
async def alone_in(chat: LiveChat, until_seconds: float) -> AsyncIterator[None]:
    """Wait until no other message is on its way in this chat, and keep others waiting.

    Args:
        until_seconds: the loop's time at which the message is given up.

    Raises:
        Refusal: `overloaded`, too many wait; `unavailable`, it was given up.
    """
    if chat.sends_waiting >= WAITING_MAX:
        raise Refusal(Code.OVERLOADED, "Too many messages wait in this chat.", after_seconds=1.0)
    chat.sends_waiting += 1
    try:
        async with asyncio.timeout_at(until_seconds):
            await chat.sending.acquire()
    except TimeoutError:
        raise in_doubt() from None
    finally:
        chat.sends_waiting -= 1
    try:
        yield
    finally:
        chat.sending.release()


def in_doubt() -> Refusal:
    """What a sender is told whose patience is over."""
    return Refusal(Code.UNAVAILABLE, "The database does not answer. Send again to learn what became of it.")
