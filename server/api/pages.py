"""The pages: the list of channels and one channel. Opening one without a session begins a visitor's."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from server.api.channels import ChannelEndpoints, ChannelsQuery
from server.api.contribute_form import ContributeForm
from server.api.deps import ModelStatus
from server.api.held_badges import held_of, marks_of
from server.api.operations import HTML, Answer, Operation, described
from server.api.paths import ChannelPath
from server.api.queries import read_query
from server.api.welcoming import Welcoming
from server.channels.contributors import count_activation_contributors, latest_contributors
from server.channels.starters import read_starters
from server.domain.errors import Code
from server.domain.rates import Action
from server.ledger.badge_lists import BadgeLists
from server.ledger.contributing import Contributing
from server.storage.postgres import Postgres


class PageEndpoints:
    """`/` and `/c/{name}`."""

    def __init__(
        self,
        *,
        channels: ChannelEndpoints,
        badges: BadgeLists,
        contributing: Contributing,
        postgres: Postgres,
        welcoming: Welcoming,
        model_status: Callable[[], ModelStatus],
    ) -> None:
        self._channels = channels
        self._badges = badges
        self._contributing = contributing
        self._postgres = postgres
        self._welcoming = welcoming
        self._model_status = model_status

    @described(
        Operation(
            "Pages",
            {200: Answer("The page.", media_type=HTML)},
            query=ChannelsQuery,
            refusals=(Code.UNAVAILABLE,),
            begins_session=True,
            counts_as=Action.LISTS,
        )
    )
    async def index(self, request: Request) -> Response:
        """`GET /`: the channels, with the filters and cursors of the API."""
        query = read_query(request, ChannelsQuery, only_known=True)
        page = await self._channels.page(query)
        context = {"channels": page.channels, "query": query, "next_cursor": page.next, "prev_cursor": page.previous}
        return await self._welcoming.page(request, "channels.html", context)

    @described(
        Operation(
            "Pages",
            {200: Answer("The page.", media_type=HTML)},
            path=ChannelPath,
            refusals=(Code.NOT_FOUND, Code.UNAVAILABLE),
            begins_session=True,
        )
    )
    async def channel(self, request: Request) -> Response:
        """`GET /c/{name}`: one channel."""
        channel = await self._channels.find(request)
        model = self._model_status()
        contributors = await latest_contributors(self._postgres, channel.id)
        badges = await self._badges.badges_of([one.giver for one in contributors], channel.id)
        context = {
            "channel": channel,
            "contributors": contributors,
            "marks_of": {giver: marks_of(held) for giver, held in badges.items()},
            "activation_contributors": await count_activation_contributors(self._postgres, channel.id),
            "badges": [held_of(held) for held in await self._badges.on_channel(channel.id)],
            "form": ContributeForm(channel, self._contributing.terms),
            "starters": await read_starters(self._postgres, channel.id),
            "model": {"name": model.name, "state": model.state.value, "demo": model.demo},
        }
        return await self._welcoming.page(request, "channel.html", context)
