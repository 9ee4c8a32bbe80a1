"""Channels over REST: public figures, as Postgres has them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from server.api.cursors import Cursors, list_name_of
from server.api.deps import ModelState, ModelStatus
from server.api.operations import Answer, Operation, described
from server.api.paths import ChannelPath
from server.api.queries import ListQuery, SearchText, json_answer, read_query
from server.channels.catalog import Catalog, Channel, ChannelSort
from server.domain.channels import ChannelStatus
from server.domain.errors import Code, Refusal
from server.domain.rates import Action


class ChannelsQuery(ListQuery, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What `GET /api/channels` takes.

    Attributes:
        status: only channels of this one; without it, of every one.
        q: looked for in handle and title, whatever the case.
        sort: a minus means descending.
    """

    status: ChannelStatus | None = None
    q: SearchText | None = None
    sort: ChannelSort = ChannelSort.TITLE


class ChannelAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A channel.

    Attributes:
        id: its id; it never changes.
        name: the handle, in lower case.
        title: for people.
        description: for people; plain text.
        image: address of a picture; null: there is none.
        subscriber_count: of YouTube; null: not known.
        video_count: of YouTube; null: not known.
        view_count: of YouTube; null: not known.
        status: PENDING: its goal is not reached; ACTIVE: on air; INACTIVE: off air.
        activation_funding: given toward the activation, in US cents.
        activation_goal: what the activation needs, in US cents.
        credit_balance: credits that are left; one starts one chat.
        activated_at: when it first went on air; null: not yet.
        created_at: when it was added.
    """

    id: UUID
    name: str
    title: str
    description: str
    image: str | None
    subscriber_count: int | None
    video_count: int | None
    view_count: int | None
    status: ChannelStatus
    activation_funding: int
    activation_goal: int
    credit_balance: int
    activated_at: datetime | None
    created_at: datetime


class ModelAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """The model that answers on a channel.

    Attributes:
        name: as people know it.
        state: warming: it has not answered so far, chats wait.
        demo: whether it is there to show the program, and invents what it says.
    """

    name: str
    state: ModelState
    demo: bool


class ChannelDetails(ChannelAnswer, frozen=True, kw_only=True, rename="camel"):
    """A channel and its model.

    Attributes:
        model: what answers in its chats.
    """

    model: ModelAnswer


class ChannelList(msgspec.Struct, frozen=True, rename="camel"):
    """A page of channels.

    Attributes:
        items: in the order that `sort` asked for.
        next_cursor: the `cursor` of the following page; null: this is the last one.
        prev_cursor: the `cursor` of the page before; null: this is the first one.
    """

    items: list[ChannelAnswer]
    next_cursor: str | None
    prev_cursor: str | None


@dataclass(frozen=True, slots=True)
class ChannelPage:
    """Channels with the cursors of the pages beside them; None at that end of the list."""

    channels: Sequence[Channel]
    next: str | None
    previous: str | None


class ChannelEndpoints:
    """`/api/channels…`."""

    def __init__(self, catalog: Catalog, cursors: Cursors, model_status: Callable[[], ModelStatus]) -> None:
        self._catalog = catalog
        self._cursors = cursors
        self._model_status = model_status

    @described(
        Operation(
            "Channels",
            {200: Answer(shape=ChannelList)},
            query=ChannelsQuery,
            refusals=(Code.UNAVAILABLE,),
            counts_as=Action.LISTS,
        )
    )
    async def list_channels(self, request: Request) -> Response:
        """`GET /api/channels`: a page of the channels."""
        page = await self.page(read_query(request, ChannelsQuery))
        items = [ChannelAnswer(**_figures_of(channel)) for channel in page.channels]
        return json_answer(ChannelList(items, page.next, page.previous))

    @described(
        Operation(
            "Channels",
            {200: Answer(shape=ChannelDetails)},
            path=ChannelPath,
            refusals=(Code.NOT_FOUND, Code.UNAVAILABLE),
        )
    )
    async def get_channel(self, request: Request) -> Response:
        """`GET /api/channels/{name}`: one channel, by handle or id."""
        channel, model = await self.find(request), self._model_status()
        answer = ModelAnswer(model.name, model.state, model.demo)
        return json_answer(ChannelDetails(**_figures_of(channel), model=answer))

    async def page(self, query: ChannelsQuery) -> ChannelPage:
        """What the list answers; the page of channels shows the same.

        Raises:
            Refusal: bad_request, the cursor is of another list; unavailable.
        """
        list_name = list_name_of("channels", query.sort, query.status, query.q)
        page = await self._catalog.page(
            status=query.status,
            text=query.q,
            sort=query.sort,
            position=self._cursors.open(list_name, query.cursor),
            limit=query.limit,
        )
        following, previous = self._cursors.seal(list_name, page.next), self._cursors.seal(list_name, page.previous)
        return ChannelPage(page.items, following, previous)

    async def find(self, request: Request) -> Channel:
        """The channel that the path names.

        Raises:
            Refusal: not_found; unavailable.
        """
        channel = await self._catalog.find(request.path_params["name"])
        if channel is None:
            raise Refusal(Code.NOT_FOUND, "There is no such channel.")
        return channel


def _figures_of(channel: Channel) -> dict[str, Any]:
    renamed = {"activation_funding": "activation_funding_cents", "activation_goal": "activation_goal_cents"}
    return {field: getattr(channel, renamed.get(field, field)) for field in ChannelAnswer.__struct_fields__}
