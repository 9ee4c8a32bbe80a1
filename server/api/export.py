"""All that is one's own, in one file."""

from collections.abc import AsyncGenerator

from starlette.requests import Request
from starlette.responses import Response

from server.api.downloads import Download, Downloads
from server.api.operations import JSON, Access, Answer, Operation, described
from server.auth.callers import Callers
from server.auth.own_data import OwnData
from server.domain.errors import Code
from server.domain.rates import Action


class ExportEndpoints:
    """`/api/me/export`."""

    def __init__(self, own: OwnData, callers: Callers, downloads: Downloads) -> None:
        self._own = own
        self._callers = callers
        self._downloads = downloads

    @described(
        Operation(
            "Account",
            {200: Answer("One JSON object with a list for each kind of thing.", media_type=JSON)},
            refusals=(Code.FORBIDDEN, Code.OVERLOADED, Code.UNAVAILABLE),
            is_personal=True,
            access=Access.PERSON,
            counts_as=Action.EXPORTS,
        )
    )
    async def export_me(self, request: Request) -> Response:
        """`GET /api/me/export`: all that is the caller's own, as a file: `profile`, `accounts` (without tokens),
        `sessions`, `keys`, `contributions`, `transactions`, `badges`, and `chats` with their messages.

        A file without its end is cut off, and no JSON.
        """
        identity = await self._callers.require(request)

        def chunks() -> AsyncGenerator[bytes]:
            return self._own.json_of(identity)

        return Download(self._downloads, "tallylight-export.json", JSON, chunks)
