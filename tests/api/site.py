"""The HTTP side on a real database, asked in process; readiness and model say what a test wants."""

from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from server.api.application import application
from server.api.deps import ApiDeps, ModelState, ModelStatus, ReadyPart
from server.auth.addresses import AddressDigests, ClientAddresses
from server.auth.api_keys import ApiKeys
from server.auth.making import make_signing_in
from server.auth.origins import Origins
from server.auth.providers.options import SignInOptions
from server.auth.providers.transport import ProviderTransport
from server.auth.rate_limits import RateLimits
from server.auth.sealing import Keyring
from server.auth.sessions import SessionLimits, Sessions
from server.auth.tickets import Tickets
from server.chats.checkpoints import Checkpoints
from server.chats.erasing import Erasing
from server.chats.live_chats import LiveChats
from server.domain.settings import Settings
from server.ledger.checks import LedgerChecks
from server.ledger.contributing import Contributing
from server.ledger.credits import Credits
from server.ledger.payments.payments import Payments
from server.ledger.payments.provider import PaymentProvider
from server.ledger.payments.sandbox import Sandbox
from server.ledger.reversal_requests import Reversals
from server.storage.postgres import Postgres
from server.storage.redis import Redis
from server.storage.settings import LiveSettings
from server.storage.windows import Windows
from server.ws import asyncapi
from server.ws.encoding import encode_event
from tests.support.payments import PaperProvider

ROOT = Path(__file__).parent.parent.parent
PORT = 8420
CURSOR_SECRET = b"a secret of at least 16 bytes"
LIMITS = SessionLimits(idle_seconds=1_000, absolute_seconds=2_500, renewal_seconds=100)


@dataclass
class Site:
    """A server without a network.

    Attributes:
        redis: for tickets; by default there is none.
        public_urls: its own addresses; requests go to the first.
        settings: as they are set.
        is_https_only: as in production.
        trusted_proxies: whose X-Forwarded-For is believed.
        provider: who takes the money.
        parts: what readiness says.
        model: what the model says.
    """

    postgres: Postgres
    redis: Redis = field(default_factory=lambda: Redis.open("redis://127.0.0.1:1"))
    public_urls: tuple[str, ...] = (f"http://127.0.0.1:{PORT}",)
    templates_path: Path = ROOT / "templates"
    static_path: Path = ROOT / "static"
    settings: Settings = field(default_factory=lambda: Settings(limits_factor=100_000))
    is_https_only: bool = False
    trusted_proxies: tuple[str, ...] = ()
    provider: PaymentProvider | None = field(default_factory=PaperProvider)
    parts: list[ReadyPart] = field(default_factory=list)
    model: ModelStatus = field(default_factory=lambda: ModelStatus("scripted", ModelState.READY, demo=True))

    def app(self, *more_routes: BaseRoute) -> Starlette:
        sessions, keys = Sessions(self.postgres, LIMITS), ApiKeys(self.postgres)

        sandbox = Sandbox(self.postgres, CURSOR_SECRET, self.public_urls[0])

        async def readiness() -> list[ReadyPart]:
            return self.parts

        return application(
            ApiDeps(
                postgres=self.postgres,
                redis=self.redis,
                sessions=sessions,
                keys=keys,
                tickets=Tickets(self.redis, sessions, keys),
                reversals=Reversals(self.postgres, Credits(self.postgres, self.redis)),
                ledger_checks=LedgerChecks(self.postgres, self.redis),
                is_https_only=self.is_https_only,
                limits=RateLimits(
                    Windows(self.redis),
                    ClientAddresses(self.trusted_proxies),
                    AddressDigests(CURSOR_SECRET),
                    factor=lambda: self.settings.limits_factor,
                ),
                origins=Origins(self.public_urls),
                contributing=Contributing(self.postgres, LiveSettings(self.postgres, self.settings), self.provider),
                payments=Payments(
                    self.postgres,
                    Credits(self.postgres, self.redis),
                    lambda balance, why: None,
                    providers={sandbox.name: sandbox},
                    current=sandbox.name,
                ),
                sandbox=sandbox,
                erase_chats=self._erasing().erase_chats_of,
                readiness=readiness,
                model_status=lambda: self.model,
                signing_in=make_signing_in(
                    SignInOptions(), self.postgres, sessions, ProviderTransport(), secret="a secret of the tests"
                ),
                keyring=Keyring(["a secret of the tests"]),
                development_issuer=None,
                cursor_secret=CURSOR_SECRET,
                websocket_document=asyncapi.document(),
                templates_path=self.templates_path,
                static_path=self.static_path,
            ),
            more_routes=more_routes,
        )

    def _erasing(self) -> Erasing:
        live_chats, checkpoints = LiveChats(self.postgres, encode_event), Checkpoints(self.redis)
        return Erasing(
            self.postgres, Credits(self.postgres, self.redis), checkpoints, live_chats, lambda balance, why: None
        )

    def client(self, *more_routes: BaseRoute) -> httpx2.AsyncClient:
        """A browser: it keeps cookies."""
        transport = httpx2.ASGITransport(app=self.app(*more_routes))
        return httpx2.AsyncClient(transport=transport, base_url=self.public_urls[0])
