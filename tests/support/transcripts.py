"""Conversations as they are kept in golden files: what depends on chance or on the clock is replaced.

Ids become names in the order of their appearance, times a fixed one. Where the promises leave the server free, one way
is chosen: parts of an answer are joined, and behind each command come answers and numbered frames first, then the
newest figures of each channel and meter.
"""

import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.contract import faults_of, faults_of_answer
from tests.support.socket_client import Frame, Matches, SocketClient

LONG_CODE_POINTS: Final = 400
"""A longer text is told by its length and digest."""
FIGURES: Final = ("channel", "credit", "usage")
FIXED: Final[Mapping[str, object]] = {
    "now": 0,
    "at": "2026-01-01T00:00:00.000Z",
    "after": 1,
    "conn": "connection",
}
_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAMES: Final = {"node": "node", "chat": "chat"}


@dataclass
class Transcript:
    """The lines of one conversation, in the order in which they are kept.

    Attributes:
        lines: each `sent` or `received` a frame, or has a socket `opened` or `closed`; sockets are numbered from 1.
    """

    lines: list[Mapping[str, Any]] = field(default_factory=list)
    _ids: dict[str, str] = field(default_factory=dict)

    def add(self, socket: int, what: str, value: object) -> None:
        """Keep a line."""
        self.lines.append({"socket": socket, what: self._settle(value)})

    def _settle(self, value: Any, name: str = "") -> Any:
        """The value without what chance decides."""
        if name in FIXED:
            return FIXED[name]
        if isinstance(value, Mapping):
            if value.get("t") == "usage":  # whenever it is told
                value = {**value, "usage": {**value["usage"], "used": 0, "left": 0}}
            return {key: self._settle(one, key) for key, one in value.items()}
        if isinstance(value, list):
            return [self._settle(one, name) for one in value]
        if not isinstance(value, str):
            return value
        if len(value) > LONG_CODE_POINTS:
            return f"{len(value)} code points, SHA-256 {hashlib.sha256(value.encode()).hexdigest()}"
        return _ID.sub(lambda found: self._name_of(found.group(), name), value)

    def _name_of(self, identifier: str, field_name: str) -> str:
        if identifier not in self._ids:
            kind = _NAMES.get(field_name, "message")
            number = sum(name.startswith(kind) for name in self._ids.values()) + 1
            self._ids[identifier] = f"{kind}-{number}"
        return self._ids[identifier]


@dataclass
class RecordedSocket:
    """A socket whose conversation is kept."""

    client: SocketClient
    transcript: Transcript
    number: int
    _kept: int = 0
    _rids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def say(self, t: str, *until: Matches, keeps_usage: bool = False, **fields: object) -> Frame:
        """Send a command as the document has it, wait for its answer and these frames; returns the answer."""
        number = next(self._rids)
        command = {"t": t, "n" if t == "ping" else "rid": number, **fields}
        assert not faults_of(command), faults_of(command)
        self.transcript.add(self.number, "sent", command)
        await self.client.send_raw(json.dumps(command, ensure_ascii=False))
        answer = await self.client.wait_for(
            lambda frame: frame.get("rid") == number or (frame["t"] == "pong" and frame["n"] == number),
            after=self._kept,
        )
        assert not faults_of_answer(t, answer)
        await self.hear(*until, keeps_usage=keeps_usage)
        return answer

    async def say_text(self, text: str, *until: Matches) -> None:
        """Send what the document does not have, and wait for these frames."""
        self.transcript.add(self.number, "sent_text", text)
        await self.client.send_raw(text)
        await self.hear(*until)

    async def hear(self, *until: Matches, keeps_usage: bool = False) -> None:
        """Wait for these frames, and keep all that came."""
        for matches in until:
            await self.client.wait_for(matches, after=self._kept)
        came = self.client.frames[self._kept :]
        self._kept += len(came)
        for frame in _in_one_order(one for one in came if keeps_usage or one["t"] != "usage"):
            self.transcript.add(self.number, "received", frame)

    async def hear_close(self) -> None:
        """Wait until the server closes; keep what came before, and the code."""
        code = await self.client.wait_closed()
        await self.hear()
        self.transcript.add(self.number, "closed", code)

    async def drop(self) -> None:
        """Lose the connection without a word."""
        self.client.abort()
        await self.client.wait_closed()
        await self.hear()
        self.transcript.add(self.number, "dropped", value=True)


def _in_one_order(frames: Iterable[Frame]) -> list[Frame]:
    kept: list[Frame] = []
    newest: dict[tuple[str, object], Frame] = {}
    for frame in frames:
        if frame["t"] in FIGURES:
            newest[frame["t"], frame.get("channel", frame.get("k"))] = frame
        elif kept and frame["t"] == "d" == kept[-1]["t"] and frame["k"] == kept[-1]["k"]:
            before = kept.pop()
            parts = before.get("n", 1) + frame.get("n", 1)
            kept.append({**frame, "x": before["x"] + frame["x"], "n": parts})
        else:
            kept.append(frame)
    return kept + [newest[key] for key in sorted(newest, key=repr)]
