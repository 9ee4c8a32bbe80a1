"""`tallylight run`: everything on this machine, from wheels alone, with two channels to try."""

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from types import FrameType
from typing import Annotated

import typer

from server.commands import run_report as report
from server.commands.place import DataDir, data_dir_or_default
from server.config import Environment, ModelKind, model_kind, read_config
from server.embedded.data_folder import DataFolder
from server.embedded.errors import PartFailed
from server.embedded.instance import Instance
from server.embedded.model import EmbeddedModel
from server.embedded.ports import LOOPBACK
from server.embedded.postgres import EmbeddedPostgres
from server.embedded.valkey import EmbeddedValkey

DRAIN_SECONDS = 3.0
END_SECONDS = 4.8
"""From the signal to the end of every process."""

LEAST_PARTS_END_SECONDS = 0.6
VISITOR_CHATS_PER_DAY = "1000"
VISITOR_CHATS_VARIABLE = "TALLYLIGHT_SETTING_CHAT_VISITOR_CHATS_PER_DAY"
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


def run(
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, show_default=False, help="Default: 8420, or the next one that is free."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Start everything on this machine and open a page: PostgreSQL, Valkey, a small model, and the gateway.

    A part is left out when its variable names one of yours: TALLYLIGHT_DATABASE_URL, TALLYLIGHT_REDIS_URL,
    OPENAI_API_KEY or OPENAI_BASE_URL with TALLYLIGHT_MODEL. TALLYLIGHT_LLM (local, openai, scripted) decides.
    """
    from server.logs import configure_logs
    from server.serving import listen

    kind = model_kind(os.environ, otherwise=ModelKind.LOCAL)
    configure_logs(json_lines=False, level=logging.WARNING)
    signal.signal(signal.SIGTERM, _interrupt)
    with DataFolder(data_dir_or_default(data_dir)) as folder, listen(LOOPBACK, port) as listener:
        instance = Instance(
            folder,
            postgres=None if _is_set("TALLYLIGHT_DATABASE_URL") else EmbeddedPostgres(folder),
            valkey=None if _is_set("TALLYLIGHT_REDIS_URL") else EmbeddedValkey(folder),
            model=EmbeddedModel(folder) if kind is ModelKind.LOCAL else None,
        )
        ending_seconds = 0.0
        try:
            failure = _start_parts(instance)
            ending_seconds = _serve(folder, instance, listener, kind if failure is None else ModelKind.SCRIPTED)
        finally:
            # A second signal may not leave processes behind.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            instance.stop(max(LEAST_PARTS_END_SECONDS, END_SECONDS - ending_seconds))


def _start_parts(instance: Instance) -> PartFailed | None:
    """Starts them, a line for each; returns why the model could not, if so."""
    failure = None
    report.say_replaced(os.environ)
    with report.waiting("Starting " + ", ".join(part.name for part in instance.parts)):
        for part in instance.start():
            if isinstance(part, PartFailed):
                failure = part
                report.say_model_failed(part)
            else:
                report.say_started(part)
    return failure


def _serve(folder: DataFolder, instance: Instance, listener: socket.socket, kind: ModelKind) -> float:
    """Makes the schema and the demonstration, and serves; returns how long the end took so far, in seconds."""
    from server.app import create_app
    from server.commands.demo import ensure_demo
    from server.serving import serve
    from server.storage.migrate import upgrade

    address = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
    variables = _variables(folder, instance, kind, listener.getsockname()[1])
    config = read_config(variables, drain_seconds=DRAIN_SECONDS)
    if config.environment is Environment.PRODUCTION:
        from server.logs import configure_logs

        configure_logs(json_lines=True, level=logging.INFO)
    began = time.monotonic()
    upgrade(config.database_url)
    channels = ensure_demo(config.database_url, config.redis_url)
    report.say_prepared(time.monotonic() - began)

    def ready() -> None:
        instance.publish({"address": address, "pid": os.getpid(), "environment": variables})
        report.say_ready(address, channels, config, folder.path)

    def watch() -> None:
        for name in instance.revive():
            report.say_revived(name)

    return serve(
        create_app(config, is_sole=instance.postgres is not None),
        listener,
        drain_seconds=config.drain_seconds,
        on_ready=ready,
        watch=watch,
    )


def _variables(folder: DataFolder, instance: Instance, kind: ModelKind, port: int) -> Mapping[str, str]:
    """What the environment says, and what follows from the parts that run."""
    ours = {
        "TALLYLIGHT_ENV": Environment.DEVELOPMENT.value,
        "TALLYLIGHT_LLM": kind.value,
        "TALLYLIGHT_PUBLIC_URL": ",".join(f"http://{name}:{port}" for name in LOOPBACK_NAMES),
        "TALLYLIGHT_SECRET": folder.secret("gateway"),
        VISITOR_CHATS_VARIABLE: VISITOR_CHATS_PER_DAY,
    }
    theirs = {name: text for name, text in os.environ.items() if _concerns_us(name) and text.strip()}
    parts = {}
    if instance.postgres is not None:
        parts["TALLYLIGHT_DATABASE_URL"] = instance.postgres.url
    if instance.valkey is not None:
        parts["TALLYLIGHT_REDIS_URL"] = instance.valkey.url
    if instance.model is not None:
        parts["OPENAI_BASE_URL"] = instance.model.url
        parts["OPENAI_API_KEY"] = instance.model.api_key
        parts["TALLYLIGHT_MODEL"] = instance.model.version
    # The kind comes last: the model may have failed after the environment asked for it.
    return {**ours, **theirs, **parts, "TALLYLIGHT_LLM": kind.value}


def _concerns_us(name: str) -> bool:
    return name.startswith("TALLYLIGHT_") or name in {"OPENAI_API_KEY", "OPENAI_BASE_URL"}


def _is_set(name: str) -> bool:
    return bool(os.environ.get(name, "").strip())


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM before the server takes over ends the start as Ctrl-C does, so that nothing stays behind."""
    sys.exit(128 + signal.SIGTERM)
