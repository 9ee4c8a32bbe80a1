"""The composition root: one gateway process from its configuration. Nobody imports it but the command line and tests.

Everything is started and ended by the application's lifespan, in this order: Postgres, Redis, settings, the model, the
node with its background tasks, the pages and the websocket.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from server.api.application import application
from server.api.deps import ApiDeps, ModelState, ModelStatus, ReadyPart
from server.auth.addresses import AddressDigests, ClientAddresses
from server.auth.api_keys import ApiKeys
from server.auth.cookies import SessionCookie
from server.auth.making import make_signing_in, with_development
from server.auth.origins import Origins
from server.auth.providers.transport import ProviderTransport
from server.auth.rate_limits import RateLimits
from server.auth.sealing import Keyring
from server.auth.sessions import SessionLimits, Sessions
from server.auth.tickets import Tickets
from server.channels.catalog import ChannelSort
from server.config import Config, Environment, ModelConfig, ModelKind
from server.domain.channels import ChannelStatus
from server.domain.settings import Settings
from server.gateway import Gateway, GatewayParts
from server.ledger.checks import LedgerChecks
from server.ledger.contributing import Contributing
from server.ledger.payments.making import make_providers, make_sandbox
from server.ledger.payments.options import Taker
from server.ledger.payments.payments import Payments
from server.ledger.payments.polling import Poller
from server.ledger.payments.provider import PaymentProvider
from server.ledger.payments.sandbox import Sandbox
from server.ledger.payments.sweeping import Sweeper
from server.ledger.reversal_requests import Reversals
from server.llm.answers import AnswerLimits, Answers
from server.llm.model import Model, PromptMessage
from server.llm.openai_model import OpenAIModel, OpenAIOptions
from server.llm.prompts import Spoken, Window, fit
from server.llm.scripted_model import ScriptedModel
from server.llm.tokens import count_off_loop
from server.llm.watch import WARMING_TOKENS, ModelWatch, WarmingPrompts
from server.storage.postgres import Postgres
from server.storage.redis import Redis
from server.storage.settings import LiveSettings
from server.storage.windows import Windows
from server.ws import asyncapi
from server.ws.commands import CommandDeps, Commands
from server.ws.door import Door
from server.ws.endpoint import Endpoint, EndpointDeps
from server.ws.identity_watch import IdentityWatch

log = structlog.get_logger(__name__)

ROOT: Final = Path(__file__).resolve().parent.parent
LOCAL_SAMPLING: Final = {"temperature": 0.3, "repeat_penalty": 1.15, "cache_prompt": True}
"""Without these the small model repeats itself, and reads the whole prompt for every message."""
WARMED_CHANNELS_MAX: Final = 4
"""Channels whose prompts a small model reads after the start; each takes it some ten seconds."""


class _App:
    """Builds and ends what one process needs; the application serves nothing before it is built."""

    def __init__(self, config: Config, *, is_sole: bool, own_url: str | None) -> None:
        self._config = config
        self._is_sole = is_sole
        self._own_url = own_url
        self._origins = Origins(config.public_urls)
        self._secret = config.secret.encode()
        self._sign_in, self._issuer = with_development(config.sign_in, own_url=own_url, public_urls=config.public_urls)

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Start everything, serve, end everything."""
        config = self._config
        async with AsyncExitStack() as stack:
            postgres = await Postgres.open(config.database_url)
            stack.push_async_callback(postgres.close)
            redis = Redis.open(config.redis_url)
            stack.push_async_callback(redis.close)
            settings = LiveSettings(postgres, Settings().with_texts(config.setting_texts))
            await settings.load()
            await count_off_loop("")  # reads the vocabulary, a third of a second, before the first fan asks
            model = _make_model(config.model)
            stack.push_async_callback(model.aclose)
            answers = Answers(model, AnswerLimits(first_token_seconds=config.model.first_token_timeout_seconds))
            parts = GatewayParts(
                postgres=postgres,
                redis=redis,
                settings=settings,
                answers=answers,
                answer_tokens_max=config.model.answer_tokens,
                has_many_models=config.model.kind is ModelKind.OPENAI,
                times=config.lease,
                is_sole=self._is_sole,
            )
            gateway = await stack.enter_async_context(Gateway.running(parts))
            watch = ModelWatch(model, self._warming_prompts(gateway, model) if _is_local(config.model) else None)
            gateway.start(watch.run)
            sandbox = make_sandbox(config.payments, postgres, secret=self._secret, own_url=self._own_url)
            payments = self._payments(gateway, parts, make_providers(config.payments, sandbox, stack))
            if sandbox is not None:
                gateway.start(sandbox.run)
            transport = ProviderTransport()
            stack.push_async_callback(transport.close)
            app.state.gateway = gateway
            # No route: its pattern would end at a line break.
            app.router.default = self._site(gateway, parts, watch, payments, sandbox, transport=transport)
            yield

    def _payments(self, gateway: Gateway, parts: GatewayParts, providers: Mapping[str, PaymentProvider]) -> Payments:
        """Who takes money, with what looks after it in the background."""
        taker = self._config.payments.taker
        payments = Payments(
            parts.postgres,
            gateway.credits,
            gateway.watching.balance_changed,
            providers=providers,
            current=None if taker is Taker.NONE else taker.value,
            channel_changed=gateway.watching.channel_changed,
        )
        gateway.start(Sweeper(parts.postgres, payments).run)
        gateway.start(Poller(parts.postgres, payments).run)
        return payments

    def _site(
        self,
        gateway: Gateway,
        parts: GatewayParts,
        watch: ModelWatch,
        payments: Payments,
        sandbox: Sandbox | None,
        *,
        transport: ProviderTransport,
    ) -> Starlette:
        """The pages, the REST side and the websocket."""
        sessions, keys, settings = Sessions(parts.postgres, SessionLimits()), ApiKeys(parts.postgres), parts.settings
        tickets = Tickets(parts.redis, sessions, keys)
        door = Door(sessions, tickets)
        addresses, digests = ClientAddresses(self._config.trusted_proxies), AddressDigests(self._secret)
        limits = RateLimits(Windows(parts.redis), addresses, digests, factor=lambda: settings.current.limits_factor)
        gateway.start(IdentityWatch(parts.postgres, keys, gateway.sockets, settings).run)
        checks = LedgerChecks(parts.postgres, parts.redis, daily_hour=self._config.ledger_check_hour)
        gateway.start(checks.run)
        endpoint = Endpoint(
            EndpointDeps(
                node=gateway.node,
                carry_out=_commands(gateway, parts, door).carry_out,
                sockets=gateway.sockets,
                settings=parts.settings,
                origins=self._origins,
                cookie=SessionCookie(self._origins, sessions.limits.absolute_seconds),
                door=door,
                addresses=addresses,
                digests=digests,
                limits=limits,
                is_draining=lambda: gateway.is_draining,
            )
        )
        deps = ApiDeps(
            postgres=parts.postgres,
            redis=parts.redis,
            sessions=sessions,
            keys=keys,
            tickets=tickets,
            reversals=Reversals(parts.postgres, gateway.credits, gateway.watching.balance_changed),
            ledger_checks=checks,
            limits=limits,
            is_https_only=self._config.environment is Environment.PRODUCTION and self._origins.https_only,
            origins=self._origins,
            contributing=Contributing(parts.postgres, parts.settings, payments.current),
            payments=payments,
            sandbox=sandbox,
            erase_chats=gateway.erasing.erase_chats_of,
            readiness=lambda: _readiness(gateway, parts, watch),
            model_status=lambda: self._model_status(watch),
            signing_in=make_signing_in(self._sign_in, parts.postgres, sessions, transport, secret=self._config.secret),
            keyring=Keyring([self._config.secret]),
            development_issuer=self._issuer,
            cursor_secret=self._secret,
            websocket_document=asyncapi.document(),
            templates_path=ROOT / "templates",
            static_path=ROOT / "static",
        )
        return application(deps, more_routes=[WebSocketRoute("/ws", endpoint)])

    def _model_status(self, watch: ModelWatch) -> ModelStatus:
        is_demo = self._config.model.kind is not ModelKind.OPENAI
        return ModelStatus(self._config.model.name, ModelState(watch.reach.value), is_demo)

    @staticmethod
    def _warming_prompts(gateway: Gateway, model: Model) -> WarmingPrompts:
        async def prompts() -> Sequence[Sequence[PromptMessage]]:
            page = await gateway.catalog.page(
                status=ChannelStatus.ACTIVE, sort=ChannelSort.TITLE, limit=WARMED_CHANNELS_MAX
            )
            contexts = [await gateway.knowledge.freeze(channel.id) for channel in page.items]
            return [
                await fit(
                    context.persona,
                    context.knowledge,
                    (),
                    Spoken("user", "Hello", WARMING_TOKENS),
                    Window.of(model, WARMING_TOKENS),
                )
                for context in contexts
            ]

        return prompts


def create_app(config: Config, *, is_sole: bool = False, own_url: str | None = None) -> Starlette:
    """One gateway process.

    Args:
        config: where everything is.
        is_sole: whether no other process can serve these chats (`tallylight run`): what a killed one left behind is
            finished at once instead of after its lease.
        own_url: where this server answers, as this machine reaches it; only the sandbox needs it.
    """
    return Starlette(lifespan=_App(config, is_sole=is_sole, own_url=own_url).lifespan)


def _is_local(model: ModelConfig) -> bool:
    return model.kind is ModelKind.LOCAL


def _make_model(config: ModelConfig) -> Model:
    if config.base_url is None:
        return ScriptedModel(window_tokens=config.window_tokens)
    return OpenAIModel(
        OpenAIOptions(
            model=config.name,
            base_url=config.base_url,
            api_key=config.api_key,
            window_tokens=config.window_tokens,
            english_only=_is_local(config),
            max_tokens_field="max_tokens" if _is_local(config) else "max_completion_tokens",
            extra_body=LOCAL_SAMPLING if _is_local(config) else {},
        )
    )


def _commands(gateway: Gateway, parts: GatewayParts, door: Door) -> Commands:
    return Commands(
        CommandDeps(
            node_id=gateway.node.id,
            door=door,
            catalog=gateway.catalog,
            opening=gateway.opening,
            sending=gateway.sending,
            closing=gateway.closing,
            watching=gateway.watching,
            settings=parts.settings,
            sockets=gateway.sockets,
        )
    )


async def _readiness(gateway: Gateway, parts: GatewayParts, watch: ModelWatch) -> Sequence[ReadyPart]:
    """Postgres and Redis answer, and the model was reached once; its later trouble is told and does not count."""
    return [
        ReadyPart("gateway", not gateway.is_draining, note="draining" if gateway.is_draining else None),
        await _part("postgres", parts.postgres.ping),
        await _part("redis", parts.redis.ping),
        ReadyPart("model", watch.was_reached, note=watch.reach.value),
    ]


async def _part(name: str, ping: Callable[[], Awaitable[None]]) -> ReadyPart:
    try:
        await ping()
    except Exception as error:
        log.warning("part_not_ready", part=name, error=repr(error))
        return ReadyPart(name, ready=False, note="does not answer")
    return ReadyPart(name, ready=True)
