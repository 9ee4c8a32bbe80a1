"""The two demonstration channels: what `tallylight run` shows on an empty database.

Only the channels are made here, both PENDING; their money comes through the ledger like everybody's.
"""

from typing import Final
from uuid import UUID

from server.channels import demo_texts
from server.channels.adding import NewChannel, add_channel
from server.domain.errors import Code, Refusal
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres

DEEP_SEA_LAB: Final = NewChannel(
    name="deep-sea-lab",
    title="Deep Sea Lab",
    description=demo_texts.DEEP_SEA_LAB_DESCRIPTION,
    subscriber_count=48_200,
    video_count=22,
    view_count=3_910_000,
    persona=demo_texts.DEEP_SEA_LAB_PERSONA,
    knowledge=demo_texts.DEEP_SEA_LAB_KNOWLEDGE,
)

NIGHT_KITCHEN: Final = NewChannel(
    name="night-kitchen",
    title="Night Kitchen",
    description=demo_texts.NIGHT_KITCHEN_DESCRIPTION,
    subscriber_count=6_140,
    video_count=11,
    view_count=None,
    persona=demo_texts.NIGHT_KITCHEN_PERSONA,
    knowledge=demo_texts.NIGHT_KITCHEN_KNOWLEDGE,
)


async def ensure_demo_channels(postgres: Postgres) -> dict[str, UUID]:
    """Add those of the two that are not there; one that is, is left as it is, also when others add it at this moment.

    Returns:
        The ids by handle.

    Raises:
        Refusal: unavailable.
    """
    for new in (DEEP_SEA_LAB, NIGHT_KITCHEN):
        try:
            await add_channel(postgres, new)
        except Refusal as refusal:
            if refusal.code is not Code.CONFLICT:
                raise
    with outages_refused():
        rows = await postgres.pool.fetch(
            "SELECT name, id FROM channel WHERE name = ANY($1)", [DEEP_SEA_LAB.name, NIGHT_KITCHEN.name]
        )
    return {row["name"]: row["id"] for row in rows}
