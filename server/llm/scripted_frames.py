"""What the scripted server writes: HTTP heads, and the events of a chat completion as OpenAI's server sends them."""

import json
from typing import Any

import msgspec

from server.llm.model import Finish, ProviderUsage

STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    b"Cache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n"
)
STREAM_END = b"0\r\n\r\n"
GARBAGE = b'data: {"choices":[{"delta":{"con\n\n'

_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 413: "Content Too Large"}
_FINISHES = {"stop": "stop", "length": "length", "filter": "content_filter"}
_encoder = msgspec.json.Encoder()


class Frames:
    """The events of one answer, each as one chunk of a chunked body."""

    __slots__ = ("_base", "_before", "_closing")

    def __init__(self, answer_id: str, model: str, created: int) -> None:
        self._base = {"id": answer_id, "object": "chat.completion.chunk", "created": created, "model": model}
        self._before = b"data: " + _encoder.encode(self._base)[:-1] + b',"choices":[{"index":0,"delta":{"content":'
        self._closing = b'},"logprobs":null,"finish_reason":null}]}\n\n'

    def opening(self) -> bytes:
        """The event before the first token: who speaks."""
        return self._event([_choice({"role": "assistant", "content": ""})])

    def token(self, text: str) -> bytes:
        """One token."""
        return chunk(b"%s%s%s" % (self._before, _string(text), self._closing))

    def ending(self, finish: Finish, usage: ProviderUsage | None) -> bytes:
        """Why the model ended, the usage if it is wanted, and the end of the stream."""
        events = self._event([_choice({}, _FINISHES[finish])])
        if usage is not None:
            figures = {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}
            total = {"total_tokens": usage.prompt_tokens + usage.completion_tokens}
            events += self._event([], usage=figures | total)
        return events + chunk(b"data: [DONE]\n\n") + STREAM_END

    def error(self) -> bytes:
        """An error in the middle of the stream, and its end."""
        return chunk(b"data: %s\n\n" % _encoder.encode(error_body("the script says so"))) + STREAM_END

    def _event(self, choices: list[Any], **more: Any) -> bytes:
        return chunk(b"data: %s\n\n" % _encoder.encode(self._base | {"choices": choices} | more))


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def answer(status: int, body: Any, *, after_seconds: int | None = None) -> bytes:
    """A whole answer in JSON."""
    content = _encoder.encode(body)
    later = b"" if after_seconds is None else b"Retry-After: %d\r\n" % after_seconds
    reason = _REASONS.get(status, "Error").encode()
    return (
        b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s"
        % (status, reason, later, len(content), content)
    )  # fmt: skip


def error_body(message: str) -> dict[str, Any]:
    """An error as OpenAI's server words it."""
    return {"error": {"message": message, "type": "scripted", "code": None}}


def _choice(delta: dict[str, str], finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason}


def _string(text: str) -> bytes:
    """The text as JSON; halves of surrogate pairs are escaped."""
    try:
        return _encoder.encode(text)
    except UnicodeEncodeError:
        return json.dumps(text).encode()
