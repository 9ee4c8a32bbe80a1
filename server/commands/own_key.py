"""The API key that `tallylight run` keeps in the data folder, for the terminal chat and the load testers."""

import asyncio
from pathlib import Path
from typing import Final

from server.embedded.data_folder import DataFolder

FOLDER: Final = "secrets"
FILE: Final = "api-key"
NAME: Final = "tallylight run"


def ensure_own_key(folder: DataFolder, database_url: str) -> None:
    """Makes a key where none is kept, or the one that is kept is none of this database any more. It blocks.

    Raises:
        Refusal: the database does not answer.
        OSError, TimeoutError, asyncpg.PostgresError: it cannot be used.
    """
    kept = read_own_key(folder.path)
    made = asyncio.run(_make_unless_live(kept, database_url))
    if made is not None:
        folder.folder(FOLDER)
        folder.write_text(f"{FOLDER}/{FILE}", made)


def read_own_key(data_dir: Path) -> str | None:
    """The key that is kept there; None if there is none, or this user may not read it."""
    try:
        return (data_dir / FOLDER / FILE).read_text("utf-8").strip() or None
    except OSError:
        return None


async def _make_unless_live(kept: str | None, database_url: str) -> str | None:
    from server.auth.api_keys import ApiKeys
    from server.storage.postgres import Postgres

    postgres = await Postgres.open(database_url)
    try:
        keys = ApiKeys(postgres)
        if kept is not None and await keys.find(kept) is not None:
            return None
        _, secret = await keys.create(NAME)
        return secret
    finally:
        await postgres.close()
