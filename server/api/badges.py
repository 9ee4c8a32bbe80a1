"""Badges over REST and on their page: all that there are, one's own, and those of a channel."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from server.api.badge_answers import BadgeAnswer, MineAnswer, badge_of, mine_of
from server.api.held_badges import HeldBadgeList, held_of
from server.api.operations import HTML, Answer, Operation, described
from server.api.paths import ChannelPath
from server.api.queries import json_answer
from server.api.welcoming import Welcoming
from server.auth.callers import Callers
from server.channels.catalog import Catalog
from server.domain.errors import Code, Refusal
from server.domain.givers import Giver
from server.domain.identity import Identity
from server.ledger.badge_lists import BadgeLists, MyBadge


class BadgeItem(msgspec.Struct, frozen=True, rename="camel"):
    """A badge, and how the caller stands with it.

    Attributes:
        badge: what there is to earn.
        mine: null: the caller is nobody that is known.
    """

    badge: BadgeAnswer
    mine: MineAnswer | None


class BadgeList(msgspec.Struct, frozen=True, rename="camel"):
    """All badges.

    Attributes:
        items: in the order of the page of all badges.
    """

    items: list[BadgeItem]


class MyBadgeList(msgspec.Struct, frozen=True, rename="camel"):
    """The caller's badges.

    Attributes:
        items: those that the caller holds.
        next: of each kind with a number that grows, the nearest that the caller does not hold.
    """

    items: list[BadgeItem]
    next: list[BadgeItem]


class BadgeEndpoints:
    """`/api/badges`, `/api/me/badges`, `/api/channels/{name}/badges`, and the page `/badges`."""

    def __init__(self, lists: BadgeLists, catalog: Catalog, callers: Callers, welcoming: Welcoming) -> None:
        self._lists = lists
        self._catalog = catalog
        self._callers = callers
        self._welcoming = welcoming

    @described(Operation("Badges", {200: Answer(shape=BadgeList)}, refusals=(Code.UNAUTHORIZED, Code.UNAVAILABLE)))
    async def list_badges(self, request: Request) -> Response:
        """`GET /api/badges`: all badges, and how the caller stands with each, if it is known who asks."""
        identity = await self._callers.find(request)
        if identity is None:
            return json_answer(BadgeList([BadgeItem(badge_of(badge), None) for badge in await self._lists.all()]))
        return json_answer(BadgeList([_item_of(one) for one in await self._lists.mine(_giver_of(identity))]))

    @described(Operation("Badges", {200: Answer(shape=MyBadgeList)}, refusals=(Code.UNAVAILABLE,), is_personal=True))
    async def list_my_badges(self, request: Request) -> Response:
        """`GET /api/me/badges`: the caller's badges, and the next ones."""
        mine = await self._lists.mine(_giver_of(await self._callers.require(request)))
        held, following = [one for one in mine if one.count], [one for one in mine if one.is_next]
        return json_answer(MyBadgeList([_item_of(one) for one in held], [_item_of(one) for one in following]))

    @described(
        Operation(
            "Badges",
            {200: Answer(shape=HeldBadgeList)},
            path=ChannelPath,
            refusals=(Code.NOT_FOUND, Code.UNAVAILABLE),
        )
    )
    async def list_channel_badges(self, request: Request) -> Response:
        """`GET /api/channels/{name}/badges`: the badges that were earned on a channel, and who holds them."""
        channel = await self._catalog.find(request.path_params["name"])
        if channel is None:
            raise Refusal(Code.NOT_FOUND, "There is no such channel.")
        return json_answer(HeldBadgeList([held_of(held) for held in await self._lists.on_channel(channel.id)]))

    @described(
        Operation(
            "Pages", {200: Answer("The page.", media_type=HTML)}, refusals=(Code.UNAVAILABLE,), begins_session=True
        )
    )
    async def page(self, request: Request) -> Response:
        """`GET /badges`: all badges, how they are earned, and which are the caller's."""
        identity = await self._callers.find(request)
        items = [_item_of(one) for one in await self._lists.mine(None if identity is None else _giver_of(identity))]
        return await self._welcoming.page(request, "badges.html", {"items": items})


def _giver_of(identity: Identity) -> Giver:
    return Giver.of(identity.user_id, identity.session_id)


def _item_of(mine: MyBadge) -> BadgeItem:
    return BadgeItem(badge_of(mine.badge), mine_of(mine))
