"""The pages on which users say who they are: the username at the first sign-in, and the settings. They work without
scripts."""

from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from server.api.embed_window import keeping_opener
from server.api.forms import read_form
from server.api.operations import HTML, PAGES, Access, Answer, Operation, described
from server.api.problems import STATUS_OF_CODE
from server.api.queries import read_query
from server.api.welcoming import Welcoming
from server.auth.callers import Callers
from server.auth.profiles import Profile, ProfileChange, Profiles, checked_username
from server.auth.visitors import Visitors
from server.domain.display_names import display_name_of
from server.domain.errors import Code, Refusal
from server.domain.identity import Identity
from server.domain.pictures import Picture
from server.domain.rates import Action
from server.domain.site_paths import SITE_PATH_CHARACTERS_MAX, site_path_of
from server.domain.usernames import UsernameState

PUBLIC = "public"
"""What the box for amounts sends when it is ticked."""
SIGN_IN_PATH = "/signin"
_ELSEWHERE = Answer(
    "To the sign-in, for who is not signed in; onward, where there is nothing to choose.", media_type=None
)


class WelcomeQuery(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What `GET /welcome` takes.

    Attributes:
        next: where it leads afterwards, a path of this site.
    """

    next: Annotated[str, msgspec.Meta(max_length=SITE_PATH_CHARACTERS_MAX)] = "/me"


class SettingsQuery(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What `GET /me/settings` takes.

    Attributes:
        saved: whether the page says that it was saved.
    """

    saved: bool = False


class SettingsPageEndpoints:
    """`/welcome` and `/me/settings`."""

    def __init__(self, profiles: Profiles, callers: Callers, visitors: Visitors, welcoming: Welcoming) -> None:
        self._profiles = profiles
        self._callers = callers
        self._visitors = visitors
        self._welcoming = welcoming

    @described(
        Operation(
            PAGES,
            {200: Answer("The page.", media_type=HTML), 303: _ELSEWHERE},
            query=WelcomeQuery,
            refusals=(Code.UNAUTHORIZED, Code.UNAVAILABLE),
            shows_own=True,
        )
    )
    async def welcome(self, request: Request) -> Response:
        """`GET /welcome`: where a user chooses a username, after the first sign-in."""
        next_path = site_path_of(read_query(request, WelcomeQuery, only_known=True).next, "/me")
        profile = await self._own(request)
        if profile is None:
            return _to_sign_in(f"/welcome?{urlencode({'next': next_path})}")
        if profile.username is not None:
            return keeping_opener(RedirectResponse(next_path, HTTPStatus.SEE_OTHER.value), next_path)
        return keeping_opener(await self._welcome_page(request, next_path, "", None), next_path)

    @described(
        Operation(
            PAGES,
            {303: Answer("Onward, with the username.", media_type=None)},
            refusals=(Code.FORBIDDEN, Code.CONFLICT, Code.UNAVAILABLE),
            is_personal=True,
            access=Access.USER,
            counts_as=Action.USERNAME_CHECKS,
        )
    )
    async def choose_username(self, request: Request) -> Response:
        """`POST /welcome`: the form of that page, with `username` and `next`.

        A username that nobody may have, or that is taken, is shown in the form again, with 400 or 409.
        """
        user_id = _user_id(await self._writer(request))
        fields = await read_form(request)
        next_path = site_path_of(fields.get("next", ""), "/me")
        typed = fields.get("username", "").strip()
        try:
            await self._profiles.change(user_id, ProfileChange({"username": checked_username(typed)}))
        except Refusal as refusal:
            if refusal.code not in {Code.BAD_REQUEST, Code.CONFLICT}:
                raise
            return keeping_opener(await self._welcome_page(request, next_path, typed, refusal), next_path)
        return keeping_opener(RedirectResponse(next_path, HTTPStatus.SEE_OTHER.value), next_path)

    @described(
        Operation(
            PAGES,
            {200: Answer("The page.", media_type=HTML), 303: _ELSEWHERE},
            query=SettingsQuery,
            refusals=(Code.UNAUTHORIZED, Code.UNAVAILABLE),
            shows_own=True,
        )
    )
    async def settings(self, request: Request) -> Response:
        """`GET /me/settings`: what the user says about themselves, in a form."""
        is_saved = read_query(request, SettingsQuery, only_known=True).saved
        profile = await self._own(request)
        if profile is None:
            return _to_sign_in("/me/settings")
        typed = {
            "username": profile.username or "",
            "displayName": profile.display_name or "",
            "picture": profile.picture.value,
            "amounts": PUBLIC if profile.amounts_public else "",
        }
        return await self._settings_page(request, profile, typed, {}, is_saved=is_saved)

    @described(
        Operation(
            PAGES,
            {303: Answer("To the page, which says that it was saved.", media_type=None)},
            refusals=(Code.FORBIDDEN, Code.CONFLICT, Code.UNAVAILABLE),
            is_personal=True,
            access=Access.USER,
            counts_as=Action.USERNAME_CHECKS,
        )
    )
    async def save_settings(self, request: Request) -> Response:
        """`POST /me/settings`: the form of that page, with `username`, `displayName`, `picture` (`INITIALS` or
        `PATTERN`) and `amounts` (`public`, or nothing). What is not right is shown in the form again."""
        user_id = _user_id(await self._writer(request))
        fields = await read_form(request)
        typed = {name: fields.get(name, "").strip() for name in ("username", "displayName", "picture", "amounts")}
        values, errors = _read(typed)
        status = HTTPStatus.BAD_REQUEST
        if not errors:
            try:
                await self._profiles.change(user_id, ProfileChange(values))
                return RedirectResponse("/me/settings?saved=true", HTTPStatus.SEE_OTHER.value)
            except Refusal as refusal:
                if refusal.code is not Code.CONFLICT:
                    raise
                errors["username"], status = refusal.message, STATUS_OF_CODE[refusal.code]
        profile = await self._profiles.own(user_id)
        return await self._settings_page(request, profile, typed, errors, status=status)

    async def _own(self, request: Request) -> Profile | None:
        """The profile of who asks; None: nobody who is signed in."""
        identity = await self._visitors.find(request)
        return None if identity is None or identity.user_id is None else await self._profiles.own(identity.user_id)

    async def _writer(self, request: Request) -> Identity:
        return (await self._callers.require_writer(request)).identity

    async def _welcome_page(self, request: Request, next_path: str, typed: str, refusal: Refusal | None) -> Response:
        status = HTTPStatus.OK if refusal is None else STATUS_OF_CODE[refusal.code]
        error = None if refusal is None else refusal.message
        context = {"next": next_path, "typed": typed, "error": error, "rule": UsernameState.INVALID.meaning}
        return await self._welcoming.page(request, "welcome.html", context, status=status)

    async def _settings_page(
        self,
        request: Request,
        profile: Profile,
        typed: dict[str, str],
        errors: dict[str, str],
        *,
        is_saved: bool = False,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        context = {
            "profile": profile,
            "typed": typed,
            "errors": errors,
            "is_saved": is_saved,
            "rule": UsernameState.INVALID.meaning,
            "pictures": list(Picture),
        }
        return await self._welcoming.page(request, "settings.html", context, status=status)


def _read(typed: dict[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """What a form says, by the names of `ProfileChange`; and what is wrong with it, by its fields."""
    values: dict[str, Any] = {"amounts_public": typed["amounts"] == PUBLIC}
    errors: dict[str, str] = {}
    for name, column, check in (
        ("username", "username", checked_username),
        ("displayName", "display_name", display_name_of),
        ("picture", "picture", _picture_of),
    ):
        try:
            values[column] = check(typed[name])
        except Refusal as refusal:
            errors[name] = refusal.message
    return values, errors


def _picture_of(text: str) -> Picture:
    """The picture that is chosen; initials where none is."""
    try:
        return Picture(text or Picture.INITIALS)
    except ValueError:
        raise Refusal(Code.BAD_REQUEST, "There is no such picture.") from None


def _user_id(identity: Identity) -> UUID:
    assert identity.user_id is not None
    return identity.user_id


def _to_sign_in(path: str) -> Response:
    return RedirectResponse(f"{SIGN_IN_PATH}?{urlencode({'next': path})}", HTTPStatus.SEE_OTHER.value)
