"""One look at Postgres before the model is asked.

The transaction of the message decides (`chats/admission.py`); this look keeps those whom it would refuse from having a
provider read their prompts for nothing.
"""

from typing import Final
from uuid import UUID

from server.chats.refusals import busy_elsewhere, off_air, quota_exceeded
from server.chats.starts import VisitorClaim
from server.domain.channels import ChannelStatus
from server.domain.errors import Code, Refusal
from server.storage.postgres import Postgres

_LOOK: Final = """
    SELECT now() AS at, channel.status,
           EXISTS (SELECT 1 FROM message WHERE chat_id = $1 AND idem = $2) AS is_stored,
           EXISTS (SELECT 1 FROM chat
                    WHERE session_id = $4 AND user_id IS NULL AND state = 'ANSWERING' AND id <> $1) AS is_busy,
           (SELECT coalesce(max(chats), 0) FROM visitor_quota
             WHERE day = (now() AT TIME ZONE 'UTC')::date AND subject = ANY($5)) AS most_chats
      FROM channel WHERE channel.id = $3
"""


async def refuse_early(
    postgres: Postgres, chat_id: UUID, channel_id: UUID, idem: str, claim: VisitorClaim | None, *, starts_chat: bool
) -> Refusal | None:
    """Return why this message will be refused; None means that it is for the transaction to say.

    Args:
        idem: the message's; one that is stored already is a `conflict` here, whatever its text: who is refused is
            looked up by it, as ever.
        claim: what a visitor may do; None for everybody else.
        starts_chat: whether it is the chat's first message, which counts toward the day.
    """
    session_id, subjects = (claim.session_id, list(claim.subjects)) if claim else (None, [])
    row = await postgres.pool.fetchrow(_LOOK, chat_id, idem, channel_id, session_id, subjects)
    assert row is not None
    if row["is_stored"]:
        return Refusal(Code.CONFLICT, "This idem was used in this chat.")
    if row["status"] != ChannelStatus.ACTIVE:
        return off_air()
    if row["is_busy"]:
        return busy_elsewhere()
    if claim and starts_chat and row["most_chats"] >= claim.limit_chats:
        return quota_exceeded(claim.limit_chats, row["at"])
    return None
