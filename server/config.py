"""The configuration of one server process, read once from the environment; wrong values are all told at once."""

import ipaddress
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from server.auth.providers.environment import read_sign_in
from server.auth.providers.options import SignInOptions
from server.chats.nodes import LeaseTimes
from server.domain.errors import Refusal
from server.domain.origins import origin_of
from server.domain.settings import known, texts_from_environment
from server.ledger.checks import DAILY_HOUR
from server.ledger.payments.options import PaymentOptions, StripeOptions, Taker

DEFAULT_PORT = 8420
SHORTEST_SECRET_CHARACTERS = 32
OPENAI_BASE_URL = "https://api.openai.com/v1"
SHORTEST_WEBHOOK_SECRET_CHARACTERS = 16
MOST_WEBHOOK_SECRETS = 4

SCRIPTED_NAME = "scripted"
LEAST_LEASE_SECONDS = 0.1
MOST_LEASE_SECONDS = 600.0
LEAST_WINDOW_TOKENS = 1_000
MOST_WINDOW_TOKENS = 10_000_000


class ConfigurationInvalid(Exception):
    """The environment does not describe a server that could run.

    Attributes:
        problems: one sentence each, naming the variable and what it should be.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Environment(StrEnum):
    """What TALLYLIGHT_ENV may say."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"


class ModelKind(StrEnum):
    """What TALLYLIGHT_LLM may say."""

    LOCAL = "local"
    """The small model that `tallylight run` serves on this machine, or one like it: reached as OpenAI's, with more time
    and less to read."""

    OPENAI = "openai"
    """Any server that speaks as OpenAI's does."""

    SCRIPTED = "scripted"
    """Canned answers, in this process."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Which model answers, and what it can take.

    Attributes:
        name: what the provider calls it; pages show it.
        base_url: None for the scripted one.
        api_key: empty if the provider wants none.
        window_tokens: prompt and answer together, by our own count.
        answer_tokens: of one answer at most; the setting ``chat.answer_tokens`` may be lower.
        first_token_timeout_seconds: then the answer has failed.
    """

    kind: ModelKind
    name: str
    base_url: str | None
    api_key: str = field(repr=False)
    window_tokens: int
    answer_tokens: int
    first_token_timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Config:
    """Everything a gateway process is told.

    Attributes:
        environment: production logs JSON; development is for people's eyes.
        public_urls: our own origins, such as ``https://chat.example``.
        database_url: ``postgresql://user:password@host:port/database``.
        redis_url: ``redis://``, ``rediss://`` or ``unix://``.
        secret: keys digests of addresses; the same on all processes.
        model: which model answers.
        setting_texts: settings that the environment sets, by key; all of them can be parsed.
        lease: by what other processes tell that this one is dead.
        trusted_proxies: addresses or networks whose X-Forwarded-For is believed.
        payments: who takes them.
        sign_in: with whom people sign in.
        drain_seconds: what running answers get when the process is told to end.
        ledger_check_hour: 0 to 23, of the UTC day: from then on one process checks the ledger, once a day.
    """

    environment: Environment
    public_urls: Sequence[str]
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    secret: str = field(repr=False)
    model: ModelConfig
    setting_texts: Mapping[str, str]
    lease: LeaseTimes
    trusted_proxies: Sequence[str]
    payments: PaymentOptions
    sign_in: SignInOptions
    drain_seconds: float
    ledger_check_hour: int = DAILY_HOUR


def read_config(environment: Mapping[str, str], *, drain_seconds: float) -> Config:
    """The configuration that these variables describe.

    Args:
        environment: names and values; an empty value counts as none.
        drain_seconds: see `Config`.

    Raises:
        ConfigurationInvalid: with every problem found.
    """
    reader = _Reader(environment)
    kind = Environment(reader.choice("TALLYLIGHT_ENV", Environment, Environment.PRODUCTION))
    public_urls = reader.origins("TALLYLIGHT_PUBLIC_URL", "https://chat.example")
    sign_in, problems = read_sign_in(environment, is_production=kind is Environment.PRODUCTION)
    reader.problems.extend(problems)
    config = Config(
        environment=kind,
        public_urls=public_urls,
        database_url=reader.url(
            "TALLYLIGHT_DATABASE_URL", ("postgresql", "postgres"), "postgresql://user:password@host/db"
        ),
        redis_url=reader.url("TALLYLIGHT_REDIS_URL", ("redis", "rediss", "unix"), "redis://host:6379/0"),
        secret=reader.secret("TALLYLIGHT_SECRET"),
        model=_read_model(reader, environment),
        setting_texts=_read_settings(reader, environment),
        lease=_read_lease(reader),
        trusted_proxies=reader.networks("TALLYLIGHT_TRUSTED_PROXIES"),
        payments=_read_payments(reader, kind, public_urls),
        sign_in=sign_in,
        drain_seconds=drain_seconds,
        ledger_check_hour=reader.whole_number("TALLYLIGHT_LEDGER_CHECK_HOUR", DAILY_HOUR, 0, 23),
    )
    if reader.problems:
        raise ConfigurationInvalid(reader.problems)
    return config


def model_kind(environment: Mapping[str, str], *, otherwise: ModelKind) -> ModelKind:
    """Which kind of model these variables ask for: what TALLYLIGHT_LLM says, else a named model at OpenAI or at another
    base URL, else the given kind. A key alone is not enough: it may lie in the environment for other programs.

    Raises:
        ConfigurationInvalid: TALLYLIGHT_LLM says something else.
    """
    reader = _Reader(environment)
    reachable = reader.text("OPENAI_API_KEY") or reader.text("OPENAI_BASE_URL")
    default = ModelKind.OPENAI if reachable and reader.text("TALLYLIGHT_MODEL") else otherwise
    kind = reader.choice("TALLYLIGHT_LLM", ModelKind, default)
    if reader.problems:
        raise ConfigurationInvalid(reader.problems)
    return ModelKind(kind)


@dataclass(frozen=True, slots=True)
class _Capacity:
    """What a kind of model can take, unless the environment says otherwise."""

    window_tokens: int
    answer_tokens: int
    first_token_timeout_seconds: float


# A whole chat (50,000 tokens) fits the window of a large model. The small one reads 100 tokens a second.
_CAPACITY = {
    ModelKind.LOCAL: _Capacity(3_500, 1_024, 60.0),
    ModelKind.OPENAI: _Capacity(64_000, 50_000, 30.0),
    ModelKind.SCRIPTED: _Capacity(64_000, 50_000, 30.0),
}


class _Reader:
    """Reads variables and keeps what is wrong with them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[str] = []

    def text(self, name: str) -> str:
        return self._environment.get(name, "").strip()

    def choice(self, name: str, kind: type[StrEnum], default: StrEnum) -> str:
        text = self.text(name) or default.value
        if text not in {each.value for each in kind}:
            self.problems.append(f"{name} is {text!r}; it may be {', '.join(each.value for each in kind)}.")
            return default.value
        return text

    def url(self, name: str, schemes: Sequence[str], example: str) -> str:
        text = self.text(name)
        if not text:
            self.problems.append(f"{name} is not set; it looks like {example}.")
        elif not _is_url(text, schemes):
            self.problems.append(f"{name} is not an address like {example}.")
        return text

    def texts(self, name: str) -> Sequence[str]:
        return tuple(text.strip() for text in self.text(name).split(",") if text.strip())

    def origins(self, name: str, example: str) -> Sequence[str]:
        texts = self.texts(name)
        if not texts:
            self.problems.append(f"{name} is not set; it looks like {example}, several are separated by commas.")
        for text in texts:
            try:
                origin_of(text)
            except ValueError as error:
                self.problems.append(f"{name} holds no address like {example}: {error}.")
        return texts

    def secret(self, name: str) -> str:
        text = self.text(name)
        if len(text) < SHORTEST_SECRET_CHARACTERS:
            self.problems.append(
                f"{name} needs at least {SHORTEST_SECRET_CHARACTERS} random characters, the same on every server: "
                "python3 -c 'import secrets; print(secrets.token_urlsafe(32))' makes some."
            )
        return text

    def networks(self, name: str) -> Sequence[str]:
        texts = self.texts(name)
        for text in texts:
            try:
                ipaddress.ip_network(text, strict=False)
            except ValueError:
                self.problems.append(f"{name} holds {text!r}, which is neither an address nor a network.")
        return texts

    def seconds(self, name: str, default: float) -> float:
        text = self.text(name)
        try:
            value = float(text or default)
        except ValueError:
            value = math.nan
        if not LEAST_LEASE_SECONDS <= value <= MOST_LEASE_SECONDS:
            self.problems.append(
                f"{name} is {text!r}; it is a number of seconds from {LEAST_LEASE_SECONDS} to {MOST_LEASE_SECONDS:g}."
            )
            return default
        return value

    def whole_number(self, name: str, default: int, least: int, most: int) -> int:
        text = self.text(name)
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            self.problems.append(f"{name} is {text!r}; it is a whole number from {least:,} to {most:,}.")
            return default
        return int(text)


def _is_url(text: str, schemes: Sequence[str]) -> bool:
    try:
        parts = urlsplit(text)
        valid_port = parts.port != 0
    except ValueError:
        return False
    return parts.scheme in schemes and valid_port and bool(parts.hostname or parts.scheme == "unix")


def _read_model(reader: _Reader, environment: Mapping[str, str]) -> ModelConfig:
    try:
        kind = model_kind(environment, otherwise=ModelKind.OPENAI)
    except ConfigurationInvalid as error:
        reader.problems.extend(error.problems)
        kind = ModelKind.SCRIPTED
    name, base_url = reader.text("TALLYLIGHT_MODEL"), reader.text("OPENAI_BASE_URL")
    if kind is ModelKind.SCRIPTED:
        name, base_url = SCRIPTED_NAME, ""
    elif not name:
        reader.problems.append("TALLYLIGHT_MODEL is not set; it is the name of a model at OPENAI_BASE_URL.")
    elif base_url and not _is_url(base_url, ("http", "https")):
        reader.problems.append(f"OPENAI_BASE_URL is not an address like {OPENAI_BASE_URL}.")
    elif not base_url and not reader.text("OPENAI_API_KEY"):
        reader.problems.append("OPENAI_API_KEY is not set, nor OPENAI_BASE_URL for a server that needs no key.")
    capacity = _CAPACITY[kind]
    return ModelConfig(
        kind=kind,
        name=name,
        base_url=None if kind is ModelKind.SCRIPTED else base_url or OPENAI_BASE_URL,
        api_key=reader.text("OPENAI_API_KEY"),
        window_tokens=reader.whole_number(
            "TALLYLIGHT_MODEL_WINDOW_TOKENS", capacity.window_tokens, LEAST_WINDOW_TOKENS, MOST_WINDOW_TOKENS
        ),
        answer_tokens=capacity.answer_tokens,
        first_token_timeout_seconds=capacity.first_token_timeout_seconds,
    )


def _read_lease(reader: _Reader) -> LeaseTimes:
    default = LeaseTimes()
    lease = LeaseTimes(
        lease_seconds=reader.seconds("TALLYLIGHT_LEASE_SECONDS", default.lease_seconds),
        renewal_seconds=reader.seconds("TALLYLIGHT_LEASE_RENEWAL_SECONDS", default.renewal_seconds),
        reaper_seconds=reader.seconds("TALLYLIGHT_REAPER_SECONDS", default.reaper_seconds),
    )
    if lease.renewal_seconds * 2 > lease.lease_seconds:
        reader.problems.append("TALLYLIGHT_LEASE_RENEWAL_SECONDS is at most half of TALLYLIGHT_LEASE_SECONDS.")
    return lease


def _read_payments(reader: _Reader, environment: Environment, public_urls: Sequence[str]) -> PaymentOptions:
    taker = Taker(reader.choice("TALLYLIGHT_PAYMENTS", Taker, Taker.NONE))
    if taker is Taker.SANDBOX and environment is Environment.PRODUCTION:
        reader.problems.append("TALLYLIGHT_PAYMENTS is sandbox, which gives credits for no money: not in production.")
    key, secrets = reader.text("TALLYLIGHT_STRIPE_SECRET_KEY"), reader.texts("TALLYLIGHT_STRIPE_WEBHOOK_SECRETS")
    api_url = reader.text("TALLYLIGHT_STRIPE_API_URL")
    if not key and not secrets and taker is not Taker.STRIPE:
        return PaymentOptions(taker)
    if not key:
        reader.problems.append("TALLYLIGHT_STRIPE_SECRET_KEY is not set; it looks like sk_live_… or rk_live_….")
    is_long = all(len(secret) >= SHORTEST_WEBHOOK_SECRET_CHARACTERS for secret in secrets)
    if not (1 <= len(secrets) <= MOST_WEBHOOK_SECRETS and is_long):
        reader.problems.append(
            "TALLYLIGHT_STRIPE_WEBHOOK_SECRETS is the signing secret of the webhook endpoint, whsec_…; "
            f"while it is changed, {MOST_WEBHOOK_SECRETS} at most, separated by commas."
        )
    if api_url and not _is_url(api_url, ("http", "https")):
        reader.problems.append("TALLYLIGHT_STRIPE_API_URL is not an address like https://api.stripe.com.")
    public_url = public_urls[0].rstrip("/") if public_urls else ""
    return PaymentOptions(taker, StripeOptions(key, secrets, api_url.rstrip("/") or None, public_url))


def _read_settings(reader: _Reader, environment: Mapping[str, str]) -> Mapping[str, str]:
    try:
        texts = texts_from_environment(environment)
    except Refusal as refusal:
        reader.problems.append(refusal.message)
        return {}
    for key, text in texts.items():
        try:
            known(key).parse(text)
        except Refusal as refusal:
            reader.problems.append(f"{known(key).environment_name} is {text!r}; {refusal.message}")
    return texts
