"""The last microsecond of a session, and the one after it: for its token, its pages, its sockets and what it begins."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from server.auth.own_sessions import OwnSessions
from server.auth.session_changes import read_changes
from server.auth.sessions import SessionLimits, Sessions
from server.domain.errors import Code, Refusal
from server.domain.identity import Identity
from server.domain.transactions import TransactionType
from server.ledger.contributions import NewContribution, begin
from server.storage.ids import new_id
from server.storage.postgres import Postgres
from tests.api.site import LIMITS, Site
from tests.support.people import signed_in
from tests.support.rows import Rows
from tests.support.stopped_clocks import StoppedClock

TICK = timedelta(microseconds=1)
"""Postgres has none that is shorter."""
IDLE, ABSOLUTE = timedelta(seconds=LIMITS.idle_seconds), timedelta(seconds=LIMITS.absolute_seconds)


@pytest.fixture
async def clock(postgres_url: str) -> AsyncIterator[StoppedClock]:
    installed = await StoppedClock.install(postgres_url)
    yield installed
    await installed.close()


@pytest.fixture
async def postgres(clock: StoppedClock, postgres_url: str) -> AsyncIterator[Postgres]:
    opened = await Postgres.open(postgres_url)
    yield opened
    await opened.close()


@pytest.fixture
def sessions(postgres: Postgres) -> Sessions:
    return Sessions(postgres, LIMITS)


async def end_of(postgres: Postgres, visitor: Identity) -> datetime:
    ends: datetime = await postgres.pool.fetchval("SELECT expires_at FROM session WHERE id = $1", visitor.session_id)
    return ends


async def used_until_its_end(sessions: Sessions, postgres: Postgres, clock: StoppedClock) -> tuple[Identity, str]:
    """A session that was used so often that only its absolute end ends it; that is what `end_of` says."""
    visitor, token = await sessions.create_visitor()
    began: datetime = await postgres.pool.fetchval("SELECT created_at FROM session WHERE id = $1", visitor.session_id)
    at = began
    while at + IDLE < began + ABSOLUTE:
        at += IDLE - timedelta(seconds=1)
        await clock.stop(at)
        assert await sessions.find(token) == visitor
    assert await end_of(postgres, visitor) == began + ABSOLUTE
    return visitor, token


async def test_use_in_the_last_moment_of_the_idle_time_begins_it_anew(
    sessions: Sessions, postgres: Postgres, clock: StoppedClock
) -> None:
    visitor, token = await sessions.create_visitor()
    first_end = await end_of(postgres, visitor)
    await clock.stop(first_end - TICK)
    assert await sessions.find(token) == visitor
    assert await end_of(postgres, visitor) == first_end - TICK + IDLE
    await clock.stop(first_end)
    assert await sessions.find(token) == visitor


async def test_at_the_end_of_the_idle_time_it_is_over(
    sessions: Sessions, postgres: Postgres, clock: StoppedClock
) -> None:
    visitor, token = await sessions.create_visitor()
    await clock.stop(await end_of(postgres, visitor))
    assert await sessions.find(token) is None
    assert await sessions.read(visitor.session_id) is None


async def test_no_use_in_the_last_moment_of_all_prolongs_it(
    sessions: Sessions, postgres: Postgres, clock: StoppedClock
) -> None:
    visitor, token = await used_until_its_end(sessions, postgres, clock)
    end = await end_of(postgres, visitor)
    await clock.stop(end - TICK)
    assert await sessions.find(token) == visitor
    assert await end_of(postgres, visitor) == end
    await clock.stop(end)
    assert await sessions.find(token) is None


@pytest.mark.parametrize("kind", ["idle", "absolute"])
@pytest.mark.parametrize(("early", "status"), [(TICK, 200), (timedelta(0), 401)])
async def test_rest_answers_until_the_end_and_not_at_it(
    postgres: Postgres, clock: StoppedClock, kind: str, early: timedelta, status: int
) -> None:
    sessions = Sessions(postgres, LIMITS)
    if kind == "idle":
        visitor, token = await sessions.create_visitor()
    else:
        visitor, token = await used_until_its_end(sessions, postgres, clock)
    await clock.stop(await end_of(postgres, visitor) - early)
    async with Site(postgres).client() as browser:
        browser.cookies["tallylight_session"] = token
        assert (await browser.get("/api/me")).status_code == status
        assert len((await browser.get("/me")).cookies) == (0 if status == 200 else 1)  # a new visitor's session


@pytest.mark.parametrize(("early", "is_over"), [(TICK, False), (timedelta(0), True)])
async def test_sockets_lists_and_what_begins_go_by_the_same_moment(
    postgres: Postgres, clock: StoppedClock, *, early: timedelta, is_over: bool
) -> None:
    """Of a user: what a visitor has begun to give may still be given."""
    user = (await signed_in(postgres, "mara_k")).identity
    channel_id = await Rows(postgres).active_channel()
    await clock.stop(await end_of(postgres, user) - early)
    assert await read_changes(postgres, [user]) == ([(0, None)] if is_over else [])
    assert len((await OwnSessions(postgres).page(user, limit=5)).items) == (0 if is_over else 1)
    new = NewContribution(
        new_id(), channel_id, user.session_id, TransactionType.CREDIT_PURCHASE, 100, 10, "sandbox", display_name=None
    )
    if is_over:
        with pytest.raises(Refusal) as refused:
            await postgres.transact(lambda conn: begin(conn, new))
        assert refused.value.code is Code.UNAUTHORIZED
    else:
        await postgres.transact(lambda conn: begin(conn, new))


@pytest.mark.parametrize(("early", "is_fresh"), [(TICK, False), (timedelta(0), True)])
async def test_a_sign_in_goes_on_with_a_session_until_its_end_and_not_at_it(
    sessions: Sessions, postgres: Postgres, clock: StoppedClock, *, early: timedelta, is_fresh: bool
) -> None:
    person = await signed_in(postgres, "mara_k")
    visitor, _ = await sessions.create_visitor()
    await clock.stop(await end_of(postgres, visitor) - early)
    assert (await sessions.sign_in(visitor.session_id, person.user_id)).is_fresh is is_fresh


async def test_the_defaults_are_what_the_documents_say() -> None:
    limits = SessionLimits()
    days = 86_400
    assert (limits.idle_seconds, limits.absolute_seconds, limits.renewal_seconds) == (60 * days, 365 * days, 300)
