"""`tallylight channel`: the channels there are."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from server.commands.console import Json, escape, fail, out, print_json, table
from server.commands.place import DataDir, open_postgres

if TYPE_CHECKING:
    from server.channels.adding import NewChannel
    from server.channels.catalog import Channel

PAGE_CHANNELS = 200

commands = typer.Typer(help="The channels.", no_args_is_help=True)
TextFile = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, readable=True)]


@commands.command()
def add(
    name: Annotated[str, typer.Argument(help="The handle, such as deep-sea-lab, @DeepSeaLab or its YouTube address.")],
    *,
    title: Annotated[str, typer.Option(help="What pages call it.")],
    description: Annotated[str, typer.Option(help="A sentence or two.")] = "",
    persona_file: TextFile = None,
    knowledge_file: TextFile = None,
    goal_dollars: Annotated[int, typer.Option(min=1, help="What fans give to put it on air.")] = 10,
    model: Annotated[str | None, typer.Option(help="A model of its own.")] = None,
    as_json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Add a channel. It is pending until its goal is reached."""
    from server.channels.adding import NewChannel
    from server.channels.handles import handle_of

    new = NewChannel(
        name=handle_of(name),
        title=title,
        description=description,
        activation_goal_cents=goal_dollars * 100,
        persona=persona_file.read_text("utf-8") if persona_file else "",
        knowledge=knowledge_file.read_text("utf-8") if knowledge_file else "",
        model=model,
    )
    channel_id = asyncio.run(_add(new, data_dir))
    if as_json:
        print_json({"id": channel_id, "name": new.name})
    else:
        out.print(f"Added {new.name}. It needs ${goal_dollars} to go on air.")


@commands.command("list")
def list_channels(as_json: Json = False, data_dir: DataDir = None) -> None:
    """List all channels."""
    channels = asyncio.run(_read_all(data_dir))
    if as_json:
        print_json([_facts(channel) for channel in channels])
        return
    rows = table("Channel", "Title", "Status", "Goal", "Credits", folding="Title")
    for channel in channels:
        credits = f"{channel.credit_balance:,}"
        rows.add_row(channel.name, escape(channel.title), channel.status, _goal(channel), credits)
    out.print(rows)


@commands.command()
def show(
    channel: Annotated[str, typer.Argument(help="Handle or id.")], as_json: Json = False, data_dir: DataDir = None
) -> None:
    """Show one channel."""
    found = asyncio.run(_find(channel, data_dir))
    if found is None:
        raise fail(f"There is no channel {channel}.", "`tallylight channel list` shows those there are.")
    facts = _facts(found)
    if as_json:
        print_json(facts)
        return
    lines = Table(show_header=False, box=None)
    for name, value in facts.items():
        lines.add_row(name, "–" if value is None else escape(str(value)))
    out.print(lines)


@commands.command()
def embed(
    channel: Annotated[str, typer.Argument(help="Handle or id.")],
    *,
    origin: Annotated[
        list[str] | None, typer.Option(help="A site whose pages may show the chat, such as https://fans.example.")
    ] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="No site may show it any more.")] = False,
    as_json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Show which sites may show a channel's chat, or say which: those that are named, and no others."""
    found = asyncio.run(_find(channel, data_dir))
    if found is None:
        raise fail(f"There is no channel {channel}.", "`tallylight channel list` shows those there are.")
    origins = found.embed_origins
    if origin or nobody:
        origins = asyncio.run(_allow(found, origin or [], data_dir))
    if as_json:
        print_json({"channel": found.name, "origins": origins})
    elif origins:
        out.print(escape("\n".join(origins)))
    else:
        out.print(f"No site may show the chat of {found.name}.")


async def _add(new: "NewChannel", data_dir: Path | None) -> Any:
    from server.channels.adding import add_channel

    async with open_postgres(data_dir) as postgres:
        return await add_channel(postgres, new)


async def _find(id_or_name: str, data_dir: Path | None) -> "Channel | None":
    from server.channels.catalog import Catalog

    async with open_postgres(data_dir) as postgres:
        return await Catalog(postgres).find(id_or_name)


async def _allow(channel: "Channel", origins: list[str], data_dir: Path | None) -> list[str]:
    from server.channels.embedding import Embedding

    async with open_postgres(data_dir) as postgres:
        return await Embedding(postgres).allow(channel.id, origins, by_user_id=None)


async def _read_all(data_dir: Path | None) -> "list[Channel]":
    from server.channels.catalog import Catalog

    channels: list[Channel] = []
    async with open_postgres(data_dir) as postgres:
        page = await Catalog(postgres).page(limit=PAGE_CHANNELS)
        channels.extend(page.items)
        while page.next is not None:
            page = await Catalog(postgres).page(limit=PAGE_CHANNELS, position=page.next)
            channels.extend(page.items)
    return channels


def _goal(channel: "Channel") -> str:
    return f"${channel.activation_funding_cents / 100:g} of ${channel.activation_goal_cents / 100:g}"


def _facts(channel: "Channel") -> Mapping[str, Any]:
    """In the spelling of the REST side."""
    return {
        "id": channel.id,
        "name": channel.name,
        "title": channel.title,
        "description": channel.description,
        "status": channel.status.value,
        "activationFunding": channel.activation_funding_cents,
        "activationGoal": channel.activation_goal_cents,
        "creditBalance": channel.credit_balance,
        "subscriberCount": channel.subscriber_count,
        "videoCount": channel.video_count,
        "viewCount": channel.view_count,
        "model": channel.model,
        "activatedAt": channel.activated_at.isoformat() if channel.activated_at else None,
        "createdAt": channel.created_at.isoformat(),
    }
