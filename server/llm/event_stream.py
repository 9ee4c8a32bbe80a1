"""The event stream of a chat completion, split and decoded.

Each event is one line `data: {json}`, as every compatible server sends it; the last is `data: [DONE]`. Comments and
other fields are passed over. Only the fields we need are decoded.
Source: https://html.spec.whatwg.org/multipage/server-sent-events.html and the reference of OpenAI's chat completions.
"""

import json
from typing import Any

import msgspec

from server.domain.errors import Refusal
from server.llm.model import Fault, Finish, ProviderUsage, provider_refusal

LINE_MAX_BYTES = 1024 * 1024
"""A longer line is an error: no chunk of a model comes near it."""

TOKENS_MAX = 2**31 - 1
"""No window comes near it, and a column for the figure holds no more."""


# Made for each token, and gone with it: nothing for the garbage collector to look at.


class _Delta(msgspec.Struct, gc=False):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct, gc=False):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _CachedTokens(msgspec.Struct, gc=False):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _CachedTokens | None = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


_decoder = msgspec.json.Decoder(_Chunk)
_FINISHES: dict[str, Finish] = {"stop": "stop", "length": "length", "content_filter": "filter"}


class EventStream:
    """Takes bytes as they come and gives the texts of the chunks in them.

    Attributes:
        finish: why the model ended; None until it has said so.
        usage: None until the provider has told it, and if it told nonsense.
        is_over: whether nothing follows: the provider has said so, or there is an error.
        error: PROVIDER_ERROR, when an event could not be read or said that the model failed; else None.
    """

    __slots__ = ("_rest", "error", "finish", "is_over", "usage")

    def __init__(self) -> None:
        self.finish: Finish | None = None
        self.usage: ProviderUsage | None = None
        self.is_over = False
        self.error: Refusal | None = None
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """The texts, none of them empty, of the events that are complete now, up to the first error."""
        texts: list[str] = []
        *lines, self._rest = (self._rest + data).split(b"\n")
        try:
            for line in lines:
                if line.startswith(b"data:"):
                    self._take(line[5:].strip(), texts)
            if len(self._rest) > LINE_MAX_BYTES:
                raise provider_refusal(Fault.GARBLED)
        except Refusal as error:
            self.error, self.is_over = error, True
        return texts

    def _take(self, event: bytes, texts: list[str]) -> None:
        if event == b"[DONE]":
            self.is_over = True
            return
        if self.is_over or not event:
            return
        try:
            chunk = _decoder.decode(event)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            chunk = _decode_leniently(event)
        if chunk.error is not None:
            raise provider_refusal(Fault.FAILING)
        if chunk.usage is not None:
            self.usage = _provider_usage(chunk.usage)
        if chunk.choices:
            choice = chunk.choices[0]
            if choice.delta is not None and (text := choice.delta.content or choice.delta.refusal):
                texts.append(text)
            if choice.finish_reason is not None:
                self.finish = _FINISHES.get(choice.finish_reason, "stop")


def _decode_leniently(event: bytes) -> _Chunk:
    """For what the quick decoder refuses: half a surrogate pair in an escape, bytes that are not UTF-8."""
    try:
        fields: Any = json.loads(event.decode(errors="replace"))
        return msgspec.convert(fields, _Chunk)
    except (ValueError, RecursionError, msgspec.MsgspecError):
        raise provider_refusal(Fault.GARBLED) from None


def _provider_usage(usage: _Usage) -> ProviderUsage | None:
    """The figures as they are stored; None if one cannot be true."""
    details = usage.prompt_tokens_details
    cached_tokens = None if details is None else details.cached_tokens
    figures = (usage.prompt_tokens or 0, usage.completion_tokens or 0, cached_tokens or 0)
    if not all(0 <= figure <= TOKENS_MAX for figure in figures):
        return None
    return ProviderUsage(usage.prompt_tokens or 0, usage.completion_tokens or 0, cached_tokens)
