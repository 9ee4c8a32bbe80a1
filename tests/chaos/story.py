"""What a visitor does in the crash tests, what they were told, and what must be true of it whenever the server dies.

Two chats: two messages that are answered, and one whose answer is empty, so that its credit goes back. The story is
played on one gateway until the socket is lost, and taken up again on another one as a client does: same ids and texts.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import asyncpg

from server.auth.cookies import LOOPBACK_NAME
from server.auth.sessions import SessionLimits, Sessions
from tests.support.gateways import RunningGateway
from tests.support.socket_client import Frame, SocketClient, of_kind
from tests.support.waiting import eventually
from tests.support.world import World

ANSWERED: Final = "Who wins tonight? [[tokens=12 rate=150 delay_ms=10]]"
EMPTY: Final = "Say nothing. [[break=empty delay_ms=10]]"
MAY_BE_TRIED_AGAIN: Final = {"busy", "unavailable", "rate_limited"}


@dataclass(eq=False)
class Said:
    """A message of the story.

    Attributes:
        rids: of the commands that sent it, on the socket that was lost.
    """

    idem: str
    text: str
    rids: list[int] = field(default_factory=list)


@dataclass(eq=False)
class Talk:
    """A chat of the story.

    Attributes:
        k: its alias on the socket that was lost: the chats are opened in order.
    """

    idem: str
    k: int
    messages: Sequence[Said]


@dataclass(eq=False)
class Story:
    """One visitor's story.

    Attributes:
        frames: what the client got on the socket that was lost.
    """

    world: World
    session_id: UUID
    cookie: str
    frames: Sequence[Frame] = ()
    talks: Sequence[Talk] = field(
        default_factory=lambda: (
            Talk("open-answered", 1, (Said("idem-first", ANSWERED), Said("idem-second", ANSWERED))),
            Talk("open-refunded", 2, (Said("idem-empty", EMPTY),)),
        )
    )

    @classmethod
    async def begin(cls, world: World) -> "Story":
        """A new visitor."""
        identity, token = await Sessions(world.postgres, SessionLimits()).create_visitor()
        return cls(world, identity.session_id, f"{LOOPBACK_NAME}={token}")

    async def play(self, client: SocketClient) -> bool:
        """Play it once on a socket of the visitor; False when the socket was lost before the end."""
        self.frames = client.frames
        tasks = {asyncio.ensure_future(self._play(client)), asyncio.ensure_future(client.wait_closed())}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if client.close_code is None:
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return client.close_code is None

    async def _play(self, client: SocketClient) -> None:
        for talk in self.talks:
            opened = await self._persist(client, [], "open", channel="deep-sea-lab", idem=talk.idem)
            assert opened["k"] == talk.k
            for said in talk.messages:
                after = len(client.frames)
                reply = await self._send(client, talk.k, said)
                assert reply["t"] == "ok"
                await client.wait_for(of_kind("done", k=talk.k), after=after)
        await client.wait_for(of_kind("closed", why="refunded"))

    async def check(self, *, within_seconds: float) -> None:
        """Check that every chat is resolved in time, and that what the client was told is so."""
        await eventually(self._is_resolved, within_seconds)
        for talk in self.talks:
            await self._check_talk(talk)

    async def _is_resolved(self) -> bool:
        return not await self.world.postgres.pool.fetchval(
            "SELECT EXISTS (SELECT 1 FROM chat WHERE session_id = $1"
            " AND (state = 'ANSWERING' OR credit_state = 'CHARGED'))",
            self.session_id,
        )

    async def _check_talk(self, talk: Talk) -> None:
        told = [frame for frame in self.frames if frame.get("k") == talk.k]
        opened = [frame for frame in told if frame["t"] == "opened"]
        chat = await self.chat(talk)
        assert chat is not None or not opened
        if chat is None:
            return
        assert not opened or opened[0]["chat"] == str(chat["id"])
        await self._check_credit(chat, told)
        answers = [row for row in await self.messages(chat) if row["type"] == "AI"]
        for number, said in enumerate(talk.messages):
            await self._check_message(chat, said)
            if number < len(answers):
                self._check_answer(answers[number], told)

    async def _check_credit(self, chat: asyncpg.Record, told: Sequence[Frame]) -> None:
        rows = await self.world.postgres.pool.fetch(
            "SELECT kind FROM credit_entry WHERE chat_id = $1 ORDER BY channel_seq", chat["id"]
        )
        expected = {"NONE": [], "SPENT": ["CHAT"], "REFUNDED": ["CHAT", "REFUND"]}
        assert [row["kind"] for row in rows] == expected[chat["credit_state"]]
        if any(frame["t"] == "d" for frame in told):
            assert chat["credit_state"] == "SPENT"
        if any(frame["t"] == "closed" for frame in told):
            assert chat["credit_state"] == "REFUNDED"

    async def _check_message(self, chat: asyncpg.Record, said: Said) -> None:
        ok = next((frame for frame in self.frames if frame["t"] == "ok" and frame["rid"] in said.rids), None)
        stored = [row for row in await self.messages(chat) if row["idem"] == said.idem]
        assert len(stored) <= 1
        if stored:
            assert stored[0]["content"] == said.text
        if ok is not None:
            assert [str(row["id"]) for row in stored] == [ok["msg"]]

    @staticmethod
    def _check_answer(row: asyncpg.Record, told: Sequence[Frame]) -> None:
        """What is stored is what was heard, or an earlier or later state of it where the end was not heard."""
        heard, running = "", None
        for frame in told:
            if frame["t"] == "start":
                running = frame["id"]
            elif frame["t"] == "d" and running == str(row["id"]):
                heard += frame["x"]
        done = next((frame for frame in told if frame["t"] == "done" and frame["id"] == str(row["id"])), None)
        assert row["status"] != "STREAMING"
        if done is not None:
            assert row["content"] == heard
            assert row["status"] == ("DONE" if done["why"] == "stop" else "FAILED")
        else:
            assert heard.startswith(row["content"]) or row["content"].startswith(heard)

    async def chat(self, talk: Talk) -> asyncpg.Record | None:
        """The row of a chat; None when it was not stored."""
        return await self.world.postgres.pool.fetchrow(
            "SELECT * FROM chat WHERE session_id = $1 AND open_idem = $2", self.session_id, talk.idem
        )

    async def messages(self, chat: asyncpg.Record) -> Sequence[asyncpg.Record]:
        """The rows of its messages, in order."""
        return await self.world.postgres.pool.fetch("SELECT * FROM message WHERE chat_id = $1 ORDER BY seq", chat["id"])

    async def lost(self) -> list[tuple[Talk, asyncpg.Record]]:
        """The chats that the client was shown by a node that has them no more, with their rows."""
        lost = []
        for talk in self.talks:
            chat = await self.chat(talk)
            epochs = [frame["epoch"] for frame in self.frames if frame["t"] == "opened" and frame["k"] == talk.k]
            if chat is not None and epochs and epochs[-1] != str(chat["epoch"]):
                lost.append((talk, chat))
        return lost

    async def take_up(self, gateway: RunningGateway) -> None:
        """Connect again and send everything again with the same ids: what is stored is a repeat, the rest is new."""
        client = await gateway.connect(self.cookie)
        for talk in self.talks:
            before = await self.chat(talk)
            opened = await self._persist(client, [], "open", channel="deep-sea-lab", idem=talk.idem)
            assert before is None or opened["chat"] == str(before["id"])
            for said in talk.messages:
                await self._repeat(client, talk, opened["k"], said)
            chat = await self.chat(talk)
            assert chat is not None
            idems = [row["idem"] for row in await self.messages(chat) if row["type"] == "USER"]
            assert len(idems) == len(set(idems))

    async def _repeat(self, client: SocketClient, talk: Talk, k: int, said: Said) -> None:
        chat = await self.chat(talk)
        assert chat is not None
        stored = [row for row in await self.messages(chat) if row["idem"] == said.idem]
        after = len(client.frames)
        reply = await self._send(client, k, said)
        if stored:
            assert (reply["t"], reply.get("dup"), reply.get("msg")) == ("ok", True, str(stored[0]["id"]))
        elif chat["credit_state"] == "REFUNDED":
            assert reply.get("code") == "closed"
        else:
            # Who was told that the outcome is in doubt may learn from the next try that it was stored.
            in_doubt = any(frame.get("code") == "unavailable" for frame in client.frames[after:])
            assert reply["t"] == "ok"
            assert in_doubt or not reply.get("dup")
            await client.wait_for(of_kind("done", k=k), after=after)

    async def _send(self, client: SocketClient, k: int, said: Said) -> Frame:
        return await self._persist(client, said.rids, "send", k=k, idem=said.idem, text=said.text)

    @staticmethod
    async def _persist(client: SocketClient, rids: list[int], t: str, **fields: object) -> Frame:
        """Give a command, and give it again for as long as the answer is that it may be tried again."""
        while True:
            after = len(client.frames)
            rid = await client.command(t, **fields)
            rids.append(rid)
            reply = await client.wait_for(lambda frame, rid=rid: frame.get("rid") == rid, after=after)  # type: ignore[misc]
            if reply.get("code") not in MAY_BE_TRIED_AGAIN:
                return reply
            assert reply["retry"]
