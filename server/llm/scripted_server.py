"""The scripted model as an OpenAI-compatible server: `python -m server.llm.scripted_server --port 8430`.

For tests and load tests: real HTTP, real disconnects, and everything that can go wrong (see `script`). One timer and
one write a token, no task, so that one core serves many hundred streams. It listens on loopback and checks no key.
"""

import argparse
import asyncio
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import httptools
import msgspec

from server.llm.model import PromptMessage
from server.llm.script import REFUSALS, RETRY_AFTER_SECONDS, Breakage, Pace, Script, plan
from server.llm.scripted_frames import GARBAGE, STREAM_HEAD, Frames, answer, chunk, error_body

REQUEST_MAX_BYTES = 16 * 1024 * 1024
"""A longer request is refused with 413."""

REQUESTS_REMEMBERED = 1_000
"""How many of the latest requests `ScriptedServer.requests` holds."""

EARLY_SECONDS = 0.001
"""A token may go this much before it is due: timers have no finer grain."""

TOKENS_PER_WRITE = 64
"""An answer as fast as it goes is written in portions of this many tokens, so that other answers get their turn."""


class _StreamOptions(msgspec.Struct):
    include_usage: bool = False


class CompletionRequest(msgspec.Struct):
    """What is read of a request; the rest is passed over."""

    messages: list[PromptMessage]
    model: str = "scripted"
    stream: bool = False
    stream_options: _StreamOptions | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None


_requests = msgspec.json.Decoder(CompletionRequest)


class ScriptedServer:
    """The server; `await start()` and `await stop()`.

    Attributes:
        port: where it listens; 0 before `start`.
        requests: the latest completions that were asked for.
        open_streams: answers that are being sent.
        left_streams: answers whose reader went away before the end.
        paused_streams: answers that wait for a slow reader.
    """

    def __init__(
        self, pace: Pace | None = None, model: str = "scripted", *, retouch: Callable[[str], str] | None = None
    ) -> None:
        """Nothing is served yet.

        Args:
            pace: where no directive says otherwise; None means the usual one.
            model: its name.
            retouch: what becomes of each token at the moment when it is written; None leaves it as the script has it.
        """
        self.pace = pace or Pace()
        self.model = model
        self.retouch = retouch
        self.port = 0
        self.requests: deque[CompletionRequest] = deque(maxlen=REQUESTS_REMEMBERED)
        self.open_streams = 0
        self.left_streams = 0
        self.paused_streams = 0
        self.connections: set[asyncio.Transport] = set()
        self._listener: asyncio.Server | None = None

    @property
    def base_url(self) -> str:
        """What a client calls `base_url`."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def start(self, port: int = 0) -> None:
        """Listens on that port of loopback; 0 is any free one."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: _Connection(self), "127.0.0.1", port, backlog=4096)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stops listening and closes every connection."""
        if self._listener is not None:
            self._listener.close()
        for transport in list(self.connections):
            transport.abort()
        if self._listener is not None:
            await self._listener.wait_closed()


class _Connection(asyncio.Protocol):
    """One client: requests one after the other."""

    def __init__(self, server: ScriptedServer) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._body = bytearray()
        self._answer: _Answer | None = None
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._server.connections.add(self._transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self._server.connections.discard(self._transport)
        if self._answer is not None:
            self._answer.reader_left()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._transport.close()

    def pause_writing(self) -> None:
        if self._answer is not None:
            self._answer.pause()

    def resume_writing(self) -> None:
        if self._answer is not None:
            self._answer.resume()

    def on_message_begin(self) -> None:
        self._target = b""
        self._body.clear()

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > REQUEST_MAX_BYTES and not self._transport.is_closing():
            self._transport.write(answer(413, error_body("too long")))
            self._transport.close()

    def on_message_complete(self) -> None:
        if self._answer is not None and not self._answer.is_over:
            self._transport.close()  # pipelining is not spoken here
        elif self._target.endswith(b"/chat/completions"):
            self._complete()
        elif self._target.endswith(b"/models"):
            models = [{"id": self._server.model, "object": "model", "created": 0, "owned_by": "tallylight"}]
            self._transport.write(answer(200, {"object": "list", "data": models}))
        else:
            self._transport.write(answer(404, error_body("no such address")))

    def _complete(self) -> None:
        try:
            request = _requests.decode(self._body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._transport.write(answer(400, error_body(f"not understood: {error}")))
            return
        if not request.stream:
            self._transport.write(answer(400, error_body("this server only streams")))
            return
        self._server.requests.append(request)
        most = request.max_completion_tokens or request.max_tokens or sys.maxsize
        script = plan(request.messages, most, self._server.pace)
        if script.breakage in REFUSALS:
            later = RETRY_AFTER_SECONDS if script.breakage is Breakage.RATE_LIMITED else None
            body = error_body("the script says so")
            self._transport.write(answer(REFUSALS[script.breakage], body, after_seconds=later))
            return
        self._answer = _Answer(self._server, self._transport, request, script)
        self._answer.wait_for_next()


class _Answer:
    """One answer as it is sent: a timer for the next token, no task."""

    def __init__(self, server: ScriptedServer, transport: Any, request: CompletionRequest, script: Script) -> None:
        self.is_over = False
        self._is_paused = False
        self._has_begun = False
        self._server = server
        self._transport = transport
        self._script = script
        self._wants_usage = request.stream_options is not None and request.stream_options.include_usage
        self._frames = Frames(f"chatcmpl-{len(server.requests)}", request.model, int(time.time()))
        self._loop = asyncio.get_running_loop()
        self._started_seconds = self._loop.time()
        self._next = 0
        self._timer: asyncio.TimerHandle | None = None
        server.open_streams += 1

    def wait_for_next(self) -> None:
        """Sets the timer for the next token."""
        if self._timer is not None:
            self._timer.cancel()
        due_seconds = self._started_seconds + self._script.at_seconds(self._next)
        self._timer = self._loop.call_at(due_seconds, self.send_due)

    def send_due(self) -> None:
        """Writes what is due by now, at once, and waits for what comes next."""
        if self.is_over or self._is_paused:
            return
        until_seconds = self._loop.time() - self._started_seconds + EARLY_SECONDS
        parts = []
        last = min(len(self._script.chunks), self._next + TOKENS_PER_WRITE)
        if not self._has_begun and self._script.at_seconds(0) <= until_seconds:
            self._has_begun = True
            parts = [STREAM_HEAD, self._frames.opening()]
        while self._next < last and self._next != self._script.breaks_at:
            if self._script.at_seconds(self._next) > until_seconds:
                break
            parts.append(self._frames.token(self._retouched(self._script.chunks[self._next])))
            self._next += 1
        if parts:
            self._transport.write(b"".join(parts))
        self._go_on(until_seconds)

    def _retouched(self, token: str) -> str:
        return token if self._server.retouch is None else self._server.retouch(token)

    def _go_on(self, until_seconds: float) -> None:
        if self._script.at_seconds(self._next) > until_seconds:
            self.wait_for_next()
        elif self._next == self._script.breaks_at:
            self._break()
        elif self._next == len(self._script.chunks):
            usage = self._script.usage if self._wants_usage else None
            self._finish(self._frames.ending(self._script.finish, usage))
        else:
            self.wait_for_next()

    def pause(self) -> None:
        """The reader is too slow: nothing more is written until `resume`."""
        if not self.is_over and not self._is_paused:
            self._is_paused = True
            self._server.paused_streams += 1

    def resume(self) -> None:
        """The reader has caught up."""
        if self._is_paused:
            self._is_paused = False
            self._server.paused_streams -= 1
            self.send_due()

    def reader_left(self) -> None:
        """The connection is gone."""
        if not self.is_over:
            self._server.left_streams += 1
            self._end()

    def _break(self) -> None:
        if self._script.breakage is Breakage.ERROR:
            self._finish(self._frames.error())
        elif self._script.breakage is Breakage.GARBAGE:
            self._finish(chunk(GARBAGE) + self._frames.ending("stop", None))
        elif self._script.breakage is Breakage.CUT:
            self._end()
            self._transport.close()

    def _finish(self, last: bytes) -> None:
        self._end()
        self._transport.write(last)

    def _end(self) -> None:
        self.is_over = True
        self._server.open_streams -= 1
        self._server.paused_streams -= self._is_paused
        self._is_paused = False
        if self._timer is not None:
            self._timer.cancel()


async def serve(port: int, pace: Pace, model: str) -> None:
    """Serves until it is cancelled."""
    server = ScriptedServer(pace, model)
    await server.start(port)
    sys.stdout.write(f"Scripted model {model} at {server.base_url}\n")
    sys.stdout.flush()
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        await server.stop()


def main() -> None:
    """The command line."""
    usual = Pace()
    parser = argparse.ArgumentParser(description="A scripted model as an OpenAI-compatible server on loopback.")
    parser.add_argument("--port", type=int, default=0, help="0 is any free one; it is told on the first line")
    parser.add_argument("--model", default="scripted")
    parser.add_argument("--rate", type=float, default=usual.tokens_per_second, help="tokens a second; 0: at once")
    parser.add_argument("--delay-ms", type=float, default=usual.delay_ms, help="before the first token")
    asked = parser.parse_args()
    try:
        _run(asked.port, Pace(asked.rate, asked.delay_ms), asked.model)
    except KeyboardInterrupt:
        sys.stdout.write("Stopped.\n")


def _run(port: int, pace: Pace, model: str) -> None:
    try:
        import uvloop
    except ImportError:  # not made for every platform
        asyncio.run(serve(port, pace, model))
    else:
        uvloop.run(serve(port, pace, model))


if __name__ == "__main__":
    main()
