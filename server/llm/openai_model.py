"""A model behind an OpenAI-compatible server: OpenAI itself, a gateway, or llama.cpp on this machine.

The provider's SDK does configuration, authentication, retries and errors. The stream is read from the connection itself
and decoded by us: the SDK's chunk objects cost about ten times as much, and its typed `create` about 5 ms of CPU for a
long prompt, which is why the request goes through its general `post`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2
import msgspec
import openai

from server.domain.errors import Refusal
from server.domain.loopback import is_loopback
from server.llm.event_stream import EventStream
from server.llm.model import Fault, Finish, OfferTexts, PromptMessage, ProviderUsage, provider_refusal
from server.llm.upstream_connection import UpstreamConnection
from server.llm.upstream_transport import UpstreamTransport

MaxTokensField = Literal["max_completion_tokens", "max_tokens"]

_NO_KEY = "none"
"""Shown to servers that ask for no key: the SDK does not go without."""

_STREAMED = {"X-Stainless-Raw-Response": "stream", "Content-Type": "application/json"}
"""The first one tells the SDK to leave the body of the answer unread."""


@dataclass(frozen=True, slots=True)
class OpenAIOptions:
    """How a model is reached and asked.

    Attributes:
        model: the name the provider knows it by; also its name for people unless `display_name` is set.
        api_key: kept out of `repr` and of every message; empty for a server that asks for none.
        base_url: ends before `/chat/completions`; None is OpenAI's own.
        window_tokens: how much a prompt and its answer may have together, counted by us.
        english_only: see `model.Model`.
        max_tokens_field: what the limit of an answer is called: `max_tokens` for most compatible servers.
        extra_body: more fields of each request, such as `temperature`.
        connect_timeout_seconds: to open a connection, TLS included.
        max_retries: how often a request is repeated that broke or was refused for a moment, before its first token.
        retry_after_max_seconds: a longer `Retry-After` is told to the caller instead of waited for.
        max_connections: open streams; only where a proxy is used. Elsewhere the limit is that of `answers`.
    """

    model: str
    api_key: str = field(repr=False)
    base_url: str | None = None
    display_name: str | None = None
    window_tokens: int = 128_000
    english_only: bool = False
    max_tokens_field: MaxTokensField = "max_completion_tokens"
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    connect_timeout_seconds: float = 5.0
    max_retries: int = 2
    retry_after_max_seconds: float = 5.0
    max_connections: int = 5_000


class OpenAIModel:
    """The port `model.Model` for a compatible server. Belongs to one event loop."""

    def __init__(self, options: OpenAIOptions) -> None:
        self._options = options
        self._client = openai.AsyncOpenAI(
            api_key=options.api_key or _NO_KEY,
            base_url=options.base_url,
            max_retries=options.max_retries,
            timeout=httpx2.Timeout(None, connect=options.connect_timeout_seconds),
            default_headers={"Accept-Encoding": "identity"},
            http_client=self._http_client(),
        )

    @property
    def name(self) -> str:
        """What it is called, for people."""
        return self._options.display_name or self._options.model

    @property
    def window_tokens(self) -> int:
        """How much a prompt and its answer may have together."""
        return self._options.window_tokens

    @property
    def english_only(self) -> bool:
        """Whether other scripts have up to a token for each byte."""
        return self._options.english_only

    def stream(
        self, messages: Sequence[PromptMessage], max_output_tokens: int, *, named: str | None = None
    ) -> "OpenAIStream":
        """An answer to these messages; asked at its first `read`."""
        body = {
            **self._options.extra_body,
            "model": named or self._options.model,
            "messages": messages,
            "stream": True,
            "stream_options": {"include_usage": True},
            self._options.max_tokens_field: max_output_tokens,
        }
        return OpenAIStream(self._client, msgspec.json.encode(body))

    async def probe(self) -> None:
        """Returns when the server answers and accepts the key. One that offers no list of models counts as reachable.

        Raises:
            Refusal: PROVIDER_ERROR.
        """
        try:
            await self._client.get("/models", cast_to=httpx2.Response, options={"max_retries": 0})
        except openai.NotFoundError:
            return
        except openai.APIError as error:
            raise _refusal(error) from None

    async def aclose(self) -> None:
        """Closes idle connections."""
        await self._client.close()

    def _http_client(self) -> httpx2.AsyncClient:
        hooks = {"response": [self._stop_long_waits]}
        if _has_proxy(self._options.base_url or "https://api.openai.com"):
            connections = self._options.max_connections
            limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
            return httpx2.AsyncClient(limits=limits, event_hooks=hooks, follow_redirects=True)
        return httpx2.AsyncClient(transport=UpstreamTransport(), event_hooks=hooks, follow_redirects=True)

    async def _stop_long_waits(self, response: httpx2.Response) -> None:
        """The SDK waits up to two minutes for what `Retry-After` says; a fan would rather be told."""
        after_seconds = _retry_after_seconds(response)
        if after_seconds is not None and after_seconds > self._options.retry_after_max_seconds:
            response.headers["x-should-retry"] = "false"


class OpenAIStream:
    """The port `model.ModelStream` for a compatible server.

    Attributes:
        finish: why the model ended; None until `read` has returned nothing.
        usage: None until then, and where the provider does not say.
    """

    def __init__(self, client: openai.AsyncOpenAI, body: bytes) -> None:
        self.finish: Finish | None = None
        self.usage: ProviderUsage | None = None
        self._client = client
        self._body = body
        self._events = EventStream()
        self._response: httpx2.Response | None = None
        self._reader: _Reader | None = None
        self._opening: asyncio.Timeout | None = None
        self._aborted = False

    async def read(self, offer: OfferTexts | None = None) -> list[str]:
        """See `model.ModelStream.read`."""
        if self._reader is None and not await self._open():
            return []
        assert self._reader is not None
        events, untaken = self._events, list[str]()

        def sink(data: bytes) -> bool:
            texts = events.feed(data)
            if texts and (offer is None or not offer(texts)):
                untaken.extend(texts)
            return not (untaken or events.is_over)

        if not events.is_over:
            with contextlib.suppress(httpx2.HTTPError):  # `_end` knows how far it came
                await self._reader.flow(sink)
        return untaken or self._end()

    def abort(self) -> None:
        """See `model.ModelStream.abort`."""
        self._aborted = True
        _expire(self._opening)
        if self._reader is not None:
            self._reader.close()

    async def aclose(self) -> None:
        """See `model.ModelStream.aclose`."""
        if not self._events.is_over:
            self.abort()
        if self._response is not None:
            await self._response.aclose()

    async def _open(self) -> bool:
        """Sends the request and waits for the head of its answer; False when it was aborted meanwhile."""
        if self._aborted:
            return False
        try:
            async with asyncio.timeout(None) as self._opening:
                self._response = await self._client.post(
                    "/chat/completions", cast_to=httpx2.Response, content=self._body, options={"headers": _STREAMED}
                )
        except TimeoutError:
            return False
        except openai.APIError as error:
            raise _refusal(error) from None
        finally:
            self._opening = None
        connection = self._response.extensions.get("upstream")
        if isinstance(connection, UpstreamConnection):
            self._reader = connection
        else:
            self._reader = _GeneralReader(self._response.aiter_raw())
        return not self._aborted

    def _end(self) -> list[str]:
        """Nothing more comes. A provider that has said why it ended may leave out the rest; any other broke off."""
        if self._aborted:
            self.finish = self._events.finish
            return []
        if self._events.error is not None:
            raise self._events.error
        if self._events.finish is None and not self._events.is_over:
            raise provider_refusal(Fault.CUT)
        if self._events.is_over and isinstance(self._reader, UpstreamConnection):
            self._reader.pass_over_rest()
        self.finish = self._events.finish or "stop"
        self.usage = self._events.usage
        return []


class _Reader(Protocol):
    """The body of an answer, as it comes."""

    async def flow(self, sink: Callable[[bytes], bool]) -> None:
        """See `UpstreamConnection.flow`."""

    def close(self) -> None:
        """Ends a `flow` that waits."""


class _GeneralReader:
    """Reads through the general client: where a proxy stands between. Costs several times as much."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._scope: asyncio.Timeout | None = None
        self._closed = False

    async def flow(self, sink: Callable[[bytes], bool]) -> None:
        while (data := await self._read()) and sink(data):
            pass

    async def _read(self) -> bytes:
        if self._closed:
            return b""
        try:
            async with asyncio.timeout(None) as self._scope:
                return await anext(self._chunks, b"")
        except TimeoutError:
            return b""
        finally:
            self._scope = None

    def close(self) -> None:
        self._closed = True
        _expire(self._scope)


def _expire(scope: asyncio.Timeout | None) -> None:
    """Ends what waits in this scope. One that is ending already, its task not having run since, takes no other time."""
    if scope is not None and not scope.expired():
        scope.reschedule(0)


def _has_proxy(url: str) -> bool:
    parts = urlsplit(url)
    host = parts.hostname or ""
    # A proxy would look for a model of this machine on its own.
    if is_loopback(host):
        return False
    proxies = getproxies()
    return bool(proxies.get(parts.scheme) or proxies.get("all")) and not proxy_bypass(host)


def _retry_after_seconds(response: httpx2.Response) -> float | None:
    """What the provider asks for, in seconds; a date is not understood."""
    try:
        return max(0.0, float(response.headers["retry-after"]))
    except (KeyError, ValueError):
        return None


def _refusal(error: openai.APIError) -> Refusal:
    """Our refusal for the SDK's error. Its message is not taken over: providers repeat keys and prompts in theirs."""
    if not isinstance(error, openai.APIStatusError):
        return provider_refusal(Fault.UNREACHABLE)
    after_seconds = _retry_after_seconds(error.response)
    return provider_refusal(_fault(error.status_code), after_seconds=after_seconds, status=error.status_code)


def _fault(status: int) -> Fault:
    if status in (401, 403):
        return Fault.UNAUTHORIZED
    if status == 429:
        return Fault.RATE_LIMITED
    return Fault.FAILING if status >= 500 else Fault.REFUSED
