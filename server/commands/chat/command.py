"""`tallylight chat`: finds the server and the key, and chooses how to speak."""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from server.commands.console import fail
from server.commands.own_key import read_own_key
from server.commands.place import DataDir, data_dir_or_default
from server.embedded.instance import find_instance


@dataclass(frozen=True, slots=True)
class _Place:
    """Where to chat, and as whom.

    Attributes:
        memory_name: what the last chat there is remembered under.
    """

    url: str
    key: str
    memory_name: str


def chat(
    channel: Annotated[str, typer.Argument(help="Handle or id, such as deep-sea-lab.")],
    *,
    chat_id: Annotated[str | None, typer.Option("--chat", metavar="ID", help="Go on with this chat.")] = None,
    new: Annotated[bool, typer.Option("--new", help="Begin a new chat; without it, the last one goes on.")] = False,
    url: Annotated[
        str | None, typer.Option(help="The address of a server; default: the one on the data folder.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(envvar="TALLYLIGHT_API_KEY", show_envvar=True, help="An API key of that server.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line in and out, for programs.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Chat with a channel's AI. Where the standard input is no terminal, all of it is one question.

    Exit code 0: you left, or the answer is complete; 1: it was refused or is not complete; 130: you left an answer.
    """
    if chat_id is not None and new:
        raise typer.BadParameter("--chat and --new exclude each other.")
    place = _find_place(url, key, data_dir)
    try:
        code = asyncio.run(_chat(place, channel, chat_id, is_new=new, as_json=as_json))
    except ValueError as error:
        raise fail(f"{error}.") from None
    raise typer.Exit(code)


def _find_place(url: str | None, key: str | None, data_dir: Path | None) -> _Place:
    folder = data_dir_or_default(data_dir)
    if url is not None:
        if not key:
            raise fail(
                "--url needs an API key.", "Make one there with `tallylight apikey create`, and set TALLYLIGHT_API_KEY."
            )
        return _Place(url, key, url)
    instance = find_instance(folder)
    if instance is None:
        raise fail(f"No instance runs on {folder}.", "Start one with `tallylight run`, or name a server with --url.")
    found = key or read_own_key(folder)
    if found is None:
        raise fail(f"There is no API key in {folder}.", "Start `tallylight run` again, or set TALLYLIGHT_API_KEY.")
    return _Place(str(instance["address"]), found, str(folder))


async def _chat(place: _Place, channel: str, chat_id: str | None, *, is_new: bool, as_json: bool) -> int:
    from client.chat import Chat, Listener
    from client.tickets import Tickets
    from client.wire import Address

    address = Address(place.url)
    async with Tickets(place.url, place.key) as tickets:

        def make_chat(wanted: str | None, listener: Listener) -> Chat:
            return Chat(address, channel, tickets, chat_id=wanted, listener=listener)

        if as_json:
            from server.commands.chat.json_lines import JsonLines

            return await JsonLines(make_chat).run(chat_id)
        if not sys.stdin.isatty():
            from server.commands.chat.one_answer import OneAnswer

            question = await asyncio.to_thread(sys.stdin.read)
            return await OneAnswer(make_chat).run(question, chat_id)
        from server.commands.chat.conversation import Conversation
        from server.commands.chat.memory import ChatMemory

        memory = ChatMemory(place.memory_name)
        remembered = None if is_new or chat_id else memory.find(channel)
        conversation = Conversation(make_chat, channel, memory, Console(highlight=False))
        return await conversation.run(chat_id or remembered, is_remembered=chat_id is None)
