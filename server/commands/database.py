"""`tallylight db`: the schema."""

import typer

from server.commands.console import out
from server.commands.place import DataDir, known_url

commands = typer.Typer(help="The database's schema.", no_args_is_help=True)


@commands.callback()
def group() -> None:
    """The database's schema."""


@commands.command()
def upgrade(data_dir: DataDir = None) -> None:
    """Bring the database to the schema of this version; run it before `serve`, as often as you like."""
    from server.storage.migrate import upgrade as upgrade_schema

    upgrade_schema(known_url("TALLYLIGHT_DATABASE_URL", data_dir))
    out.print("The database has the schema of this version.")
