"""Sessions in Postgres: found by their token, which the table does not hold, until they expire."""

from datetime import timedelta

import pytest

from server.auth.sessions import SessionLimits, Sessions
from server.domain.errors import Code, Refusal
from server.domain.identity import IdentityKind
from server.embedded.postgres import EmbeddedPostgres
from server.storage.postgres import Postgres
from tests.support.rows import Rows

LIMITS = SessionLimits(idle_seconds=1_000, absolute_seconds=2_500, renewal_seconds=100)


@pytest.fixture
def sessions(postgres: Postgres) -> Sessions:
    return Sessions(postgres, LIMITS)


async def seconds_left(postgres: Postgres) -> float:
    left = await postgres.pool.fetchval("SELECT extract(epoch FROM expires_at - clock_timestamp()) FROM session")
    return float(left)


async def test_a_visitor_is_found_by_the_token(sessions: Sessions) -> None:
    visitor, token = await sessions.create_visitor()
    assert await sessions.find(token) == visitor
    assert visitor.kind is IdentityKind.SESSION


async def test_two_visitors_are_two_people(sessions: Sessions) -> None:
    (one, first), (two, second) = await sessions.create_visitor(), await sessions.create_visitor()
    assert first != second
    assert one.session_id != two.session_id


async def test_the_token_has_256_bits_and_is_not_in_the_table(sessions: Sessions, postgres: Postgres) -> None:
    _, token = await sessions.create_visitor()
    row = await postgres.pool.fetchrow(
        "SELECT session::text AS shown, sha256($1) = token_hash AS hashed FROM session", token.encode()
    )
    assert row is not None
    assert len(token) == 43
    assert token not in row["shown"]
    assert row["hashed"]


@pytest.mark.parametrize("token", [None, "", "x", "é" * 43, "a" * 43, "a" * 100_000, "a\0" + "a" * 41])
async def test_what_is_no_live_token_finds_nobody(sessions: Sessions, token: str | None) -> None:
    await sessions.create_visitor()
    assert await sessions.find(token) is None


async def test_a_session_that_was_idle_too_long_is_gone(sessions: Sessions, rows: Rows) -> None:
    _, token = await sessions.create_visitor()
    await rows.age_sessions(timedelta(seconds=1_001))
    assert await sessions.find(token) is None


async def test_use_begins_the_idle_time_anew(sessions: Sessions, rows: Rows, postgres: Postgres) -> None:
    visitor, token = await sessions.create_visitor()
    await rows.age_sessions(timedelta(seconds=900))
    assert await sessions.find(token) == visitor
    assert await seconds_left(postgres) > 990


async def test_renewal_writes_at_most_once_in_its_period(sessions: Sessions, rows: Rows, postgres: Postgres) -> None:
    _, token = await sessions.create_visitor()
    await rows.age_sessions(timedelta(seconds=50))
    await sessions.find(token)
    assert await seconds_left(postgres) < 951


async def test_no_use_prolongs_a_session_beyond_its_absolute_end(sessions: Sessions, rows: Rows) -> None:
    _, token = await sessions.create_visitor()
    for _ in range(2):
        await rows.age_sessions(timedelta(seconds=900))
        assert await sessions.find(token) is not None
    await rows.age_sessions(timedelta(seconds=701))
    assert await sessions.find(token) is None


async def test_a_revoked_session_is_gone_at_once(sessions: Sessions, postgres: Postgres) -> None:
    _, token = await sessions.create_visitor()
    assert await sessions.find(token) is not None
    await postgres.pool.execute("UPDATE session SET token_hash = NULL")
    assert await sessions.find(token) is None


async def test_a_claimed_session_is_its_user_with_the_chosen_name(
    sessions: Sessions, rows: Rows, postgres: Postgres
) -> None:
    visitor, token = await sessions.create_visitor()
    user_id = await rows.user("mara_k")
    await postgres.pool.execute("UPDATE session SET user_id = $1", user_id)
    found = await sessions.find(token)
    assert found is not None
    assert (found.kind, found.user_id, found.name) == (IdentityKind.USER, user_id, "mara_k")
    assert found.session_id == visitor.session_id


async def test_without_postgres_a_look_up_is_refused_as_unavailable(disposable_postgres: EmbeddedPostgres) -> None:
    postgres = await Postgres.open(disposable_postgres.url)
    try:
        sessions = Sessions(postgres, LIMITS)
        _, token = await sessions.create_visitor()
        disposable_postgres.kill()
        with pytest.raises(Refusal) as refused:
            await sessions.find(token)
        assert refused.value.code is Code.UNAVAILABLE
    finally:
        await postgres.close()
