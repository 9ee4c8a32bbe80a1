"""What a visitor may do, looked at before the model is asked.

The transaction of the message decides (`chats/admission.py`); this look keeps those whom it would refuse from having a
provider read their prompts for nothing.
"""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from server.chats.refusals import busy_elsewhere, quota_exceeded
from server.chats.starts import VisitorClaim
from server.domain.errors import Refusal
from server.storage.postgres import Postgres

_LOOK: Final = """
    SELECT EXISTS (SELECT 1 FROM chat
                    WHERE session_id = $1 AND user_id IS NULL AND state = 'ANSWERING' AND id <> $2) AS is_busy,
           (SELECT coalesce(max(chats), 0) FROM visitor_quota WHERE day = $3 AND subject = ANY($4)) AS most_chats
"""


async def refuse_visitor(
    postgres: Postgres, claim: VisitorClaim, chat_id: UUID, *, starts_chat: bool
) -> Refusal | None:
    """Return why this visitor's message will be refused; None means that it is for the transaction to say.

    Args:
        starts_chat: whether it is the chat's first message, which counts toward the day.
    """
    now = datetime.now(UTC)
    row = await postgres.pool.fetchrow(_LOOK, claim.session_id, chat_id, now.date(), list(claim.subjects))
    assert row is not None
    if row["is_busy"]:
        return busy_elsewhere()
    if starts_chat and row["most_chats"] >= claim.limit_chats:
        return quota_exceeded(claim.limit_chats, now)
    return None
