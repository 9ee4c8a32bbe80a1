"""The way out for good: one's account, deleted after the username was typed to confirm it."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from server.api.bodies import read_body
from server.api.forms import read_form
from server.api.operations import HTML, PAGES, Access, Answer, Operation, described
from server.api.welcoming import Welcoming
from server.auth.callers import Callers
from server.auth.deletion import delete_user
from server.auth.visitors import Visitors
from server.domain.errors import Code, Refusal
from server.domain.identity import Identity
from server.domain.usernames import USERNAME_CHARACTERS_MAX
from server.storage.postgres import Postgres

ERASING_SECONDS: Final = 10.0
"""What a request waits for the chats to be erased; then that goes on without it."""

EraseChats = Callable[[UUID], Awaitable[int]]
"""Erases the chats of a deleted user (`server.chats.erasing`)."""

log = structlog.get_logger(__name__)


class DeletionBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """To confirm a deletion.

    Attributes:
        username: the caller's own, in any case; null where none was chosen.
    """

    username: Annotated[str, msgspec.Meta(max_length=USERNAME_CHARACTERS_MAX)] | None


class DeletionEndpoints:
    """`DELETE /api/me`, and the page `/me/delete`."""

    def __init__(
        self,
        postgres: Postgres,
        erase_chats: EraseChats,
        callers: Callers,
        visitors: Visitors,
        welcoming: Welcoming,
    ) -> None:
        self._postgres = postgres
        self._erase_chats = erase_chats
        self._callers = callers
        self._visitors = visitors
        self._welcoming = welcoming

    @described(
        Operation(
            "Account",
            {204: Answer("It is deleted.", media_type=None)},
            body=DeletionBody,
            refusals=(Code.FORBIDDEN, Code.UNAVAILABLE),
            is_personal=True,
            access=Access.USER,
        )
    )
    async def delete_me(self, request: Request) -> Response:
        """`DELETE /api/me`: deletes the account of the caller, a user, for ever.

        Name, e-mail, accounts at providers, badges, chats and sessions go; what was given stays in the lists, without a
        name. The username is free at once.
        """
        identity = (await self._callers.require_writer(request)).identity
        await self._delete(identity, (await read_body(request, DeletionBody)).username)
        return Response(None, HTTPStatus.NO_CONTENT.value)

    @described(
        Operation(
            PAGES,
            {200: Answer("The page.", media_type=HTML)},
            refusals=(Code.FORBIDDEN, Code.UNAVAILABLE),
            is_personal=True,
            access=Access.USER,
        )
    )
    async def deletion_page(self, request: Request) -> Response:
        """`GET /me/delete`: says what goes and what stays, with the form that asks for the username."""
        return await self._page(request, None)

    @described(
        Operation(
            PAGES,
            {303: Answer("To the first page, as a new visitor.", media_type=None)},
            refusals=(Code.FORBIDDEN, Code.CONFLICT, Code.UNAVAILABLE),
            is_personal=True,
            access=Access.USER,
        )
    )
    async def delete_on_page(self, request: Request) -> Response:
        """`POST /me/delete`: the form of that page, with `username`. Another one than the caller's is shown in the form
        again, with 400."""
        identity = (await self._callers.require_writer(request)).identity
        typed = (await read_form(request)).get("username", "")
        try:
            await self._delete(identity, typed)
        except Refusal as refusal:
            if refusal.code is not Code.BAD_REQUEST:
                raise
            return await self._page(request, refusal)
        response = RedirectResponse("/", HTTPStatus.SEE_OTHER.value)
        self._visitors.remember(await self._visitors.begin(request), response)
        return response

    async def _delete(self, identity: Identity, typed: str | None) -> None:
        assert identity.user_id is not None
        await delete_user(self._postgres, identity.user_id, typed)
        try:
            async with asyncio.timeout(ERASING_SECONDS):
                await self._erase_chats(identity.user_id)
        except (TimeoutError, Refusal) as error:  # the person is gone; a node's background task erases the rest
            log.warning("chats_not_erased_yet", user=str(identity.user_id), error=repr(error))

    async def _page(self, request: Request, refusal: Refusal | None) -> Response:
        status = HTTPStatus.OK if refusal is None else HTTPStatus.BAD_REQUEST
        context = {"error": None if refusal is None else refusal.message}
        return await self._welcoming.page(request, "delete-account.html", context, status=status)
