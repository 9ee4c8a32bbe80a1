"""Everything that is somebody's own, as JSON, read batch by batch: it may be more than fits into memory.

Between two batches nothing is held, no connection and no snapshot. What is written meanwhile may be there or not; what
was there at the beginning and is not deleted meanwhile stands there once. Tokens, their digests and what providers gave
are left out.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from server.domain.identity import Identity
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres

ROWS_AT_ONCE_MAX: Final = 500
MESSAGES_AT_ONCE_MAX: Final = 20
"""Each may have 192 KiB."""

_OWNED: Final = "(user_id = $1 OR user_id IS NULL AND session_id = $2)"
_NEXT: Final = "AND ($3::uuid IS NULL OR {id} > $3) ORDER BY {id} LIMIT $4"
_PROFILE: Final = """
SELECT json_build_object('username', username, 'displayName', display_name, 'name', name, 'email', email,
         'emailVerified', email_verified, 'image', image, 'picture', picture, 'role', role,
         'amountsPublic', amounts_public, 'memberSince', created_at)::text AS json
  FROM "user" WHERE id = $1
"""
# Each takes the user, the session, the id after which it goes on and how many rows; they are written once the ids are.
_SECTIONS: Final[Mapping[str, str]] = {
    "accounts": f"""
        SELECT id, json_build_object('provider', provider, 'providerAccountId', provider_account_id, 'type', type,
                 'scope', scope, 'createdAt', created_at)::text AS json
          FROM account WHERE user_id = $1 AND $2::uuid IS NOT NULL {_NEXT.format(id="id")}
    """,  # noqa: S608 - constants
    "sessions": f"""
        SELECT id, json_build_object('id', id, 'device', device, 'displayName', display_name, 'createdAt', created_at,
                 'lastSeenAt', last_seen_at, 'signedInAt', signed_in_at, 'expiresAt', expires_at)::text AS json
          FROM session WHERE (user_id = $1 OR $1::uuid IS NULL AND id = $2)
           AND NOT EXISTS (SELECT FROM api_key WHERE session_id = session.id) {_NEXT.format(id="id")}
    """,  # noqa: S608 - constants
    "keys": f"""
        SELECT api_key.id, json_build_object('id', api_key.id, 'name', name, 'scopes', scopes,
                 'createdAt', api_key.created_at, 'revokedAt', revoked_at, 'lastUsedAt', last_used_at)::text AS json
          FROM api_key JOIN session ON session.id = api_key.session_id
         WHERE session.user_id = $1 AND $2::uuid IS NOT NULL {_NEXT.format(id="api_key.id")}
    """,  # noqa: S608 - constants
    "contributions": f"""
        SELECT own.id, json_build_object('id', own.id, 'channel', channel.name, 'type', own.type,
                 'amount', amount_cents, 'currency', currency, 'creditsPerDollar', credits_per_dollar,
                 'status', own.status, 'provider', provider, 'providerReference', provider_reference,
                 'displayName', display_name, 'createdAt', own.created_at, 'settledAt', settled_at)::text AS json
          FROM contribution AS own JOIN channel ON channel.id = channel_id WHERE {_OWNED} {_NEXT.format(id="own.id")}
    """,  # noqa: S608 - constants
    "transactions": f"""
        SELECT own.id, json_build_object('id', own.id, 'channel', channel.name, 'type', own.type,
                 'amount', amount_cents, 'currency', currency, 'credits', credits, 'status', own.status,
                 'description', own.description, 'contributionId', contribution_id, 'reversesId', reverses_id,
                 'createdAt', own.created_at)::text AS json
          FROM "transaction" AS own JOIN channel ON channel.id = channel_id WHERE {_OWNED} {_NEXT.format(id="own.id")}
    """,  # noqa: S608 - constants
    "badges": f"""
        SELECT own.id, json_build_object('badge', badge.name, 'channel', channel.name, 'earnedAt', earned_at)::text
               AS json
          FROM user_badge AS own JOIN badge ON badge.id = badge_id LEFT JOIN channel ON channel.id = channel_id
         WHERE user_id = $1 AND $2::uuid IS NOT NULL {_NEXT.format(id="own.id")}
    """,  # noqa: S608 - constants
}
_VISITORS_BADGES: Final = """
SELECT json_build_object('badge', badge.name, 'channel', channel.name, 'earnedAt', kept ->> 'earnedAt')::text AS json
  FROM session_badge CROSS JOIN jsonb_array_elements(badges) AS kept
  JOIN badge ON badge.id = (kept ->> 'badgeId')::uuid
  LEFT JOIN channel ON channel.id = (kept ->> 'channelId')::uuid
 WHERE session_id = $1
"""
_CHATS: Final = f"""
SELECT own.id, json_build_object('id', own.id, 'channel', channel.name, 'title', own.title, 'state', state,
         'creditState', credit_state, 'tokensUsed', tokens_used, 'tokenCap', token_cap, 'createdAt', own.created_at,
         'lastMessageAt', last_message_at)::text AS json
  FROM chat AS own JOIN channel ON channel.id = channel_id
 WHERE {_OWNED} AND deleted_at IS NULL {_NEXT.format(id="own.id")}
"""  # noqa: S608 - constants
_MESSAGES: Final = """
SELECT seq, json_build_object('id', id, 'seq', seq, 'type', type, 'content', content, 'tokens', tokens,
         'status', status, 'parentId', parent_id, 'model', model, 'createdAt', created_at)::text AS json
  FROM message WHERE chat_id = $1 AND seq > $2 ORDER BY seq LIMIT $3
"""


class OwnData:
    """Reads what belongs to a user or a visitor."""

    def __init__(self, postgres: Postgres, *, rows_at_once: int = ROWS_AT_ONCE_MAX) -> None:
        self._postgres = postgres
        self._rows_at_once = rows_at_once

    async def json_of(self, identity: Identity) -> AsyncGenerator[bytes]:
        """One JSON object in pieces: `profile` (null of a visitor), then a list for each of accounts, sessions, keys,
        contributions, transactions, badges, and chats with their messages.

        Raises:
            Refusal: unavailable, before the first piece or amid.
        """
        profile = "null"
        if identity.user_id is not None:
            profile = (await self._fetch(_PROFILE, identity.user_id))[0]["json"]
        kind = msgspec.json.encode(identity.kind).decode()
        yield f'{{"exportedAt":"{datetime.now(UTC).isoformat()}","kind":{kind},"profile":{profile}'.encode()
        for name, query in _SECTIONS.items():
            yield f',"{name}":['.encode()
            async with aclosing(self._section(identity, name, query)) as pieces:
                async for piece in pieces:
                    yield piece
            yield b"]"
        yield b',"chats":['
        async with aclosing(self._chats(identity)) as pieces:
            async for piece in pieces:
                yield piece
        yield b"]}\n"

    async def _section(self, identity: Identity, name: str, query: str) -> AsyncGenerator[bytes]:
        if name == "badges" and identity.user_id is None:  # one list in one row
            yield _joined(await self._fetch(_VISITORS_BADGES, identity.session_id))
            return
        comma, after = "", None
        while True:
            rows = await self._page(identity, query, after)
            if not rows:
                return
            yield comma.encode() + _joined(rows)
            comma, after = ",", rows[-1]["id"]

    async def _chats(self, identity: Identity) -> AsyncGenerator[bytes]:
        comma, after = "", None
        while True:
            chats = await self._page(identity, _CHATS, after)
            if not chats:
                return
            for chat in chats:
                opening: str = chat["json"]
                yield f'{comma}{opening.removesuffix("}")},"messages":['.encode()
                async with aclosing(self._messages(chat["id"])) as pieces:
                    async for piece in pieces:
                        yield piece
                yield b"]}"
                comma, after = ",", chat["id"]

    async def _messages(self, chat_id: UUID) -> AsyncGenerator[bytes]:
        comma, after = "", 0
        while True:
            rows = await self._fetch(_MESSAGES, chat_id, after, MESSAGES_AT_ONCE_MAX)
            if not rows:
                return
            yield comma.encode() + _joined(rows)
            comma, after = ",", rows[-1]["seq"]

    async def _page(self, identity: Identity, query: str, after: UUID | None) -> list[asyncpg.Record]:
        return await self._fetch(query, identity.user_id, identity.session_id, after, self._rows_at_once)

    async def _fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        with outages_refused():
            rows: list[asyncpg.Record] = await self._postgres.pool.fetch(query, *arguments)
        return rows


def _joined(rows: Sequence[asyncpg.Record]) -> bytes:
    return ",".join(row["json"] for row in rows).encode()
