"""Who the caller is, what they say about themselves, and whether a username is free."""

from datetime import datetime
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from server.api.bodies import read_body
from server.api.operations import Access, Answer, Operation, described
from server.api.queries import json_answer
from server.auth.callers import Callers
from server.auth.profiles import Profile, ProfileChange, Profiles, checked_username
from server.domain.display_names import DISPLAY_NAME_CHARACTERS_MAX, display_name_of
from server.domain.errors import Code
from server.domain.identity import IdentityKind
from server.domain.pictures import Picture
from server.domain.rates import Action
from server.domain.usernames import USERNAME_PATTERN, UsernameState
from server.domain.users import UserRole


class NamePath(msgspec.Struct, frozen=True):
    """The path of a username that may be free.

    Attributes:
        name: the username, as it is typed.
    """

    name: Annotated[str, msgspec.Meta(examples=["mara_k"])]


class UserAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A signed-in user, as only they see it.

    Attributes:
        username: null: not chosen so far.
        display_name: what the public profile says beside the username; null: nothing.
        name: as the sign-in provider told it; not shown to others.
        email: the same; null: the provider told none.
        email_verified: whether a provider vouched for it.
        role: what the user may do.
        image: address of the provider's picture, as the sign-in provider told it; not shown to others, and never
            loaded; null: it has none.
        picture: what stands for the user on pages: their initials, or a pattern made of the username.
        amounts_public: whether the public profile says what was given.
        member_since: when the account was made.
    """

    username: str | None
    display_name: str | None
    name: str | None
    email: str | None
    email_verified: bool
    role: UserRole
    image: str | None
    picture: Picture
    amounts_public: bool
    member_since: datetime


class MeAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """Who asks.

    Attributes:
        kind: a user, a visitor's session, or an API key.
        name: what they are called in public; null: they have no name so far.
        user: null: nobody is signed in.
    """

    kind: IdentityKind
    name: str | None
    user: UserAnswer | None


class MeChange(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What is to change; what is left out stays.

    Attributes:
        username: 3 to 30 letters from a to z, digits, hyphens and underscores; unique whatever its case.
        display_name: what the public profile says beside it, up to 40 characters; null or empty: nothing.
        picture: what stands for the user on pages.
        amounts_public: whether the public profile says what was given.
    """

    username: Annotated[str, msgspec.Meta(pattern=USERNAME_PATTERN)] | msgspec.UnsetType = msgspec.UNSET
    display_name: Annotated[str, msgspec.Meta(max_length=DISPLAY_NAME_CHARACTERS_MAX)] | msgspec.UnsetType | None = (
        msgspec.UNSET
    )
    picture: Picture | msgspec.UnsetType = msgspec.UNSET
    amounts_public: bool | msgspec.UnsetType = msgspec.UNSET


class UsernameAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """Whether the caller may have a username.

    Attributes:
        username: as it was asked for.
        state: by the time it is chosen, a free one may be taken.
        message: the same for people.
    """

    username: str
    state: UsernameState
    message: str


class MeEndpoints:
    """`/api/me` and `/api/usernames/{name}`."""

    def __init__(self, profiles: Profiles, callers: Callers) -> None:
        self._profiles = profiles
        self._callers = callers

    @described(Operation("Account", {200: Answer(shape=MeAnswer)}, refusals=(Code.UNAVAILABLE,), is_personal=True))
    async def get_me(self, request: Request) -> Response:
        """`GET /api/me`: who the caller is."""
        identity = await self._callers.require(request)
        if identity.kind is not IdentityKind.USER or identity.user_id is None:
            return json_answer(MeAnswer(identity.kind, identity.name, None))
        return json_answer(_me_of(await self._profiles.own(identity.user_id)))

    @described(
        Operation(
            "Account",
            {200: Answer(shape=MeAnswer)},
            body=MeChange,
            refusals=(Code.FORBIDDEN, Code.CONFLICT, Code.UNAVAILABLE),
            is_personal=True,
            access=Access.USER,
            counts_as=Action.USERNAME_CHECKS,
        )
    )
    async def change_me(self, request: Request) -> Response:
        """`PATCH /api/me`: changes what the caller, a user, says about themselves; all of it or nothing.

        A username that somebody else has is a `conflict`. The one of before is free at once.
        """
        identity = (await self._callers.require_writer(request)).identity
        change = change_of(await read_body(request, MeChange))
        assert identity.user_id is not None
        return json_answer(_me_of(await self._profiles.change(identity.user_id, change)))

    @described(
        Operation(
            "Account",
            {200: Answer(shape=UsernameAnswer)},
            path=NamePath,
            refusals=(Code.FORBIDDEN, Code.UNAVAILABLE),
            is_personal=True,
            access=Access.PERSON,
            counts_as=Action.USERNAME_CHECKS,
        )
    )
    async def check_username(self, request: Request) -> Response:
        """`GET /api/usernames/{name}`: whether the caller may have this username."""
        identity = await self._callers.require(request)
        name = request.path_params["name"]
        state = await self._profiles.state_of(name, identity.user_id)
        return json_answer(UsernameAnswer(name, state, state.meaning))


def change_of(given: MeChange) -> ProfileChange:
    """What is given, checked.

    Raises:
        Refusal: bad_request.
    """
    values = {name: value for name in given.__struct_fields__ if (value := getattr(given, name)) is not msgspec.UNSET}
    if "username" in values:
        values["username"] = checked_username(values["username"])
    if "display_name" in values:
        values["display_name"] = display_name_of(values["display_name"])
    return ProfileChange(values)


def _me_of(profile: Profile) -> MeAnswer:
    user = UserAnswer(
        username=profile.username,
        display_name=profile.display_name,
        name=profile.name,
        email=profile.email,
        email_verified=profile.email_verified is not None,
        role=profile.role,
        image=profile.image,
        picture=profile.picture,
        amounts_public=profile.amounts_public,
        member_since=profile.created_at,
    )
    return MeAnswer(IdentityKind.USER, profile.username, user)
