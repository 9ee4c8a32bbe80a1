"""The command line, `tallylight`."""

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from server.commands import admin, apikeys, channels, credits, database, doctor, ledger, transactions
from server.commands.chat.command import chat
from server.commands.console import fail, out
from server.commands.place import NoServer
from server.commands.run import run
from server.commands.serve import serve
from server.config import ConfigurationInvalid
from server.domain.errors import Refusal
from server.embedded.errors import AlreadyRunning, FolderUnusable, PartFailed

app = typer.Typer(
    help="Fans of a channel chat live with that channel's AI, one credit a chat.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(run)
app.command()(serve)
app.command()(chat)
app.command()(doctor.doctor)
app.add_typer(database.commands, name="db")
app.add_typer(channels.commands, name="channel")
app.add_typer(credits.commands, name="credits")
app.add_typer(ledger.commands, name="ledger")
app.add_typer(transactions.commands, name="transactions")
app.add_typer(admin.commands, name="admin")
app.add_typer(apikeys.commands, name="apikey")


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        out.print(version("tallylight"))
        raise typer.Exit


@app.callback()
def options(
    *,
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version and end.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Fans of a channel chat live with that channel's AI, one credit a chat."""


def main() -> None:
    """Runs one command; what people can mend is told without a traceback, with exit code 1."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        told = _told(error)
        if told is None:
            raise
        sys.exit(told.exit_code)


def _told(error: Exception) -> typer.Exit | None:
    """Tells an error that people can do something about; None if it is a fault of the program."""
    match error:
        case PartFailed() | NoServer() | FolderUnusable():
            return fail(str(error), error.remedy)
        case ConfigurationInvalid():
            return fail("\n  ".join(error.problems))
        case AlreadyRunning():
            return fail(str(error), "Stop it first, or choose another folder with --data-dir.")
        case Refusal():
            return fail(error.message)
    return _told_by_name(error)


def _told_by_name(error: Exception) -> typer.Exit | None:
    # These come from modules that most commands do not need; they are loaded if the error is one of theirs.
    from asyncpg import PostgresError

    from server.serving import CannotListen
    from server.storage.migrate import SchemaIsUnknown

    match error:
        case SchemaIsUnknown():
            return fail(str(error), "Use that version, or a database that this one has made.")
        case CannotListen():
            return fail(str(error), error.remedy)
        case PostgresError():
            return fail(
                f"PostgreSQL refused: {error}", "Look at TALLYLIGHT_DATABASE_URL; `tallylight doctor` tries it."
            )
        case OSError(filename=str() as name):
            return fail(f"{name} cannot be used: {error.strerror}.", "Look whether it is there and who may write it.")
        case TimeoutError() | OSError():
            return fail(f"Something does not answer: {error!r}", "`tallylight doctor` says which part.")
    return None


if __name__ == "__main__":
    main()
