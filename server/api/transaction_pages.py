"""The pages of money: a channel's transactions, and what one gave oneself. They work without scripts."""

from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from server.api.badge_answers import badge_of
from server.api.channels import ChannelEndpoints
from server.api.operations import HTML, Answer, Operation, described
from server.api.own_transactions import OwnTransactionEndpoints
from server.api.paths import ChannelPath
from server.api.queries import CursorText, ListQuery
from server.api.transaction_queries import OwnTransactionsQuery, TransactionsQuery
from server.api.transactions import TransactionEndpoints
from server.api.typed_filters import NO_CHANNEL, TypedFilters
from server.api.welcoming import Welcoming
from server.auth.visitors import Visitors
from server.domain.errors import Code, Refusal
from server.domain.givers import Giver
from server.domain.identity import Identity
from server.domain.pages import Page
from server.domain.rates import Action
from server.domain.transactions import TransactionType
from server.ledger.badge_lists import BadgeLists
from server.ledger.supported_channels import SupportedPage
from server.ledger.transactions import TransactionPage, TypeTotal

CHANNELS_SHOWN_MAX: Final = 20
"""Channels that the page of one's own contributions shows at once."""

_BEGINNING: Final = Answer("To the beginning: the cursor is not of this list.", media_type=None)
_NOTHING: Final = tuple(TypeTotal(type_, 0, 0, 0) for type_ in TransactionType)


class OwnPageQuery(OwnTransactionsQuery, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What `GET /me` takes.

    Attributes:
        channels_cursor: as `cursor`, of the list of channels.
    """

    channels_cursor: CursorText | None = None


class TransactionPageEndpoints:
    """`/c/{name}/transactions` and `/me`."""

    def __init__(
        self,
        *,
        channels: ChannelEndpoints,
        transactions: TransactionEndpoints,
        own: OwnTransactionEndpoints,
        badges: BadgeLists,
        visitors: Visitors,
        welcoming: Welcoming,
    ) -> None:
        self._channels = channels
        self._transactions = transactions
        self._own = own
        self._badges = badges
        self._visitors = visitors
        self._welcoming = welcoming

    @described(
        Operation(
            "Pages",
            {200: Answer("The page.", media_type=HTML), 303: _BEGINNING},
            path=ChannelPath,
            query=TransactionsQuery,
            refusals=(Code.NOT_FOUND, Code.UNAVAILABLE),
            begins_session=True,
            counts_as=Action.LISTS,
        )
    )
    async def channel_transactions(self, request: Request) -> Response:
        """`GET /c/{name}/transactions`: a channel's transactions, with the filters and cursors of the API.

        A filter that is not right is shown in the form again, with 400.
        """
        channel, asked = await self._channels.find(request), TypedFilters.of(request, TransactionsQuery)
        try:
            found, following, previous = await self._transactions.page(channel.id, asked.query)
        except Refusal as refusal:
            return _to_the_beginning(request, asked.query, refusal)
        context = {"channel": channel, **_list_of(found, asked, following, previous)}
        return await self._welcoming.page(request, "transactions.html", context, status=_status_of(asked))

    @described(
        Operation(
            "Pages",
            {200: Answer("The page.", media_type=HTML), 303: _BEGINNING},
            query=OwnPageQuery,
            refusals=(Code.NOT_FOUND, Code.UNAVAILABLE),
            begins_session=True,
            counts_as=Action.LISTS,
            shows_own=True,
        )
    )
    async def me(self, request: Request) -> Response:
        """`GET /me`: what the caller gave, channel by channel, and each transaction of it.

        A filter that is not right is shown in the form again, with 400.
        """
        asked = await self._own_filters(request)
        identity = await self._visitors.find(request)
        giver = None if identity is None else Giver.of(identity.user_id, identity.session_id)
        try:
            lists = await self._own_lists(identity, asked)
        except Refusal as refusal:
            return _to_the_beginning(request, asked.query, refusal)
        badges = [badge_of(one.badge) for one in await self._badges.mine(giver) if one.count]
        context = {**lists, "badges": badges}
        return await self._welcoming.page(request, "me.html", context, status=_status_of(asked))

    async def _own_filters(self, request: Request) -> TypedFilters[OwnPageQuery]:
        asked = TypedFilters.of(request, OwnPageQuery)
        try:
            await self._own.channel_id(asked.query)
        except Refusal as refusal:
            if refusal.code is not Code.NOT_FOUND:
                raise
            asked.errors["channel"] = NO_CHANNEL
            asked.query = msgspec.structs.replace(asked.query, channel=None)
        return asked

    async def _own_lists(self, identity: Identity | None, asked: TypedFilters[OwnPageQuery]) -> dict[str, Any]:
        query = asked.query
        if identity is None:  # whoever comes for the first time has nothing, and cursors of nobody
            nothing = TransactionPage(Page([], None, None), [one for one in _NOTHING if one.type in query.filter.types])
            supported = SupportedPage(Page([], None, None), _NOTHING)
            return {**_list_of(nothing, asked, None, None), "supported": supported, "channels_pager": {}}
        supported, after, before = await self._own.contributions(
            identity, ListQuery(limit=CHANNELS_SHOWN_MAX, cursor=query.channels_cursor)
        )
        found, following, previous = await self._own.transactions(identity, query)
        pager = {"next": _link(query, channelsCursor=after), "previous": _link(query, channelsCursor=before)}
        return {**_list_of(found, asked, following, previous), "supported": supported, "channels_pager": pager}


def _list_of(
    found: TransactionPage,
    asked: TypedFilters[TransactionsQuery] | TypedFilters[OwnPageQuery],
    following: str | None,
    previous: str | None,
) -> dict[str, Any]:
    """What the templates show of a list."""
    query = asked.query
    return {
        "typed": asked.typed,
        "errors": asked.errors,
        "transactions": found.page.items,
        "totals": found.totals,
        "query": query,
        "is_filtered": query.filter.has_days or query.type is not None or getattr(query, "channel", None) is not None,
        "pager": {"next": _link(query, cursor=following), "previous": _link(query, cursor=previous)},
        "csv_query": urlencode(_words(query, {"sort"})),
        "sorted_by": {
            column: _link(query, sort=column if query.sort == f"-{column}" else f"-{column}", cursor="")
            for column in ("createdAt", "amount")
        },
    }


def _status_of(asked: TypedFilters[Any]) -> HTTPStatus:
    return HTTPStatus.BAD_REQUEST if asked.errors else HTTPStatus.OK


def _to_the_beginning(request: Request, query: TransactionsQuery | OwnPageQuery, refusal: Refusal) -> Response:
    """Where a place leads that is not of this list, such as one of before a sign-in.

    Raises:
        Refusal: it was refused for anything else.
    """
    if refusal.code is not Code.BAD_REQUEST:
        raise refusal
    return RedirectResponse(f"{request.url.path}{_link(query, cursor='')}", HTTPStatus.SEE_OTHER.value)


def _link(query: msgspec.Struct, **changed: str | None) -> str | None:
    """The query string of the same list at another place; None: there is no such place."""
    if None in changed.values():
        return None
    words = _words(query, {"sort", "limit"}) | {name: value for name, value in changed.items() if value}
    return f"?{urlencode(words)}"


def _words(query: msgspec.Struct, kept: set[str]) -> dict[str, str]:
    """The filters of a query, and those of its other fields that are named, as they are written in an address."""
    names = {"type", "from", "to", "channel"} | kept
    given = msgspec.to_builtins(query)
    return {name: str(given[name]) for name in given if name in names and given[name] is not None}
