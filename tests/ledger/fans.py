"""What fans hold, for tests of badges and of the claim: badges by the name of their drawing, channels by their id."""

from uuid import UUID

from server.domain.badges import Holding
from server.domain.givers import Giver
from server.ledger.badge_holdings import read_holdings
from server.storage.postgres import Postgres

Held = set[tuple[str, UUID | None]]
"""(drawing of a badge, channel on which it was earned or None)"""


async def holdings(postgres: Postgres, giver: Giver) -> list[Holding]:
    async with postgres.pool.acquire() as conn:
        return list((await read_holdings(conn, giver)).values())


async def held(postgres: Postgres, giver: Giver) -> Held:
    icons = {row["id"]: row["icon"] for row in await postgres.pool.fetch("SELECT id, icon FROM badge")}
    return {(icons[one.badge_id], one.channel_id) for one in await holdings(postgres, giver)}
