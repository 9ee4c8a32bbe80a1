"""`/embed/{name}`: a channel's chat and nothing else, for frames on the sites that the channel lists."""

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from server.api.channels import ChannelEndpoints
from server.api.operations import HTML, PAGES, Answer, Operation, described
from server.api.paths import ChannelPath
from server.api.rendering import Rendering
from server.api.security_headers import POLICY, content_security_policy
from server.api.session_status import UNKNOWN
from server.auth.origins import Origins
from server.channels.starters import read_starters
from server.domain.errors import Code
from server.storage.postgres import Postgres


class EmbedPageEndpoints:
    """The page for frames."""

    def __init__(self, channels: ChannelEndpoints, postgres: Postgres, origins: Origins, rendering: Rendering) -> None:
        self._channels = channels
        self._postgres = postgres
        self._origins = origins
        self._rendering = rendering

    @described(
        Operation(
            PAGES,
            {200: Answer("The page.", media_type=HTML)},
            path=ChannelPath,
            refusals=(Code.NOT_FOUND, Code.UNAVAILABLE),
        )
    )
    async def embed(self, request: Request) -> Response:
        """`GET /embed/{name}`: one channel's chat, for a frame. The origins that the channel lists may show it, and
        nobody else. It sets no cookie and looks at none: in a frame browsers keep them apart, or refuse them."""
        channel = await self._channels.find(request)
        context = {
            "channel": channel,
            "starters": await read_starters(self._postgres, channel.id),
            "host": urlsplit(self._origins.named_by(request.headers)).netloc,
        }
        page = self._rendering.page("embed.html", context, UNKNOWN)
        page.headers[POLICY] = content_security_policy(channel.embed_origins)
        return page
