"""Which pages may show a channel's chat, in the table."""

from uuid import UUID

import asyncpg
import pytest

from server.channels.catalog import Catalog
from server.channels.embedding import Embedding
from server.domain.embed_origins import EMBED_ORIGINS_MAX
from server.domain.errors import Code, Refusal
from server.storage.postgres import Postgres
from tests.support.ids import ABSENT_ID
from tests.support.rows import Rows

FANS, CLUB = "https://fans.example", "https://club.example"


@pytest.fixture
def embedding(postgres: Postgres) -> Embedding:
    return Embedding(postgres)


async def listed_of(postgres: Postgres, name: str) -> list[str]:
    found = await Catalog(postgres).find(name)
    assert found is not None
    return found.embed_origins


async def test_nobody_may_until_somebody_is_listed(postgres: Postgres, embedding: Embedding, rows: Rows) -> None:
    await rows.channel("lab")
    assert await listed_of(postgres, "lab") == []
    assert not await embedding.is_listed(FANS)


async def test_those_that_are_named_may_and_no_others(postgres: Postgres, embedding: Embedding, rows: Rows) -> None:
    lab, kitchen = await rows.channel("lab"), await rows.channel("kitchen")
    assert await embedding.allow(lab, ["HTTPS://Fans.Example/", CLUB], by_user_id=None) == [FANS, CLUB]
    assert await embedding.allow(kitchen, [CLUB], by_user_id=None) == [CLUB]
    assert (await listed_of(postgres, "lab"), await listed_of(postgres, "kitchen")) == ([FANS, CLUB], [CLUB])
    assert await embedding.is_listed(FANS)
    assert await embedding.allow(lab, [], by_user_id=None) == []
    assert await listed_of(postgres, "lab") == []
    assert not await embedding.is_listed(FANS)
    assert await embedding.is_listed(CLUB)


@pytest.mark.parametrize(
    "origin", ["https://fans.example.", "HTTPS://FANS.EXAMPLE", "https://fans.example:8443", "null"]
)
async def test_only_the_very_origin_is_listed(embedding: Embedding, rows: Rows, origin: str) -> None:
    await embedding.allow(await rows.channel("lab"), [FANS], by_user_id=None)
    assert not await embedding.is_listed(origin)


async def test_what_is_no_origin_changes_nothing(postgres: Postgres, embedding: Embedding, rows: Rows) -> None:
    lab = await rows.channel("lab")
    await embedding.allow(lab, [FANS], by_user_id=None)
    with pytest.raises(Refusal) as refused:
        await embedding.allow(lab, [CLUB, "https://*.example"], by_user_id=None)
    assert refused.value.code is Code.BAD_REQUEST
    assert await listed_of(postgres, "lab") == [FANS]


async def test_a_channel_that_is_not_there(embedding: Embedding) -> None:
    with pytest.raises(Refusal) as refused:
        await embedding.allow(UUID(ABSENT_ID), [FANS], by_user_id=None)
    assert refused.value.code is Code.NOT_FOUND


async def test_the_table_holds_the_limit_too(postgres: Postgres, rows: Rows) -> None:
    lab = await rows.channel("lab")
    origins = [f"https://fans{number}.example" for number in range(EMBED_ORIGINS_MAX)]
    statement = "UPDATE channel SET embed_origins = $2 WHERE id = $1"
    await postgres.pool.execute(statement, lab, origins)
    with pytest.raises(asyncpg.CheckViolationError):
        await postgres.pool.execute(statement, lab, [*origins, FANS])
