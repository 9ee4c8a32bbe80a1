"""`tallylight run`: everything on this machine, from wheels alone, with two channels to try."""

import logging
import os
import signal
import socket
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from server.auth.providers.environment import DEVELOPMENT_VARIABLE
from server.commands import run_report as report
from server.commands.console import out
from server.commands.interruption import Interruption
from server.commands.place import DataDir, data_dir_or_default
from server.config import Environment, ModelKind, model_kind, read_config
from server.embedded.data_folder import DataFolder
from server.embedded.errors import PartFailed
from server.embedded.instance import Instance
from server.embedded.model import EmbeddedModel
from server.embedded.ports import LOOPBACK
from server.embedded.postgres import EmbeddedPostgres
from server.embedded.valkey import EmbeddedValkey
from server.ledger.payments.options import Taker

if TYPE_CHECKING:
    from server.commands.demo import DemoChannel

DRAIN_SECONDS = 3.0
END_SECONDS = 4.8
"""From the signal to the end of every process."""

LEAST_PARTS_END_SECONDS = 0.6
VISITOR_CHATS_PER_DAY = "1000"
VISITOR_CHATS_VARIABLE = "TALLYLIGHT_SETTING_CHAT_VISITOR_CHATS_PER_DAY"
LIMITS_FACTOR = "100"
LIMITS_FACTOR_VARIABLE = "TALLYLIGHT_SETTING_LIMITS_FACTOR"
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
PLACEHOLDERS = {
    "TALLYLIGHT_DATABASE_URL": "postgresql://to.be.started/tallylight",
    "TALLYLIGHT_REDIS_URL": "redis://to.be.started",
    "TALLYLIGHT_PUBLIC_URL": "http://to.be.known",
    "TALLYLIGHT_SECRET": "a secret that is made at the first start",
}
"""Stand for what is not there yet, so that what the user has set can be checked before anything starts."""


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
    _check_settings(kind)
    configure_logs(json_lines=False, level=logging.WARNING)
    interruption = Interruption()
    interruption.listen()
    with DataFolder(data_dir_or_default(data_dir)) as folder, listen(LOOPBACK, port) as listener:
        instance = Instance(
            folder,
            postgres=None if _is_set("TALLYLIGHT_DATABASE_URL") else EmbeddedPostgres(folder),
            valkey=None if _is_set("TALLYLIGHT_REDIS_URL") else EmbeddedValkey(folder),
            model=EmbeddedModel(folder) if kind is ModelKind.LOCAL else None,
        )
        ending_seconds = 0.0
        try:
            _start_servers(instance)
            interruption.check()
            channels = _prepare_database(folder, instance)
            interruption.check()
            _await_model(instance)
            interruption.check()
            ending_seconds = _serve(folder, instance, listener, channels, interruption)
        finally:
            # A second signal may not leave processes behind.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            instance.stop(max(LEAST_PARTS_END_SECONDS, END_SECONDS - ending_seconds))
        report.say_ended()


def _check_settings(kind: ModelKind) -> None:
    """Tells what the user has set wrongly, before anything starts."""
    # The local model brings its own name and address.
    checked = ModelKind.SCRIPTED if kind is ModelKind.LOCAL else kind
    ours = PLACEHOLDERS | {"TALLYLIGHT_ENV": Environment.DEVELOPMENT.value}
    variables = ours | _variables_set() | {"TALLYLIGHT_LLM": checked.value}
    read_config(variables, drain_seconds=DRAIN_SECONDS)


def _start_servers(instance: Instance) -> None:
    report.say_replaced(os.environ)
    with out.status("Starting " + ", ".join(part.name for part in instance.parts)):
        for part in instance.start_servers():
            report.say_started(part)


def _prepare_database(folder: DataFolder, instance: Instance) -> "Sequence[DemoChannel]":
    """Makes the schema, our API key and, except in production, the demonstration, while the model is being loaded."""
    from server.commands.demo import ensure_demo
    from server.commands.own_key import ensure_own_key
    from server.storage.migrate import upgrade

    began = time.monotonic()
    variables = _server_variables(instance) | _variables_set()
    with out.status("Preparing the database"):
        upgrade(variables["TALLYLIGHT_DATABASE_URL"])
        channels: Sequence[DemoChannel] = ()
        # Played money has no place among real money.
        if variables.get("TALLYLIGHT_ENV", "").strip() != Environment.PRODUCTION:
            channels = ensure_demo(variables["TALLYLIGHT_DATABASE_URL"], variables["TALLYLIGHT_REDIS_URL"])
        ensure_own_key(folder, variables["TALLYLIGHT_DATABASE_URL"])
    report.say_prepared(time.monotonic() - began, has_demo=bool(channels))
    return channels


def _await_model(instance: Instance) -> None:
    with out.status("Loading the demo model"):
        model = instance.await_model()
    if isinstance(model, PartFailed):
        report.say_model_failed(model)
    elif model is not None:
        report.say_started(model)


def _serve(
    folder: DataFolder,
    instance: Instance,
    listener: socket.socket,
    channels: "Sequence[DemoChannel]",
    interruption: Interruption,
) -> float:
    """Serves until the end; returns how long that took so far, in seconds."""
    from server.app import create_app
    from server.serving import address_of, serve

    port: int = listener.getsockname()[1]
    address = f"http://{LOOPBACK}:{port}"
    variables = _variables(folder, instance, port)
    config = read_config(variables, drain_seconds=DRAIN_SECONDS)

    def ready() -> None:
        instance.publish({"address": address, "pid": os.getpid(), "environment": variables})
        report.say_ready(address, channels, config, folder.path)
        interruption.pass_on()  # the server takes signals by now

    async def watch() -> None:
        for name in await instance.revive():
            report.say_revived(name)

    app = create_app(config, is_sole=instance.postgres is not None, own_url=address_of(listener))
    return serve(app, listener, drain_seconds=config.drain_seconds, on_ready=ready, watch=watch)


def _variables(folder: DataFolder, instance: Instance, port: int) -> dict[str, str]:
    """What the gateway is told: what the environment says, else what suits a machine of one's own, and the parts."""
    ours = {
        "TALLYLIGHT_ENV": Environment.DEVELOPMENT.value,
        "TALLYLIGHT_PUBLIC_URL": ",".join(f"http://{name}:{port}" for name in LOOPBACK_NAMES),
        "TALLYLIGHT_SECRET": folder.secret("gateway"),
        "TALLYLIGHT_PAYMENTS": (Taker.NONE if _is_production() else Taker.SANDBOX).value,
        DEVELOPMENT_VARIABLE: "off" if _is_production() else "on",
        VISITOR_CHATS_VARIABLE: VISITOR_CHATS_PER_DAY,
        LIMITS_FACTOR_VARIABLE: LIMITS_FACTOR,
    }
    return ours | _variables_set() | _server_variables(instance) | _model_variables(instance)


def _variables_set() -> dict[str, str]:
    """The variables of the environment that concern us."""
    return {
        name: text
        for name, text in os.environ.items()
        if text.strip() and (name.startswith("TALLYLIGHT_") or name in {"OPENAI_API_KEY", "OPENAI_BASE_URL"})
    }


def _server_variables(instance: Instance) -> dict[str, str]:
    variables = {}
    if instance.postgres is not None:
        variables["TALLYLIGHT_DATABASE_URL"] = instance.postgres.url
    if instance.valkey is not None:
        variables["TALLYLIGHT_REDIS_URL"] = instance.valkey.url
    return variables


def _model_variables(instance: Instance) -> dict[str, str]:
    if instance.model is not None:
        return {
            "TALLYLIGHT_LLM": ModelKind.LOCAL.value,
            "OPENAI_BASE_URL": instance.model.url,
            "OPENAI_API_KEY": instance.model.api_key,
            "TALLYLIGHT_MODEL": instance.model.version,
        }
    # The local one may have been asked for, and have failed.
    kind = model_kind(os.environ, otherwise=ModelKind.SCRIPTED)
    return {"TALLYLIGHT_LLM": (ModelKind.SCRIPTED if kind is ModelKind.LOCAL else kind).value}


def _is_production() -> bool:
    return os.environ.get("TALLYLIGHT_ENV", "").strip() == Environment.PRODUCTION


def _is_set(name: str) -> bool:
    return bool(os.environ.get(name, "").strip())
