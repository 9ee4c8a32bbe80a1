"""What each command does. Values are checked here, after decoding: a refused value is an `err`, no strike."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

from server.channels.catalog import Catalog, Channel
from server.chats.closing import Closing
from server.chats.history import public_name
from server.chats.live_chat import LiveChat
from server.chats.opening import OWNER_REF, Opening
from server.chats.refusals import not_found
from server.chats.replies import Accepted
from server.chats.sending import NewMessage, Sender, Sending
from server.chats.watching import Watching
from server.domain.chats import MessageStatus, MessageType
from server.domain.errors import Code, Refusal
from server.domain.identity import Identity
from server.domain.scopes import Scope
from server.domain.texts import check_idem, check_text
from server.storage.settings import LiveSettings
from server.ws.close_codes import CloseCode
from server.ws.connection import Connection, Entry, now_ms
from server.ws.door import Door, Guest
from server.ws.protocol import (
    AnyCommand,
    Close,
    Hello,
    Limits,
    Ok,
    Open,
    Ready,
    Send,
    Stop,
    Sub,
    Unsub,
    Unwatch,
    Watch,
    encode,
)
from server.ws.sockets import Sockets
from server.ws.subscription import Subscription
from server.ws.who import Who

HEARTBEAT_MS: Final = 25_000
"""After so long a silence a client pings."""
REJOIN_MS: Final = 3_000
"""Clients that lost their socket come back within this, spread at random."""


SCOPES: Final[Mapping[type[AnyCommand], Scope]] = {
    Watch: Scope.READ,
    Sub: Scope.READ,
    Open: Scope.CHAT,
    Send: Scope.CHAT,
    Stop: Scope.CHAT,
    Close: Scope.CHAT,
}
"""What a key needs for a command; the others end what it follows."""


@dataclass(frozen=True, slots=True)
class CommandDeps:
    """What commands work with."""

    node_id: UUID
    door: Door
    catalog: Catalog
    opening: Opening
    sending: Sending
    closing: Closing
    watching: Watching
    settings: LiveSettings
    sockets: Sockets


class Commands:
    """Carries out the commands of all sockets."""

    def __init__(self, deps: CommandDeps) -> None:
        self._deps = deps
        self._handlers: dict[type[AnyCommand], Callable[[Connection, Any], Awaitable[None]]] = {
            Hello: self._hello,
            Watch: self._watch,
            Unwatch: self._unwatch,
            Open: self._open,
            Sub: self._sub,
            Unsub: self._unsub,
            Send: self._send,
            Stop: self._stop,
            Close: self._close,
        }

    async def carry_out(self, connection: Connection, command: AnyCommand) -> None:
        """Do one command and queue its answer.

        Raises:
            Refusal: it was refused; nothing was queued.
        """
        scope = SCOPES.get(type(command))
        if scope is not None and not _identity(connection).may(scope):
            raise Refusal(Code.FORBIDDEN, f"The key of this socket does not have the scope {scope.value}.")
        await self._handlers[type(command)](connection, command)

    async def _hello(self, connection: Connection, command: Hello) -> None:
        guest = await self._guest(connection.entry, command.ticket)
        if isinstance(guest, CloseCode):
            connection.close(guest)
            return
        settings, identity = self._deps.settings.current, guest.identity
        self._deps.sockets.admit(connection, identity, settings)
        connection.identity, connection.only_channel_id = identity, guest.channel_id
        ready = Ready(
            rid=command.rid,
            conn=connection.conn_id,
            node=str(self._deps.node_id),
            who=Who(identity.kind.value, OWNER_REF, identity.name),
            hb=HEARTBEAT_MS,
            rj=REJOIN_MS,
            limits=Limits(settings.ws_frame_bytes, settings.ws_text_characters, settings.ws_chats_per_socket),
            now=now_ms(),
        )
        connection.outbox.put(encode(ready))

    async def _guest(self, entry: Entry, ticket: str | None) -> Guest | CloseCode:
        if ticket is not None:
            return await self._deps.door.by_ticket(ticket, entry.origin)
        return entry.guest or await self._deps.door.by_cookie(entry.token)

    async def _watch(self, connection: Connection, command: Watch) -> None:
        _identity(connection)
        channel = await self._channel(connection, command.channel)
        self._check_watches(connection, channel)
        await self._watch_channel(connection, channel)
        connection.outbox.put(encode(Ok(command.rid)))

    async def _unwatch(self, connection: Connection, command: Unwatch) -> None:
        _identity(connection)
        channel = await self._channel(connection, command.channel)
        unwatch = connection.watched.pop(channel.id, None)
        if unwatch is not None:
            unwatch()
        connection.outbox.put(encode(Ok(command.rid)))

    async def _open(self, connection: Connection, command: Open) -> None:
        check_idem(command.idem)
        if connection.only_channel_id is not None:
            await self._channel(connection, command.channel)
        opened = await self._deps.opening.open(
            _identity(connection), command.idem, command.channel, refuse_new=self._refuse_chat(connection)
        )
        self._check_chats(connection, opened.chat)
        channel = await self._channel(connection, opened.chat.facts.channel_name)
        if len(connection.watched) < self._deps.settings.current.ws_channels_per_socket:
            await self._watch_channel(connection, channel)
        subscription = self._subscribe(connection, opened.chat, channel.credit_balance)
        subscription.begin(command.rid, "new" if opened.is_new else "snapshot", epoch=None, seq=None)

    async def _sub(self, connection: Connection, command: Sub) -> None:
        if command.share is not None:
            raise not_found()
        chat_id = _uuid(command.chat)
        chat = await self._deps.opening.find(_identity(connection), chat_id)
        self._check_chats(connection, chat)
        channel = await self._channel(connection, chat.facts.channel_name)
        subscription = self._subscribe(connection, chat, channel.credit_balance)
        subscription.begin(command.rid, "snapshot", epoch=command.epoch, seq=command.seq)

    async def _unsub(self, connection: Connection, command: Unsub) -> None:
        subscription = _subscription(connection, command.k)
        del connection.subscriptions[command.k]
        subscription.end()
        connection.outbox.put(encode(Ok(command.rid)))

    async def _send(self, connection: Connection, command: Send) -> None:
        subscription = _subscription(connection, command.k)
        check_idem(command.idem)
        check_text(command.text, self._deps.settings.current.ws_text_characters)
        parent_id = None if command.parent is None else _uuid(command.parent)
        identity = _identity(connection)
        sender = Sender(
            identity,
            subscription.viewer_ref,
            public_name(identity.name, subscription.viewer_ref),
            connection.address_digest(),
        )

        def reply(outcome: Accepted | Refusal) -> None:
            if isinstance(outcome, Refusal):
                connection.refuse(outcome, rid=command.rid, k=command.k)
            else:
                connection.outbox.put(
                    encode(Ok(command.rid, outcome.s, str(outcome.message_id), dup=outcome.is_repeat))
                )

        self._deps.sending.send(subscription.chat, sender, NewMessage(command.idem, command.text, parent_id), reply)

    async def _stop(self, connection: Connection, command: Stop) -> None:
        chat = _subscription(connection, command.k).chat
        message = chat.transcript.by_id(_uuid(command.msg))
        if message is None or message.type is not MessageType.AI:
            raise Refusal(Code.NOT_FOUND, "There is no such answer in this chat.")
        if chat.answer is message and chat.runner is not None:
            chat.runner.stop()
        elif message.status is MessageStatus.STREAMING:
            raise Refusal(Code.UNAVAILABLE, "Another server is making this answer.", after_seconds=1.0)
        connection.outbox.put(encode(Ok(command.rid)))

    async def _close(self, connection: Connection, command: Close) -> None:
        await self._deps.closing.close(_subscription(connection, command.k).chat)
        connection.outbox.put(encode(Ok(command.rid)))

    async def _channel(self, connection: Connection, id_or_name: str) -> Channel:
        channel = await self._deps.catalog.find(id_or_name)
        if channel is None:
            raise Refusal(Code.NOT_FOUND, "There is no such channel.")
        if connection.only_channel_id not in {None, channel.id}:
            raise Refusal(Code.FORBIDDEN, "The ticket of this socket is for another channel.")
        return channel

    def _check_watches(self, connection: Connection, channel: Channel) -> None:
        limit = self._deps.settings.current.ws_channels_per_socket
        if channel.id not in connection.watched and len(connection.watched) >= limit:
            raise Refusal(Code.RATE_LIMITED, f"A socket may watch {limit} channels.")

    def _refuse_chat(self, connection: Connection) -> Refusal | None:
        limit = self._deps.settings.current.ws_chats_per_socket
        if len(connection.subscriptions) < limit:
            return None
        return Refusal(Code.RATE_LIMITED, f"A socket may follow {limit} chats.")

    def _check_chats(self, connection: Connection, chat: LiveChat) -> None:
        refusal = self._refuse_chat(connection)
        if refusal is not None and not any(one.chat is chat for one in connection.subscriptions.values()):
            raise refusal

    async def _watch_channel(self, connection: Connection, channel: Channel) -> None:
        await self._deps.watching.watch(channel.id, connection)
        connection.watched[channel.id] = partial(self._deps.watching.unwatch, channel.id, connection)

    @staticmethod
    def _subscribe(connection: Connection, chat: LiveChat, balance: int) -> Subscription:
        """Follow a chat under its alias on this socket, an old one where it is followed already."""
        for subscription in connection.subscriptions.values():
            if subscription.chat is chat:
                subscription.end()
                subscription.balance = balance
                return subscription
        connection.last_k += 1
        subscription = Subscription(connection.last_k, chat, OWNER_REF, connection.outbox, balance)
        connection.subscriptions[connection.last_k] = subscription
        return subscription


def _identity(connection: Connection) -> Identity:
    if connection.identity is None:
        raise Refusal(Code.UNAUTHORIZED, "Nobody has said hello on this socket.")
    return connection.identity


def _subscription(connection: Connection, k: int) -> Subscription:
    subscription = connection.subscriptions.get(k)
    if subscription is None:
        raise Refusal(Code.BAD_REQUEST, f"No chat is called {k} on this socket.")
    return subscription


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise not_found() from None
