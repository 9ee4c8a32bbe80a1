"""Where an embedded instance keeps its data, and where the servers are that a command speaks to."""

import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.embedded.instance import find_instance

if TYPE_CHECKING:
    from server.storage.postgres import Postgres
    from server.storage.redis import Redis

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER_NAME = ".tallylight"

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", envvar="TALLYLIGHT_DATA_DIR", show_default=False, help="Folder of an embedded instance's data."
    ),
]


class NoServer(Exception):
    """There is nothing that this command could speak to."""

    def __init__(self, variable: str, data_dir: Path) -> None:
        super().__init__(f"{variable} is not set, and no instance runs on {data_dir}.")
        self.remedy = f"Start one with `tallylight run`, or set {variable}."


def data_dir_or_default(chosen: Path | None) -> Path:
    """The data folder: the chosen one, else `.tallylight` in this checkout, else in the current folder."""
    if chosen is not None:
        return chosen
    is_checkout = (CHECKOUT / "pyproject.toml").is_file()
    return (CHECKOUT if is_checkout else Path.cwd()) / FOLDER_NAME


def known_environment(data_dir: Path | None) -> Mapping[str, str]:
    """The environment, and below it the variables that a running embedded instance published."""
    instance = find_instance(data_dir_or_default(data_dir)) or {}
    set_here = {name: value for name, value in os.environ.items() if value.strip()}
    return {**instance.get("environment", {}), **set_here}


def known_url(variable: str, data_dir: Path | None) -> str:
    """One address out of `known_environment`.

    Raises:
        NoServer: it is not there.
    """
    url = known_environment(data_dir).get(variable, "")
    if not url:
        raise NoServer(variable, data_dir_or_default(data_dir))
    return url


@asynccontextmanager
async def open_postgres(data_dir: Path | None) -> "AsyncIterator[Postgres]":
    """The database, for the time of a command.

    Raises:
        NoServer: there is none.
        OSError, TimeoutError, asyncpg.PostgresError: it cannot be used.
    """
    from server.storage.postgres import Postgres

    _send_logs_to_the_error_stream()
    postgres = await Postgres.open(known_url("TALLYLIGHT_DATABASE_URL", data_dir))
    try:
        yield postgres
    finally:
        await postgres.close()


@asynccontextmanager
async def open_redis(data_dir: Path | None) -> "AsyncIterator[Redis]":
    """Redis, for the time of a command; whether it answers shows when it is used.

    Raises:
        NoServer: there is none.
    """
    from server.storage.redis import Redis

    redis = Redis.open(known_url("TALLYLIGHT_REDIS_URL", data_dir))
    try:
        yield redis
    finally:
        await redis.close()


def _send_logs_to_the_error_stream() -> None:
    """Where nobody has said so yet: the standard output is for results, and programs read them."""
    import structlog

    if isinstance(structlog.get_config()["logger_factory"], structlog.PrintLoggerFactory):
        structlog.configure(logger_factory=lambda *_names: structlog.PrintLogger(sys.stderr))
