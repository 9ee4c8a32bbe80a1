"""A user as everybody may see them: name, badges, since when; what was given only where they want it."""

from datetime import datetime
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from server.api.badge_answers import BadgeAnswer, badge_of
from server.api.operations import HTML, PAGES, Answer, Operation, described
from server.api.own_transactions import SupportedChannelAnswer, supported_of
from server.api.queries import json_answer
from server.api.welcoming import Welcoming
from server.auth.profiles import Profile, Profiles
from server.domain.errors import Code, Refusal
from server.domain.givers import Giver
from server.domain.identity import Identity
from server.domain.pictures import Picture
from server.domain.users import UserRole
from server.ledger.badge_lists import BadgeLists
from server.ledger.supported_channels import supported_channels
from server.storage.postgres import Postgres

CHANNELS_SHOWN_MAX = 20
"""Channels on a profile, those that were supported last."""


class UserPath(msgspec.Struct, frozen=True):
    """The path of one user.

    Attributes:
        username: in any case.
    """

    username: Annotated[str, msgspec.Meta(examples=["mara_k"])]


class ProfileBadge(msgspec.Struct, frozen=True, rename="camel"):
    """A badge that a user holds.

    Attributes:
        badge: which one.
        earned_at: when it was earned first.
        count: on how many channels; 1 for one that is earned across channels.
    """

    badge: BadgeAnswer
    earned_at: datetime | None
    count: int


class UserProfile(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A user as everybody may see them.

    Attributes:
        username: as it was typed.
        display_name: null: none was chosen.
        picture: what stands for them on pages: their initials, or a pattern made of the username.
        role: what the user may do here.
        member_since: when the account was made.
        badges: in the order of the page of all badges.
        supported: the 20 channels supported last, with what was given; null: the user does not show that.
    """

    username: str
    display_name: str | None
    picture: Picture
    role: UserRole
    member_since: datetime
    badges: list[ProfileBadge]
    supported: list[SupportedChannelAnswer] | None


class UserEndpoints:
    """`/api/users/{username}` and `/u/{username}`."""

    def __init__(self, profiles: Profiles, badges: BadgeLists, postgres: Postgres, welcoming: Welcoming) -> None:
        self._profiles = profiles
        self._badges = badges
        self._postgres = postgres
        self._welcoming = welcoming

    @described(
        Operation(
            "Account",
            {200: Answer(shape=UserProfile)},
            path=UserPath,
            refusals=(Code.NOT_FOUND, Code.UNAVAILABLE),
        )
    )
    async def get_user(self, request: Request) -> Response:
        """`GET /api/users/{username}`: a user as everybody may see them."""
        return json_answer(await self._find(request))

    @described(
        Operation(
            PAGES,
            {200: Answer("The page.", media_type=HTML)},
            path=UserPath,
            refusals=(Code.NOT_FOUND, Code.UNAVAILABLE),
            begins_session=True,
        )
    )
    async def user_page(self, request: Request) -> Response:
        """`GET /u/{username}`: the same for people."""
        user = await self._find(request)
        return await self._welcoming.page(request, "user.html", {"user": user})

    async def _find(self, request: Request) -> UserProfile:
        profile = await self._profiles.public(request.path_params["username"])
        if profile is None or profile.username is None:
            raise Refusal(Code.NOT_FOUND, "There is no such user.")
        held = [one for one in await self._badges.mine(Giver(user_id=profile.id)) if one.count]
        return UserProfile(
            username=profile.username,
            display_name=profile.display_name,
            picture=profile.picture,
            role=profile.role,
            member_since=profile.created_at,
            badges=[ProfileBadge(badge_of(one.badge), one.first_at, one.count) for one in held],
            supported=await self._supported(profile) if profile.amounts_public else None,
        )

    async def _supported(self, profile: Profile) -> list[SupportedChannelAnswer]:
        giver = Identity(session_id=profile.id, user_id=profile.id)  # of a user no session counts
        found = await supported_channels(self._postgres, giver, limit=CHANNELS_SHOWN_MAX)
        return [supported_of(one) for one in found.page.items]
