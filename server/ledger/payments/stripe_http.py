"""How the stripe library reaches the network here: through httpx2, on the event loop, with limits that are named."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any, Final

import httpx2
import stripe

CONNECT_TIMEOUT_SECONDS: Final = 5.0
REQUEST_TIMEOUT_SECONDS: Final = 20.0
"""Of one try, from its beginning to the last byte of its answer."""
RETRIES_MAX: Final = 2
"""After a lost connection, a conflict or an error of theirs; the library waits half a second and more before each."""
CONNECTIONS_MAX: Final = 20

stripe.enable_telemetry = False  # figures of this machine are nobody's business


class StripeHttp(stripe.HTTPClient):
    """The library's client interface on httpx2; the calls that would block are not there."""

    name = "httpx2"

    def __init__(self) -> None:
        super().__init__()
        limits = httpx2.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX)
        timeout = httpx2.Timeout(REQUEST_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS)
        self._http = httpx2.AsyncClient(limits=limits, timeout=timeout)

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """One try.

        Raises:
            stripe.APIConnectionError: no answer came in time; the library tries again.
        """
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_SECONDS):
                answer = await self._http.request(method, url, headers=headers, content=post_data or None)
        except (httpx2.HTTPError, TimeoutError) as error:
            told = f"{type(error).__name__} at {method}"
            raise stripe.APIConnectionError(told, should_retry=True) from error  # type: ignore[no-untyped-call]
        return answer.content, answer.status_code, answer.headers

    def sleep_async(self, secs: float) -> Awaitable[None]:
        """The pause before the next try."""
        return asyncio.sleep(secs)

    async def close_async(self) -> None:
        """Give the connections back."""
        await self._http.aclose()
