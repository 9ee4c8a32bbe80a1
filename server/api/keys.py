"""A user's own API keys, over REST and as a page that works without JavaScript. A key is shown once, in the answer that
makes it; nothing keeps that answer, so the request has no `Idempotency-Key`: the id of the key stands in for it."""

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from server.api.bodies import read_body
from server.api.forms import read_form
from server.api.operations import HTML, PAGES, Access, Answer, Operation, described
from server.api.problems import STATUS_OF_CODE
from server.api.queries import json_answer
from server.api.welcoming import Welcoming
from server.auth.api_keys import NAME_CODE_POINTS_MAX, ApiKey, ApiKeys
from server.auth.callers import Callers
from server.auth.visitors import Visitors
from server.domain.errors import Code, Refusal
from server.domain.identity import Identity, IdentityKind
from server.domain.rates import Action
from server.domain.scopes import DEFAULT_SCOPES, Scope
from server.storage.ids import new_id

_SHOWN_REFUSALS: Final = frozenset({Code.BAD_REQUEST, Code.CONFLICT, Code.FORBIDDEN})
_NO_SUCH_KEY: Final = "You have no such key."


class KeyPath(msgspec.Struct, frozen=True):
    """The path of one key.

    Attributes:
        id: id of the key.
    """

    id: UUID


class KeyRequest(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What a key is made of.

    Attributes:
        name: what it is for.
        scopes: what it may be used for.
        id: made by the caller, so that a request that comes again makes no second key; left out: a new one.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_CODE_POINTS_MAX, examples=["my program"])]
    scopes: Annotated[list[Scope], msgspec.Meta(min_length=1, max_length=len(Scope))]
    id: UUID | None = None


class KeyAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """A key, without its secret.

    Attributes:
        id: its id.
        name: what it is for.
        scopes: what it may be used for.
        created_at: when it was made.
        last_used_at: to the minute; null: never.
    """

    id: UUID
    name: str
    scopes: Sequence[Scope]
    created_at: datetime
    last_used_at: datetime | None


class KeyList(msgspec.Struct, frozen=True, rename="camel"):
    """The caller's keys.

    Attributes:
        items: those that can be used, the newest first.
    """

    items: list[KeyAnswer]


class MadeKey(msgspec.Struct, frozen=True, rename="camel"):
    """A key that was just made.

    Attributes:
        key: as it will be listed.
        secret: what a program sends behind `Bearer`; shown this once.
    """

    key: KeyAnswer
    secret: str


class KeyEndpoints:
    """`/api/me/keys` and `/me/keys`."""

    def __init__(self, keys: ApiKeys, callers: Callers, visitors: Visitors, welcoming: Welcoming) -> None:
        self._keys = keys
        self._callers = callers
        self._visitors = visitors
        self._welcoming = welcoming

    @described(
        Operation(
            "Account",
            {200: Answer(shape=KeyList)},
            refusals=(Code.FORBIDDEN, Code.UNAVAILABLE),
            is_personal=True,
            access=Access.USER,
        )
    )
    async def list_keys(self, request: Request) -> Response:
        """`GET /api/me/keys`: the caller's API keys that can be used."""
        return json_answer(KeyList(await self._list(await self._callers.require(request))))

    @described(
        Operation(
            "Account",
            {201: Answer(shape=MadeKey)},
            body=KeyRequest,
            refusals=(Code.FORBIDDEN, Code.NOT_FOUND, Code.CONFLICT, Code.UNAVAILABLE),
            is_personal=True,
            access=Access.USER,
            counts_as=Action.KEYS,
        )
    )
    async def create_key(self, request: Request) -> Response:
        """`POST /api/me/keys`: makes an API key. Its secret is in this answer and nowhere else."""
        owner = await self._callers.require(request)
        asked = await read_body(request, KeyRequest)
        key, secret = await self._keys.create(asked.name, asked.scopes, owner_id=owner.user_id, key_id=asked.id)
        return json_answer(MadeKey(_answer_of(key), secret), status=HTTPStatus.CREATED.value)

    @described(
        Operation(
            "Account",
            {204: Answer("It opens nothing any more.", media_type=None)},
            path=KeyPath,
            refusals=(Code.FORBIDDEN, Code.NOT_FOUND, Code.UNAVAILABLE),
            is_personal=True,
            access=Access.USER,
        )
    )
    async def revoke_key(self, request: Request) -> Response:
        """`DELETE /api/me/keys/{id}`: ends a key of the caller's for ever; its sockets close within two seconds."""
        await self._revoke(await self._callers.require(request), request.path_params["id"])
        return Response(None, HTTPStatus.NO_CONTENT.value)

    @described(
        Operation(
            PAGES,
            {200: Answer("The page.", media_type=HTML)},
            refusals=(Code.UNAVAILABLE,),
            begins_session=True,
            shows_own=True,
        )
    )
    async def keys_page(self, request: Request) -> Response:
        """`GET /me/keys`: the caller's API keys, with the forms that make and revoke them."""
        return await self._page(request, await self._visitors.find(request), {})

    @described(
        Operation(
            PAGES,
            {200: Answer("The page, with the secret of the new key, this once.", media_type=HTML)},
            refusals=(Code.FORBIDDEN, Code.NOT_FOUND, Code.CONFLICT, Code.UNAVAILABLE),
            is_personal=True,
            access=Access.USER,
            counts_as=Action.KEYS,
        )
    )
    async def make_on_page(self, request: Request) -> Response:
        """`POST /me/keys`: the form of that page, with `name`, `id`, and a field `scope-…` for each scope."""
        owner = await self._callers.require(request)
        fields = await read_form(request)
        asked = [scope for scope in Scope if f"scope-{scope.value}" in fields]
        name = fields.get("name", "")
        try:
            key_id = _id_of(fields.get("id", ""))
            key, secret = await self._keys.create(name, asked, owner_id=owner.user_id, key_id=key_id)
        except Refusal as refusal:
            if refusal.code not in _SHOWN_REFUSALS:
                raise
            typed = {"name": name, "chosen": asked, "trouble": refusal.message}
            return await self._page(request, owner, typed, STATUS_OF_CODE[refusal.code])
        return await self._page(request, owner, {"made": _answer_of(key), "secret": secret})

    @described(
        Operation(
            PAGES,
            {303: Answer("Back to the page.", media_type=None)},
            refusals=(Code.FORBIDDEN, Code.NOT_FOUND, Code.CONFLICT, Code.UNAVAILABLE),
            is_personal=True,
            access=Access.USER,
        )
    )
    async def revoke_on_page(self, request: Request) -> Response:
        """`POST /me/keys/revoke`: the form of that page, with `id`."""
        owner = await self._callers.require(request)
        await self._revoke(owner, (await read_form(request)).get("id", ""))
        return RedirectResponse("/me/keys", HTTPStatus.SEE_OTHER.value)

    async def _list(self, owner: Identity) -> list[KeyAnswer]:
        if owner.user_id is None:
            return []
        return [_answer_of(key) for key in await self._keys.list_of(owner.user_id)]

    async def _revoke(self, owner: Identity, text: str) -> None:
        key_id = _id_of(text)
        if key_id is None or await self._keys.revoke(key_id, owner_id=owner.user_id) is None:
            raise Refusal(Code.NOT_FOUND, _NO_SUCH_KEY)

    async def _page(
        self, request: Request, owner: Identity | None, shown: dict[str, Any], status: HTTPStatus = HTTPStatus.OK
    ) -> Response:
        is_user = owner is not None and owner.kind is IdentityKind.USER
        context = {
            "is_user": is_user,
            "keys": await self._list(owner) if owner is not None and is_user else [],
            "scopes": [one for one in Scope if one is not Scope.ADMIN or (owner is not None and owner.is_admin)],
            "new_id": new_id(),
            "name_characters": NAME_CODE_POINTS_MAX,
            "name": "",
            "chosen": DEFAULT_SCOPES,
            "trouble": None,
            "made": None,
            "secret": None,
            **shown,
        }
        return await self._welcoming.page(request, "keys.html", context, status=status)


def _id_of(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _answer_of(key: ApiKey) -> KeyAnswer:
    return KeyAnswer(key.id, key.name, key.scopes, key.created_at, key.last_used_at)
