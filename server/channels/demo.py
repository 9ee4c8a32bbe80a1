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


_IDS: Final = {
    DEEP_SEA_LAB.name: UUID("019aa000-0000-7000-8000-00000dee95ea"),
    NIGHT_KITCHEN.name: UUID("019aa000-0000-7000-8000-000000416874"),
}
"""By these the demonstration knows its own: a handle alone may be that of somebody else's channel."""


async def ensure_demo_channels(postgres: Postgres) -> dict[str, UUID]:
    """Add those of the two that are not there; one that is, is left as it is, also when others add it at this moment.

    Returns:
        The ids by handle of those that are the demonstration's own: made here, now or before. A channel of somebody
        else under the same handle is not among them.

    Raises:
        Refusal: unavailable.
    """
    for new in (DEEP_SEA_LAB, NIGHT_KITCHEN):
        try:
            await add_channel(postgres, new, channel_id=_IDS[new.name])
        except Refusal as refusal:
            if refusal.code is not Code.CONFLICT:
                raise
    with outages_refused():
        rows = await postgres.pool.fetch("SELECT id FROM channel WHERE id = ANY($1)", list(_IDS.values()))
    found = {row["id"] for row in rows}
    return {name: channel_id for name, channel_id in _IDS.items() if channel_id in found}
