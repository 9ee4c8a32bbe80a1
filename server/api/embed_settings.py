"""For admins: whose pages may show a channel's chat, over REST and as a page, with what a site's owner pastes."""

from html import escape
from http import HTTPStatus
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from server.api.bodies import read_body
from server.api.channels import ChannelEndpoints
from server.api.forms import read_form
from server.api.operations import HTML, PAGES, Access, Answer, Operation, described
from server.api.paths import ChannelPath
from server.api.problems import STATUS_OF_CODE
from server.api.queries import json_answer
from server.api.welcoming import Welcoming
from server.auth.callers import Callers
from server.auth.origins import Origins
from server.channels.catalog import Channel
from server.channels.embedding import Embedding
from server.domain.embed_origins import EMBED_ORIGIN_CHARACTERS_MAX, EMBED_ORIGINS_MAX
from server.domain.errors import Code, Refusal
from server.domain.rates import Action

OriginText = Annotated[str, msgspec.Meta(min_length=1, max_length=EMBED_ORIGIN_CHARACTERS_MAX)]


class EmbedChange(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Whose pages may show the chat from now on.

    Attributes:
        origins: all of them; each is https, or http on the machine itself. An empty list: nobody's.
    """

    origins: Annotated[
        list[OriginText], msgspec.Meta(max_length=EMBED_ORIGINS_MAX, examples=[["https://fans.example"]])
    ]


class EmbedAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """How a channel's chat is shown on other sites.

    Attributes:
        channel: handle of the channel.
        origins: whose pages may show it, as browsers write them; empty: nobody's.
        address: of the page for their frames.
        snippet: the HTML that puts it on a page.
    """

    channel: str
    origins: list[str]
    address: str
    snippet: str


class EmbedSettingsEndpoints:
    """`/api/admin/channels/{name}/embed`, and the page `/admin/channels/{name}/embed`."""

    def __init__(
        self, embedding: Embedding, channels: ChannelEndpoints, callers: Callers, origins: Origins, welcoming: Welcoming
    ) -> None:
        self._embedding = embedding
        self._channels = channels
        self._callers = callers
        self._origins = origins
        self._welcoming = welcoming

    @described(
        Operation(
            "Administration",
            {200: Answer(shape=EmbedAnswer)},
            path=ChannelPath,
            refusals=(Code.FORBIDDEN, Code.NOT_FOUND, Code.UNAVAILABLE),
            is_personal=True,
            counts_as=Action.ADMINISTRATION,
            access=Access.ADMIN,
        )
    )
    async def get_embed(self, request: Request) -> Response:
        """`GET /api/admin/channels/{name}/embed`: whose pages may show a channel's chat."""
        channel = await self._channels.find(request)
        return json_answer(self._answer(request, channel, channel.embed_origins))

    @described(
        Operation(
            "Administration",
            {200: Answer(shape=EmbedAnswer)},
            path=ChannelPath,
            body=EmbedChange,
            refusals=(Code.FORBIDDEN, Code.NOT_FOUND, Code.UNAVAILABLE),
            is_personal=True,
            counts_as=Action.ADMINISTRATION,
            access=Access.ADMIN,
        )
    )
    async def set_embed(self, request: Request) -> Response:
        """`PUT /api/admin/channels/{name}/embed`: let these origins' pages show a channel's chat, and no others. A page
        that is open goes on until it is loaded again; no new one gets a ticket."""
        admin = (await self._callers.require_writer(request)).identity
        channel = await self._channels.find(request)
        asked = await read_body(request, EmbedChange)
        origins = await self._embedding.allow(channel.id, asked.origins, by_user_id=admin.user_id)
        return json_answer(self._answer(request, channel, origins))

    @described(
        Operation(
            PAGES,
            {200: Answer("The page.", media_type=HTML)},
            path=ChannelPath,
            refusals=(Code.FORBIDDEN, Code.NOT_FOUND, Code.UNAVAILABLE),
            is_personal=True,
            counts_as=Action.ADMINISTRATION,
            access=Access.ADMIN,
        )
    )
    async def embed_page(self, request: Request) -> Response:
        """`GET /admin/channels/{name}/embed`: the same for people, with the form that changes it."""
        channel = await self._channels.find(request)
        return await self._page(request, channel, "\n".join(channel.embed_origins), None)

    @described(
        Operation(
            PAGES,
            {303: Answer("Back to the page.", media_type=None)},
            path=ChannelPath,
            refusals=(Code.FORBIDDEN, Code.NOT_FOUND, Code.CONFLICT, Code.UNAVAILABLE),
            is_personal=True,
            counts_as=Action.ADMINISTRATION,
            access=Access.ADMIN,
        )
    )
    async def save_embed(self, request: Request) -> Response:
        """`POST /admin/channels/{name}/embed`: the form of that page, with `origins`, one a line. What is no origin is
        shown in the form again, with 400."""
        admin = (await self._callers.require_writer(request)).identity
        channel = await self._channels.find(request)
        typed = (await read_form(request)).get("origins", "")
        try:
            await self._embedding.allow(channel.id, typed.split(), by_user_id=admin.user_id)
        except Refusal as refusal:
            if refusal.code is not Code.BAD_REQUEST:
                raise
            return await self._page(request, channel, typed, refusal)
        return RedirectResponse(f"/admin/channels/{channel.name}/embed", HTTPStatus.SEE_OTHER.value)

    def _answer(self, request: Request, channel: Channel, origins: list[str]) -> EmbedAnswer:
        address = f"{self._origins.named_by(request.headers)}/embed/{channel.name}"
        return EmbedAnswer(channel.name, origins, address, snippet_of(address, channel.title))

    async def _page(self, request: Request, channel: Channel, typed: str, refusal: Refusal | None) -> Response:
        context = {
            "channel": channel,
            "embed": self._answer(request, channel, channel.embed_origins),
            "typed": typed,
            "trouble": None if refusal is None else refusal.message,
            "origins_max": EMBED_ORIGINS_MAX,
        }
        status = HTTPStatus.OK if refusal is None else STATUS_OF_CODE[refusal.code]
        return await self._welcoming.page(request, "embed-settings.html", context, status=status)


def snippet_of(address: str, title: str) -> str:
    """The HTML that shows a channel's chat on a page.

    Args:
        address: of the page for frames.
        title: the channel's.
    """
    return (
        f'<iframe src="{escape(address)}" title="Chat with {escape(title)}" width="100%" height="640"'
        ' style="border: 0" allow="clipboard-write" loading="lazy"></iframe>'
    )
