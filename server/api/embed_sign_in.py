"""Signing in in a chat on another site: a window of our own site asks, the frame that opened it gets a code, and that
makes the visitor of the frame a user."""

from typing import Annotated, Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from server.api.bodies import read_body
from server.api.channels import ChannelEndpoints
from server.api.embed_window import keeping_opener
from server.api.forms import read_form
from server.api.operations import HTML, PAGES, Access, Answer, Operation, described
from server.api.paths import ChannelPath
from server.api.queries import json_answer, read_query
from server.api.sign_in import LAST_NAME
from server.api.tickets import EMBED_SESSION_CHARACTERS_MAX
from server.api.welcoming import Welcoming
from server.auth.callers import Callers
from server.auth.embed_codes import EmbedCodes, EmbedGrant
from server.auth.own_sessions import OwnSessions
from server.auth.sessions import Frame, Sessions
from server.auth.signing_in import SigningIn
from server.auth.visitors import Visitors
from server.channels.catalog import Catalog, Channel
from server.domain.devices import device_of
from server.domain.embed_origins import EMBED_ORIGIN_CHARACTERS_MAX
from server.domain.errors import Code, Refusal
from server.domain.rates import Action

VERIFIER_CHARACTERS_MIN: Final = 43
VERIFIER_CHARACTERS_MAX: Final = 128
"""RFC 7636, section 4.1."""

SecretText = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{43}$")]
StateText = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{22}$")]
SiteText = Annotated[str, msgspec.Meta(max_length=EMBED_ORIGIN_CHARACTERS_MAX)]


class EmbedSignInQuery(msgspec.Struct, frozen=True, rename="camel"):
    """What the frame asks for.

    Attributes:
        challenge: the SHA-256 of its secret, as base64url without padding.
        state: what it knows the answer by.
        site: the origin of the page around the frame, to name it; left out: it is not known.
    """

    challenge: SecretText
    state: StateText
    site: SiteText | None = None


class EmbedExchange(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A code, and what proves that it is for whoever brings it.

    Attributes:
        channel: handle, in any case, or id of the channel.
        code: as the window gave it.
        verifier: the secret.
        embed_session: of the frame, which becomes the user's; left out, or ended: a new one begins.
    """

    channel: Annotated[str, msgspec.Meta(min_length=1, max_length=64, examples=["deep-sea-lab"])]
    code: Annotated[str, msgspec.Meta(max_length=64)]
    verifier: Annotated[str, msgspec.Meta(min_length=VERIFIER_CHARACTERS_MIN, max_length=VERIFIER_CHARACTERS_MAX)]
    embed_session: Annotated[str, msgspec.Meta(max_length=EMBED_SESSION_CHARACTERS_MAX)] | None = None


class EmbedSession(msgspec.Struct, frozen=True, rename="camel"):
    """The session of a frame, signed in.

    Attributes:
        embed_session: its new token; the old one is worth nothing any more.
        name: the user's name; null: none was chosen so far.
    """

    embed_session: str
    name: str | None


class EmbedSignInEndpoints:
    """`/embed/{name}/sign-in` and `/api/embed-sessions`."""

    def __init__(
        self,
        *,
        channels: ChannelEndpoints,
        catalog: Catalog,
        codes: EmbedCodes,
        sessions: Sessions,
        own: OwnSessions,
        signing_in: SigningIn,
        callers: Callers,
        visitors: Visitors,
        welcoming: Welcoming,
    ) -> None:
        self._channels = channels
        self._catalog = catalog
        self._codes = codes
        self._sessions = sessions
        self._own = own
        self._signing_in = signing_in
        self._callers = callers
        self._visitors = visitors
        self._welcoming = welcoming

    @described(
        Operation(
            PAGES,
            {200: Answer("The page.", media_type=HTML)},
            path=ChannelPath,
            query=EmbedSignInQuery,
            refusals=(Code.FORBIDDEN, Code.NOT_FOUND, Code.UNAVAILABLE),
            begins_session=True,
            shows_own=True,
        )
    )
    async def window(self, request: Request) -> Response:
        """`GET /embed/{name}/sign-in`: the window that a frame opens. Who is not signed in signs in first; who is says
        whether the chat may know."""
        channel = await self._channels.find(request)
        asked = read_query(request, EmbedSignInQuery)
        words = {"challenge": asked.challenge, "state": asked.state}
        site = _listed(channel, asked.site)
        if site is not None:
            words["site"] = site
        last = request.cookies.get(LAST_NAME)
        here = f"/embed/{channel.name}/sign-in?{urlencode(words)}"
        context: dict[str, Any] = {
            "channel": channel,
            "site": None if site is None else urlsplit(site).netloc,
            "asked": words,
            "next_path": here,
            "providers": list(self._signing_in.providers.values()),
            "last": last if last in self._signing_in.providers else None,
        }
        return keeping_opener(await self._welcoming.page(request, "embed-sign-in.html", context), here)

    @described(
        Operation(
            PAGES,
            {200: Answer("A page that hands the code over and closes.", media_type=HTML)},
            path=ChannelPath,
            refusals=(Code.FORBIDDEN, Code.NOT_FOUND, Code.UNAVAILABLE),
            is_personal=True,
            access=Access.USER,
            counts_as=Action.SIGN_INS,
        )
    )
    async def confirm(self, request: Request) -> Response:
        """`POST /embed/{name}/sign-in`: the form of that page. Only a page of our own origin gets the code."""
        writer = await self._callers.require_writer(request)
        user_id = writer.identity.user_id
        assert user_id is not None
        assert writer.origin is not None
        channel = await self._channels.find(request)
        fields = await read_form(request)
        try:
            asked = msgspec.convert(fields, EmbedSignInQuery)
        except msgspec.ValidationError as error:
            raise Refusal(Code.BAD_REQUEST, f"The form is not right: {error}.") from error
        site = _listed(channel, asked.site)
        code = await self._codes.issue(EmbedGrant(user_id, channel.id, writer.origin, asked.challenge, site))
        context = {"channel": channel, "state": asked.state, "code": code}
        page = await self._welcoming.page(request, "embed-return.html", context)
        return keeping_opener(page, request.url.path)

    @described(
        Operation(
            "Chats",
            {200: Answer(shape=EmbedSession)},
            body=EmbedExchange,
            refusals=(Code.FORBIDDEN, Code.NOT_FOUND, Code.UNAVAILABLE),
            shows_own=True,
            access=Access.OWN_PAGE,
            counts_as=Action.SIGN_INS,
        )
    )
    async def exchange(self, request: Request) -> Response:
        """`POST /api/embed-sessions`: signs the visitor of a frame in. What they did there becomes the user's, their
        session gets a new token, and its sockets go on as the user. No cookie is looked at."""
        origin = self._callers.require_own_origin(request)
        asked = await read_body(request, EmbedExchange)
        channel = await self._catalog.find(asked.channel)
        if channel is None:
            raise Refusal(Code.NOT_FOUND, "There is no such channel.")
        frame = Frame(channel.id, origin)
        grant = await self._codes.redeem(asked.code, asked.verifier, frame)
        visitor = await self._sessions.find(asked.embed_session, frame)
        signed_in = await self._sessions.sign_in(
            None if visitor is None else visitor.session_id,
            grant.user_id,
            device=_device(request, channel, grant.site),
            frame=frame,
        )
        if visitor is not None and signed_in.is_fresh:  # nobody holds its token from now on
            await self._own.end(visitor, visitor.session_id)
        return json_answer(EmbedSession(signed_in.token, signed_in.identity.name))


def _listed(channel: Channel, site: str | None) -> str | None:
    """The site that may be named; None: it is not known.

    Raises:
        Refusal: forbidden, the channel does not list it.
    """
    if site is not None and site not in channel.embed_origins:
        raise Refusal(Code.FORBIDDEN, "The pages of this site may not show this channel's chat.")
    return site


def _device(request: Request, channel: Channel, site: str | None) -> str:
    browser = device_of(request.headers.get("user-agent")) or "A browser"
    return f"{browser}, in the chat of {channel.title} on {urlsplit(site).netloc if site else 'another site'}"
