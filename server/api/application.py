"""Puts the HTTP side together: endpoints, the order of the middleware, and the Starlette application around both."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute
from starlette.types import Lifespan
from starlette_compress import CompressMiddleware

from server.api import routes as table
from server.api.access import AccessCheck
from server.api.account_deletion import DeletionEndpoints
from server.api.account_routes import AccountEndpoints
from server.api.admin import AdminEndpoints
from server.api.badges import BadgeEndpoints
from server.api.body_limit import BodyLimit
from server.api.channels import ChannelEndpoints
from server.api.chats import ChatEndpoints
from server.api.checkout import CheckoutEndpoints
from server.api.contract import rest_document
from server.api.contribute_pages import ContributeEndpoints
from server.api.contribution_page import ContributionPageEndpoints
from server.api.contributions import ContributionEndpoints
from server.api.contributors import ContributorEndpoints
from server.api.cursors import Cursors
from server.api.deps import ApiDeps
from server.api.development_issuer import development_mount
from server.api.documents import DocumentEndpoints
from server.api.downloads import Downloads
from server.api.embed_cors import EmbedCors
from server.api.embed_page import EmbedPageEndpoints
from server.api.embed_routes import EmbedEndpoints
from server.api.embed_settings import EmbedSettingsEndpoints
from server.api.embed_sign_in import EmbedSignInEndpoints
from server.api.export import ExportEndpoints
from server.api.failures import ErrorAnswers, Failures
from server.api.flood_limit import FloodLimit
from server.api.guard import Guard
from server.api.health import HealthEndpoints
from server.api.idempotency import Idempotency
from server.api.keys import KeyEndpoints
from server.api.linked_accounts import LinkedAccountEndpoints
from server.api.me import MeEndpoints
from server.api.messages import MessageEndpoints
from server.api.own_transactions import OwnTransactionEndpoints
from server.api.pages import PageEndpoints
from server.api.payment_events import PaymentEventEndpoints
from server.api.rendering import Rendering
from server.api.request_log import RequestLog
from server.api.same_paths import joined
from server.api.security_headers import HSTS, SecurityHeaders
from server.api.sessions import SessionEndpoints
from server.api.settings_pages import SettingsPageEndpoints
from server.api.sign_in import SignInEndpoints
from server.api.static_files import Assets, StaticFolder
from server.api.tickets import TicketEndpoints
from server.api.transaction_csv import TransactionCsvEndpoints
from server.api.transaction_pages import TransactionPageEndpoints
from server.api.transactions import TransactionEndpoints
from server.api.users import UserEndpoints
from server.api.webhooks import WEBHOOK_BODY_BYTES_MAX, WEBHOOKS_PREFIX, WebhookEndpoints
from server.api.welcoming import Welcoming
from server.auth.attempts import Attempts
from server.auth.callers import Callers
from server.auth.cookies import SessionCookie
from server.auth.embed_codes import EmbedCodes
from server.auth.notices import Notices
from server.auth.own_data import OwnData
from server.auth.own_sessions import OwnSessions
from server.auth.profiles import Profiles
from server.auth.visitors import Visitors
from server.channels.catalog import Catalog
from server.channels.embedding import Embedding
from server.chats.listing import ChatListing
from server.ledger.badge_lists import BadgeLists
from server.ledger.transactions import Transactions
from server.storage.idempotency import IdempotencyKeys


def application(
    deps: ApiDeps, *, more_routes: Sequence[BaseRoute] = (), lifespan: Lifespan[Any] | None = None
) -> Starlette:
    """The application.

    Args:
        deps: what the HTTP side needs.
        more_routes: of other rooms, such as the websocket's; they are asked first.
        lifespan: what starts and ends with it.
    """
    visitors = Visitors(deps.sessions, SessionCookie(deps.origins, deps.sessions.limits.absolute_seconds))
    callers = Callers(visitors, deps.keys, deps.origins)
    guard = Guard(callers, deps.limits, AccessCheck(callers, deps.origins))
    assets = Assets(deps.static_path)
    rendering = Rendering(deps.templates_path, assets, can_sign_in=bool(deps.signing_in.providers))

    errors = ErrorAnswers(rendering, visitors)

    app = Starlette(
        routes=[
            *more_routes,
            *_development(deps, rendering),
            *joined(guard.around(_routes(deps, assets, rendering, visitors, callers))),
        ],
        middleware=[
            Middleware(RequestLog),
            Middleware(SecurityHeaders, HSTS if deps.is_https_only else None),
            Middleware(CompressMiddleware),
            Middleware(Failures, errors),
            Middleware(FloodLimit, deps.limits),
            Middleware(BodyLimit, others={WEBHOOKS_PREFIX: WEBHOOK_BODY_BYTES_MAX}),
            Middleware(EmbedCors, Embedding(deps.postgres), deps.origins),
        ],
        exception_handlers={HTTPException: errors.answer},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # it would write the Host header into an address
    return app


def _development(deps: ApiDeps, rendering: Rendering) -> list[BaseRoute]:
    issuer = deps.development_issuer
    return [] if issuer is None else [development_mount(issuer, rendering, deps.origins)]


def _routes(
    deps: ApiDeps, assets: Assets, rendering: Rendering, visitors: Visitors, callers: Callers
) -> list[BaseRoute]:
    cookie = SessionCookie(deps.origins, deps.sessions.limits.absolute_seconds)
    notices = Notices(deps.keyring, secure=cookie.secure)
    cursors, catalog = Cursors(deps.cursor_secret), Catalog(deps.postgres)
    listing, badges = ChatListing(deps.postgres), BadgeLists(deps.postgres)
    idempotency = Idempotency(IdempotencyKeys(deps.postgres))
    channels, welcoming = ChannelEndpoints(catalog, cursors, deps.model_status), Welcoming(visitors, rendering, notices)
    lists, downloads = Transactions(deps.postgres), Downloads()
    transactions = TransactionEndpoints(lists, channels, cursors)
    own = OwnTransactionEndpoints(lists, deps.postgres, catalog, callers, cursors)
    return table.routes(
        pages=PageEndpoints(
            channels=channels,
            badges=badges,
            contributing=deps.contributing,
            postgres=deps.postgres,
            welcoming=welcoming,
            model_status=deps.model_status,
        ),
        documents=DocumentEndpoints(rest_document(), deps.websocket_document, welcoming),
        channels=channels,
        badges=BadgeEndpoints(badges, catalog, callers, welcoming),
        contributions=ContributionEndpoints(deps.postgres, deps.contributing, catalog, callers, idempotency),
        contribute=ContributeEndpoints(deps.contributing, catalog, callers, welcoming, idempotency),
        contribution_page=ContributionPageEndpoints(deps.postgres, visitors, welcoming),
        chats=ChatEndpoints(listing, catalog, callers, cursors),
        messages=MessageEndpoints(listing, callers),
        embeds=_embeds(deps, rendering, channels, _Shared(callers, visitors, cursors, welcoming)),
        transactions=transactions,
        own_transactions=own,
        transaction_csv=TransactionCsvEndpoints(lists, channels, own, callers, downloads),
        transaction_pages=TransactionPageEndpoints(
            channels=channels,
            transactions=transactions,
            own=own,
            badges=badges,
            visitors=visitors,
            welcoming=welcoming,
        ),
        contributors=ContributorEndpoints(deps.postgres, badges, channels, cursors),
        account=_account(deps, _Shared(callers, visitors, cursors, welcoming), badges, downloads),
        admin=AdminEndpoints(callers, idempotency, deps.reversals, deps.ledger_checks),
        payment_events=PaymentEventEndpoints(deps.postgres, cursors, welcoming),
        checkout=CheckoutEndpoints(deps.sandbox, deps.postgres, welcoming),
        webhooks=WebhookEndpoints(deps.payments),
        signing_in=SignInEndpoints(
            signing_in=deps.signing_in,
            attempts=Attempts(deps.keyring, secure=cookie.secure),
            notices=notices,
            cookie=cookie,
            callers=callers,
            visitors=visitors,
            welcoming=welcoming,
        ),
        accounts=LinkedAccountEndpoints(deps.signing_in, callers, visitors, welcoming, notices),
        health=HealthEndpoints(deps.readiness),
        static=StaticFolder(deps.static_path, assets),
    )


class _Shared(NamedTuple):
    """What most endpoints work with."""

    callers: Callers
    visitors: Visitors
    cursors: Cursors
    welcoming: Welcoming


def _embeds(deps: ApiDeps, rendering: Rendering, channels: ChannelEndpoints, shared: _Shared) -> EmbedEndpoints:
    callers, origins, catalog = shared.callers, deps.origins, Catalog(deps.postgres)
    return EmbedEndpoints(
        page=EmbedPageEndpoints(channels, deps.postgres, origins, rendering),
        settings=EmbedSettingsEndpoints(Embedding(deps.postgres), channels, callers, origins, shared.welcoming),
        signing_in=EmbedSignInEndpoints(
            channels=channels,
            catalog=catalog,
            codes=EmbedCodes(deps.redis),
            sessions=deps.sessions,
            own=OwnSessions(deps.postgres),
            signing_in=deps.signing_in,
            callers=callers,
            visitors=shared.visitors,
            welcoming=shared.welcoming,
        ),
        tickets=TicketEndpoints(deps.tickets, deps.sessions, catalog, callers, deps.limits),
    )


def _account(deps: ApiDeps, shared: _Shared, badges: BadgeLists, downloads: Downloads) -> AccountEndpoints:
    callers, visitors, cursors, welcoming = shared
    own, profiles = OwnSessions(deps.postgres), Profiles(deps.postgres)
    return AccountEndpoints(
        deletion=DeletionEndpoints(deps.postgres, deps.erase_chats, callers, visitors, welcoming),
        export=ExportEndpoints(OwnData(deps.postgres), callers, downloads),
        me=MeEndpoints(profiles, callers),
        settings=SettingsPageEndpoints(profiles, callers, visitors, welcoming),
        users=UserEndpoints(profiles, badges, deps.postgres, welcoming),
        sessions=SessionEndpoints(own, callers, visitors, cursors, welcoming),
        keys=KeyEndpoints(deps.keys, callers, visitors, welcoming),
    )
