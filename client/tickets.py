"""Who is connecting: a ticket got with an API key over REST, or the session cookie of a page."""

from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Final, Self

import httpx2
import msgspec

from client.errors import ABNORMAL, End, Ended, Refused
from client.wire import Pass, trusted_authorities

ANSWER_SECONDS: Final = 10.0

Admission = Callable[[str], Awaitable[Pass]]
"""Gives a pass for a connection that will use this channel; asked anew for each, as a ticket can be used once."""


class Tickets:
    """Gets tickets with an API key. Use it as a context manager; many chats may share one."""

    def __init__(self, url: str, api_key: str) -> None:
        """Nothing is asked yet.

        Args:
            url: the http address of the gateway.
            api_key: ``tl_…``.
        """
        self._url = url
        self._http = httpx2.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=ANSWER_SECONDS,
            trust_env=False,  # the websocket knows no proxy either
            verify=trusted_authorities(),
        )

    async def __call__(self, channel: str) -> Pass:
        """A pass for one connection, usable for half a minute and for this channel.

        Raises:
            Refused: the key, or what it asks for, is not right.
            Ended: the gateway cannot be reached, or has no tickets for now.
        """
        try:
            answer = await self._http.post("/api/ws-tickets", json={"channel": channel})
        except httpx2.TransportError as error:
            raise Ended(End(ABNORMAL, f"{self._url} cannot be reached: {str(error) or repr(error)}")) from None
        told = _object_in(answer.content)
        if answer.is_success and isinstance(told.get("ticket"), str):
            return Pass(ticket=told["ticket"])
        reason = told.get("detail") or f"the gateway answered {answer.status_code} when asked for a ticket"
        if answer.is_client_error and answer.status_code != httpx2.codes.TOO_MANY_REQUESTS:
            raise Refused(told.get("code", "bad_request"), reason, details=told.get("details", {}))
        raise Ended(End(ABNORMAL, reason, answer.status_code, float(told.get("after", 0))))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()


def with_cookie(cookie: str, origin: str) -> Admission:
    """Connect as a page of the gateway does.

    Args:
        cookie: the session cookie, ``name=value``.
        origin: of the page, such as ``http://127.0.0.1:8420``.
    """
    entry = Pass(origin=origin, headers={"Cookie": cookie})

    async def admit(_: str) -> Pass:
        return entry

    return admit


def _object_in(content: bytes) -> Mapping[str, Any]:
    """The answer's JSON object; empty when it is something else, as from a proxy on the way."""
    try:
        told = msgspec.json.decode(content)
    except msgspec.DecodeError:
        return {}
    return told if isinstance(told, dict) else {}
