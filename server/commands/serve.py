"""`tallylight serve`: a gateway on servers of your own."""

import asyncio
import logging
import os
from typing import Annotated

import typer

from server.commands.console import fail
from server.config import DEFAULT_PORT, Environment, read_config

DRAIN_SECONDS = 25.0


def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="The port to listen on.")] = DEFAULT_PORT,
) -> None:
    """Serve in production: one process on your own PostgreSQL, Redis and model, all named by the environment."""
    from server.logs import configure_logs

    config = read_config(os.environ, drain_seconds=DRAIN_SECONDS)
    configure_logs(json_lines=config.environment is Environment.PRODUCTION, level=logging.INFO)

    from server.app import create_app
    from server.serving import address_of, listen
    from server.serving import serve as serve_app
    from server.storage.migrate import is_current

    if not asyncio.run(is_current(config.database_url)):
        raise fail("The database does not have the schema of this version.", "Run `tallylight db upgrade`.")
    with listen(host, port) as listener:
        app = create_app(config, own_url=address_of(listener))
        serve_app(app, listener, drain_seconds=config.drain_seconds)
