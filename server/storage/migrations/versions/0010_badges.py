"""The badges that there are in the beginning, and finding who holds one on a channel.

Badges are data: an admin may change them, and add more.
"""

import json
from uuid import UUID

from alembic import op
from sqlalchemy import text

revision = "0010_badges"
down_revision = "0009_reversals"

# (id, name, description, icon, criteria). The ids never change, so that a badge that was renamed is the same one.
BADGES = (
    (
        "0617947e-a108-58ad-8d71-853445abd9b3",
        "First Spark",
        "The first contribution to any channel.",
        "spark",
        {"kind": "contributions", "count": 1},
    ),
    (
        "cadc25cc-4f4a-5048-b49d-04e5817a2a9b",
        "First Light",
        "Paid toward the activation of a channel that was still off air.",
        "star",
        {"kind": "helped_to_activate"},
    ),
    (
        "cca151ee-5ca7-5452-9e70-2fa13fc762a3",
        "Switched On",
        "Gave what was missing to the goal and put the channel on air.",
        "switch",
        {"kind": "closed_goal"},
    ),
    (
        "1dafa86b-ba7e-50a0-ac15-17045e3f899c",
        "Ticket",
        "Bought 10 credits for a channel, so that its fans can chat.",
        "ticket",
        {"kind": "credits_bought", "credits": 10, "per": "channel"},
    ),
    (
        "860cc991-f13d-50c3-ab0c-6e0589bf89ea",
        "Ticket Roll",
        "Bought 100 credits for a channel.",
        "roll",
        {"kind": "credits_bought", "credits": 100, "per": "channel"},
    ),
    (
        "d18b5474-d6c9-5262-a1ea-40a73bf53812",
        "Box Office",
        "Bought 1,000 credits for a channel.",
        "booth",
        {"kind": "credits_bought", "credits": 1_000, "per": "channel"},
    ),
    (
        "5b713a7f-e431-5905-9cb3-5890a70e697e",
        "Three Signals",
        "Supports three channels.",
        "wave",
        {"kind": "channels_supported", "count": 3},
    ),
    (
        "0dce4a64-1b10-510a-9dfc-effabe148aca",
        "Full Dial",
        "Supports ten channels.",
        "dial",
        {"kind": "channels_supported", "count": 10},
    ),
    (
        "5ac5fd18-fba3-5175-9610-52a83ddcbc24",
        "Front Row",
        "Among the first ten who contributed to a channel.",
        "hexagon",
        {"kind": "early_supporter", "among": 10},
    ),
    (
        "0320c963-1d14-5436-a385-df737b24f9e3",
        "First Words",
        "The first chat with a channel.",
        "ring",
        {"kind": "chats", "count": 1},
    ),
)

INDEXES = (
    "DROP INDEX ix_user_badge_channel_id",
    "CREATE INDEX ix_user_badge_channel ON user_badge (channel_id, badge_id, earned_at DESC)",
    # Looked at with every channel's page and seldom written: no list of pending entries to read through.
    "CREATE INDEX ix_session_badge_badges ON session_badge USING gin (badges jsonb_path_ops) WITH (fastupdate = off)",
)


def upgrade() -> None:
    for statement in INDEXES:
        op.execute(statement)
    for number, (id_, name, description, icon, criteria) in enumerate(BADGES, start=1):
        op.execute(
            text(
                "INSERT INTO badge (id, name, description, icon, criteria, position)"
                " VALUES (:id, :name, :description, :icon, CAST(:criteria AS jsonb), :position)"
                " ON CONFLICT DO NOTHING"
            ).bindparams(
                id=UUID(id_),
                name=name,
                description=description,
                icon=icon,
                criteria=json.dumps(criteria),
                position=10 * number,
            )
        )
