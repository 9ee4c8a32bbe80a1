"""`Idempotency-Key`: a request that comes again gets the answer it had, and is carried out once.

Answers of success are kept. A refusal changed nothing, so its key is free again: the same request may succeed later,
and a form may be sent once more with what was wrong put right.
"""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final
from uuid import UUID, uuid5

import structlog
from starlette.requests import Request
from starlette.responses import Response

from server.domain.errors import Code, Refusal
from server.domain.identity import Identity
from server.storage.idempotency import IdempotencyKeys, RepeatableRequest, StoredAnswer
from server.storage.ids import new_id

HEADER: Final = "Idempotency-Key"
FORM_FIELD: Final = "idempotencyKey"
KEY_CHARACTERS_MIN: Final = 8
KEY_CHARACTERS_MAX: Final = 64
KEY_PATTERN: Final = f"^[!-~]{{{KEY_CHARACTERS_MIN},{KEY_CHARACTERS_MAX}}}$"
RUN_SECONDS_MAX: Final = 25.0
"""How long a request may be carried out; shorter than its key is taken, so that nobody else begins meanwhile."""
LOOK_SECONDS: Final = 0.2
"""How often it is looked whether the same request was answered."""

_KEY: Final = re.compile(rf"[!-~]{{{KEY_CHARACTERS_MIN},{KEY_CHARACTERS_MAX}}}")
_OPERATIONS: Final = UUID("019ab5e0-4d2c-7a31-bb04-1de4707e4c1e")
"""The namespace of ids that are made from keys (RFC 9562, section 5.5); changing it would repeat what was done."""
_NOT_KEPT: Final = frozenset({b"content-length", b"set-cookie"})

log = structlog.get_logger(__name__)

Work = Callable[[UUID], Awaitable[Response]]
"""Carries a request out, under an id that is the same for every repetition."""


def idempotency_key(request: Request) -> str:
    """The key in the request's header.

    Raises:
        Refusal: bad_request: it is missing, stands twice, or is not 8 to 64 visible ASCII characters.
    """
    given = request.headers.getlist(HEADER)
    if len(given) != 1:
        raise Refusal(Code.BAD_REQUEST, f"This needs one {HEADER} header: without it a repetition would count twice.")
    return checked_key(given[0])


def checked_key(text: str) -> str:
    """The key, once it is known to be one.

    Raises:
        Refusal: bad_request: it is not 8 to 64 visible ASCII characters.
    """
    if _KEY.fullmatch(text) is None:
        raise Refusal(
            Code.BAD_REQUEST,
            f"An {HEADER} has {KEY_CHARACTERS_MIN} to {KEY_CHARACTERS_MAX} visible ASCII characters.",
        )
    return text


class Idempotency:
    """Carries requests out once."""

    def __init__(self, keys: IdempotencyKeys, *, run_seconds_max: float = RUN_SECONDS_MAX) -> None:
        self._keys = keys
        self._run_seconds_max = run_seconds_max

    async def once(
        self, request: Request, identity: Identity, key: str, work: Work, *, wait_seconds: float = 0.0
    ) -> Response:
        """The answer to this request, carried out now or before.

        Args:
            request: its method and route are what the key is for; its path, query and body are its content.
            identity: who asks. The key belongs to the session, which stays the same through a sign-in.
            key: `idempotency_key`, or the hidden field of a form.
            work: carries it out. It must be repeatable: another node does it again where this one dies. Its answer is
                whole, not streamed.
            wait_seconds: how long to wait for the same request that is being carried out, as a page does for whoever
                has clicked twice; then it is `busy`.

        Raises:
            Refusal: conflict, the key was used for other content; busy, the same request is being carried out;
                unavailable; and whatever `work` refuses.
        """
        asked = await _repeatable(request, identity, key)
        owner = new_id()
        kept = await self._take(asked, owner, wait_seconds)
        if kept is not None:
            return _response(kept)
        try:
            response = await self._carry_out(work, uuid5(_OPERATIONS, f"{asked.scope}\n{asked.key}"))
        except Exception:
            await self._leave(asked, owner)
            raise
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            await self._leave(asked, owner)
            return response
        return await self._keep(asked, response)

    async def _take(self, asked: RepeatableRequest, owner: UUID, wait_seconds: float) -> StoredAnswer | None:
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_seconds
        while True:
            try:
                return await self._keys.take(asked, owner)
            except Refusal as refusal:
                if refusal.code is not Code.BUSY or loop.time() >= until:
                    raise
            await asyncio.sleep(LOOK_SECONDS)

    async def _carry_out(self, work: Work, operation_id: UUID) -> Response:
        limit = asyncio.timeout(self._run_seconds_max)
        try:
            async with limit:
                return await work(operation_id)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise Refusal(Code.UNAVAILABLE, "This took too long: send the same request again.") from error

    async def _leave(self, asked: RepeatableRequest, owner: UUID) -> None:
        try:
            await self._keys.leave(asked, owner)
        except Refusal as refusal:
            log.warning("idempotency_key_not_left", error=repr(refusal.__cause__))  # its lease ends by itself

    async def _keep(self, asked: RepeatableRequest, response: Response) -> Response:
        headers = tuple((name, value) for name, value in response.raw_headers if name not in _NOT_KEPT)
        answer = StoredAnswer(response.status_code, headers, bytes(response.body))
        try:
            kept = await self._keys.answer(asked, answer)
        except Refusal as refusal:  # it is done: say so; a repetition finds it done under the same id
            log.warning("answer_not_kept", error=repr(refusal.__cause__))
            return response
        return response if kept == answer else _response(kept)


async def _repeatable(request: Request, identity: Identity, key: str) -> RepeatableRequest:
    content = hashlib.sha256()
    for part in (request.url.path.encode(), request.url.query.encode(), await request.body()):
        content.update(hashlib.sha256(part).digest())
    route = getattr(request.scope.get("route"), "path", request.url.path)
    return RepeatableRequest(f"{identity.session_id} {request.method} {route}", key, content.digest())


def _response(kept: StoredAnswer) -> Response:
    response = Response(kept.body, kept.status)
    response.raw_headers = [*kept.headers, (b"content-length", str(len(kept.body)).encode())]
    return response
