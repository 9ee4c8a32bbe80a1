"""Who may use a route: what it declares, and the one place where that is checked.

Endpoints look their caller up again, because they need to know who it is. None of them checks a role or a kind of
caller itself: that they get that far was decided here.
"""

from typing import Final

from starlette.requests import Request

from server.api import bodies, forms
from server.api.embed_cors import listed_origin
from server.api.operations import Access, Operation
from server.api.session_status import WHOSE, status_of
from server.auth.callers import Callers, brings_key
from server.auth.origins import Origins
from server.domain.errors import Code, Refusal
from server.domain.identity import Identity, IdentityKind
from server.domain.scopes import Scope
from server.domain.users import UserRole

SAFE_METHODS: Final = frozenset({"GET", "HEAD"})
PERSONAL: Final = frozenset({Access.CALLER, Access.PERSON, Access.USER, Access.ADMIN})
"""What needs somebody that is known, and shows what is theirs."""

TYPED: Final = (bodies.MEDIA_TYPE, forms.MEDIA_TYPE)


def access_of(operation: Operation, method: str) -> Access:
    """What a route needs with this method: what it declares, else a caller where it is personal.

    Whatever changes something and declares nothing needs at least one of our own pages to ask.
    """
    if operation.access is not None:
        return operation.access
    if operation.is_personal:
        return Access.CALLER
    return Access.ANYBODY if method in SAFE_METHODS else Access.OWN_PAGE


def scope_of(operation: Operation, method: str) -> Scope:
    """What a key needs for a route with this method."""
    if operation.scope is not None:
        return operation.scope
    if operation.access is Access.ADMIN:
        return Scope.ADMIN
    return Scope.READ if method in SAFE_METHODS else Scope.CHAT


class AccessCheck:
    """Refuses who may not."""

    def __init__(self, callers: Callers, origins: Origins) -> None:
        self._callers = callers
        self._origins = origins

    async def check(self, request: Request, operation: Operation) -> None:
        """Let pass who may.

        Raises:
            Refusal: unauthorized, nobody that is known; forbidden, the Origin is missing or foreign, or they may not;
                bad_request, the body is of a kind that other sites' pages can send too; conflict, it is a form of a
                page of somebody else's; unavailable.
        """
        access = access_of(operation, request.method)
        if access is Access.EMBED:
            access = self._of_embed(request)
        if access is Access.OWN_PAGE and (brings_key(request) or not self._origins.allows_write(request.headers)):
            raise Refusal(Code.FORBIDDEN, "This needs the Origin of one of our own pages.")
        if access in PERSONAL:
            identity = await self._identity(request)
            _expect(identity, access)
            scope = scope_of(operation, request.method)
            if not identity.may(scope):
                raise Refusal(Code.FORBIDDEN, f"This key does not have the scope {scope.value}.")
        if request.method not in SAFE_METHODS and access is not Access.SIGNED:
            media_type = _checked_media_type(request)
            if media_type == forms.MEDIA_TYPE:
                await self._check_whose(request)

    async def _check_whose(self, request: Request) -> None:
        """A form of a user's page counts for that user alone, whoever has signed in since in another tab."""
        whose = (await forms.read_form(request)).get(WHOSE, "")
        if whose and whose != status_of(await self._callers.find(request)).whose:
            raise Refusal(
                Code.CONFLICT, "This page was opened by somebody else than is signed in now. Nothing was done."
            )

    @staticmethod
    def _of_embed(request: Request) -> Access:
        """What a request needs that pages of other sites may send too."""
        if brings_key(request) or "origin" not in request.headers:
            return Access.CALLER
        return Access.ANYBODY if listed_origin(request.scope) is not None else Access.OWN_PAGE

    async def _identity(self, request: Request) -> Identity:
        if request.method in SAFE_METHODS:
            return await self._callers.require(request)
        return (await self._callers.require_writer(request)).identity


def _expect(identity: Identity, access: Access) -> None:
    if access is Access.PERSON and identity.kind is IdentityKind.KEY:
        raise Refusal(Code.FORBIDDEN, "A key may not do this; it is for people.")
    if access is Access.USER and identity.kind is not IdentityKind.USER:
        raise Refusal(Code.FORBIDDEN, "Sign in first; a key may not do this.")
    if access is Access.ADMIN and not identity.is_admin:
        raise Refusal(Code.FORBIDDEN, "Only an admin may do this.", details={"role": UserRole.ADMIN.value})


def _checked_media_type(request: Request) -> str:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type and media_type not in TYPED:
        raise Refusal(Code.BAD_REQUEST, f"The body is to be {TYPED[0]}, or a form of ours.")
    return media_type
