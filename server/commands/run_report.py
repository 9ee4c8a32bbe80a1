"""What `tallylight run` tells people while it starts: one line for each part, then where to go."""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from server.commands.demo import DemoChannel

from server.commands.console import err, escape, out
from server.commands.place import data_dir_or_default
from server.config import Config, ModelKind
from server.embedded.errors import PartFailed
from server.embedded.instance import Started

NAME_COLUMNS = 12
VERSION_COLUMNS = 22
WHERE_COLUMNS = 22


def say_started(part: Started) -> None:
    """A part that can be used: what, version, where, how long."""
    _line(part.name, part.version, part.address, f"{part.seconds:.1f} s", part.place)


def say_replaced(environment: Mapping[str, str]) -> None:
    """Parts of the user's own, named by the environment."""
    for name, variable in (("PostgreSQL", "TALLYLIGHT_DATABASE_URL"), ("Redis", "TALLYLIGHT_REDIS_URL")):
        if url := environment.get(variable, "").strip():
            _line(name, "yours", urlsplit(url).netloc.rpartition("@")[2], "", variable)


def say_model_failed(failure: PartFailed) -> None:
    """The demonstration goes on without a real model."""
    err.print(f"[yellow]![/] {escape(str(failure))}")
    err.print(f"  Answers are canned instead. {escape(failure.remedy)}")


def say_prepared(seconds: float, *, has_demo: bool) -> None:
    """Schema and demonstration."""
    _line("Database", "schema and demo data" if has_demo else "schema", "", f"{seconds:.1f} s", "")


def say_revived(name: str) -> None:
    """A part that ended by itself."""
    err.print(f"[yellow]![/] {name} had ended and was started again.")


def say_ready(address: str, channels: "Sequence[DemoChannel]", config: Config, folder: Path) -> None:
    """The last lines: where to go, and what is worth knowing there."""
    model = config.model
    if model.kind is ModelKind.OPENAI:
        _line("Model", model.name, urlsplit(model.base_url or "").netloc, "", "OPENAI_BASE_URL, TALLYLIGHT_MODEL")
    elif model.kind is ModelKind.SCRIPTED:
        _line("Model", "canned answers", "in this process", "", "")
    out.print()
    for channel in channels:
        out.print(f"  [bold]{address}/c/{channel.name}[/]  {_state(channel)}")
    if not channels:
        out.print(f"  [bold]{address}/[/]")
    out.print()
    if on_air := next((channel.name for channel in channels if channel.is_on_air), None):
        out.print(f"  In another terminal: [bold]{escape(_chat_command(on_air, folder))}[/]")
    if model.kind is ModelKind.LOCAL:
        out.print("  The demo model is small and invents facts; it warms up for half a minute.")
        if os.environ.get("OPENAI_API_KEY", "").strip():
            out.print("  OPENAI_API_KEY is not used: name a model with TALLYLIGHT_MODEL to use it.")
    if config.sign_in.development:
        out.print("  Sign in at the top of any page as whoever you like: no password is asked here.")
    visitor_chats = int(config.setting_texts["chat.visitor_chats_per_day"])
    out.print(f"  A visitor may start {visitor_chats:,} chats a day here (chat.visitor_chats_per_day).")
    factor = float(config.setting_texts["limits.factor"])
    out.print(f"  Limits of requests are {factor:g} times those of a public site (limits.factor).")
    out.print(f"  Data stay in {escape(str(folder))}. Ctrl-C ends everything.")


def say_ended() -> None:
    """Nothing runs any more."""
    out.print("Everything has ended.")


def _chat_command(channel: str, folder: Path) -> str:
    """What can be typed where this was started."""
    program = Path(sys.executable).with_name("tallylight")
    words = [os.path.relpath(program) if program.is_relative_to(Path.cwd()) else str(program), "chat", channel]
    if folder != data_dir_or_default(None):
        words += ["--data-dir", str(folder)]
    return shlex.join(words)


def _state(channel: "DemoChannel") -> str:
    if channel.is_on_air:
        return f"on air, {channel.credits:,} credits"
    given, goal = channel.funding_cents / 100, channel.goal_cents / 100
    return f"off air, ${given:g} of ${goal:g} goal reached, {channel.credits:,} credits"


def _line(name: str, version: str, where: str, seconds: str, note: str) -> None:
    columns = f"{name:<{NAME_COLUMNS}}{escape(version):<{VERSION_COLUMNS}}{escape(where):<{WHERE_COLUMNS}}{seconds:>6}"
    out.print(f"[green]✓[/] {columns}  [dim]{escape(note)}[/]".rstrip())
