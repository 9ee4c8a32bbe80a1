"""Sign-in: a visitor's session becomes the user's, once and for ever, under a new token."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from server.auth.sessions import SIGN_IN_SECONDS, SessionLimits, Sessions
from server.domain.errors import Code, Refusal
from server.domain.identity import IdentityKind
from server.domain.users import UserRole
from server.storage.ids import new_id
from server.storage.postgres import Postgres
from tests.ledger.losing_proxy import open_through_a_losing_proxy
from tests.support.people import sign_in_again, signed_in
from tests.support.rows import Rows

LIMITS = SessionLimits(idle_seconds=1_000, absolute_seconds=2_500, renewal_seconds=100)


@pytest.fixture
def sessions(postgres: Postgres) -> Sessions:
    return Sessions(postgres, LIMITS)


async def owner_of(postgres: Postgres, session_id: UUID) -> UUID | None:
    user_id: UUID | None = await postgres.pool.fetchval("SELECT user_id FROM session WHERE id = $1", session_id)
    return user_id


async def test_a_visitor_s_session_becomes_the_user_s_under_a_new_token(sessions: Sessions, rows: Rows) -> None:
    visitor, old = await sessions.create_visitor()
    user_id = await rows.user("mara_k")
    done = await sessions.sign_in(visitor.session_id, user_id)
    assert not done.is_fresh
    assert (done.identity.session_id, done.identity.user_id) == (visitor.session_id, user_id)
    assert (done.identity.kind, done.identity.name, done.identity.role) == (IdentityKind.USER, "mara_k", UserRole.USER)
    assert await sessions.find(old) is None
    assert await sessions.find(done.token) == done.identity


async def test_the_new_token_is_not_in_the_table(sessions: Sessions, rows: Rows, postgres: Postgres) -> None:
    done = await sessions.sign_in(None, await rows.user("mara_k"))
    shown = await postgres.pool.fetchval("SELECT session::text FROM session")
    assert done.token not in shown


async def test_without_a_session_a_fresh_one_begins(sessions: Sessions, rows: Rows) -> None:
    user_id = await rows.user("mara_k")
    done = await sessions.sign_in(None, user_id)
    assert done.is_fresh
    assert await sessions.find(done.token) == done.identity


async def test_signing_in_again_goes_on_in_the_same_session(sessions: Sessions, rows: Rows) -> None:
    visitor, _ = await sessions.create_visitor()
    user_id = await rows.user("mara_k")
    first = await sessions.sign_in(visitor.session_id, user_id)
    await rows.age_sign_ins(timedelta(seconds=SIGN_IN_SECONDS))
    again = await sessions.sign_in(visitor.session_id, user_id)
    assert again.identity == first.identity
    assert await sessions.find(first.token) is None
    assert await sessions.find(again.token) == first.identity


async def test_two_tabs_that_sign_in_at_once_both_have_a_token_that_works(sessions: Sessions, rows: Rows) -> None:
    """The browser keeps the cookie that comes last, and that may be the first one that was made."""
    for number in range(20):
        visitor, _ = await sessions.create_visitor()
        user_id = await rows.user(f"mara_{number}")
        tabs = await asyncio.gather(*(sessions.sign_in(visitor.session_id, user_id) for _ in range(2)))
        assert sorted(tab.is_fresh for tab in tabs) == [False, True]
        assert [await sessions.find(tab.token) for tab in tabs] == [tab.identity for tab in tabs]
        assert {tab.identity.user_id for tab in tabs} == {user_id}
        assert sorted(tab.moved.outcome.name for tab in tabs if tab.moved) == ["ALREADY_YOURS", "CLAIMED"]


async def test_the_token_of_before_is_known_for_a_minute_and_opens_nothing(sessions: Sessions, rows: Rows) -> None:
    visitor, old = await sessions.create_visitor()
    await sessions.sign_in(visitor.session_id, await rows.user("mara_k"))
    assert (await sessions.find(old), await sessions.is_former(old)) == (None, True)
    assert not await sessions.is_former("a" * 43)
    await rows.age_sign_ins(timedelta(seconds=SIGN_IN_SECONDS))
    assert not await sessions.is_former(old)


async def test_a_sign_in_says_the_device_and_keeps_a_known_one(
    sessions: Sessions, rows: Rows, postgres: Postgres
) -> None:
    visitor, _ = await sessions.create_visitor("Chrome on Linux")
    user_id = await rows.user("mara_k")
    await sessions.sign_in(visitor.session_id, user_id)
    await sessions.sign_in(None, user_id, device="Safari on iPhone")
    devices = await postgres.pool.fetch("SELECT device FROM session ORDER BY id")
    assert [row["device"] for row in devices] == ["Chrome on Linux", "Safari on iPhone"]


async def test_another_user_s_session_is_left_alone_and_a_fresh_one_begins(
    sessions: Sessions, rows: Rows, postgres: Postgres
) -> None:
    visitor, _ = await sessions.create_visitor()
    mara, jonas = await rows.user("mara_k"), await rows.user("jonas")
    first = await sessions.sign_in(visitor.session_id, mara)
    other = await sessions.sign_in(visitor.session_id, jonas)
    assert other.is_fresh
    assert other.identity.session_id != visitor.session_id
    assert await owner_of(postgres, visitor.session_id) == mara
    assert await owner_of(postgres, other.identity.session_id) == jonas
    assert await sessions.find(first.token) == first.identity


@pytest.mark.parametrize("ended", ["expires_at = clock_timestamp()", "token_hash = NULL"])
async def test_a_session_that_has_ended_is_nobody_s_to_claim(
    sessions: Sessions, rows: Rows, postgres: Postgres, ended: str
) -> None:
    visitor, _ = await sessions.create_visitor()
    await postgres.pool.execute(f"UPDATE session SET {ended}")
    done = await sessions.sign_in(visitor.session_id, await rows.user("mara_k"))
    assert done.is_fresh
    assert await owner_of(postgres, visitor.session_id) is None


async def test_a_sign_in_begins_all_of_a_session_s_time_anew(
    sessions: Sessions, rows: Rows, postgres: Postgres
) -> None:
    async def grow_older(by_seconds: int) -> None:
        await rows.age_sessions(timedelta(seconds=by_seconds))
        await rows.age_sign_ins(timedelta(seconds=by_seconds))

    async def left() -> float:
        query = "SELECT extract(epoch FROM expires_at - clock_timestamp()) FROM session"
        return float(await postgres.pool.fetchval(query))

    visitor, _ = await sessions.create_visitor()
    user_id = await rows.user("mara_k")
    for _ in range(3):  # beyond the absolute end of a session in which nobody signs in
        await grow_older(900)
        signed_in = await sessions.sign_in(visitor.session_id, user_id)
        assert not signed_in.is_fresh
        assert 970 < await left() <= 1_000
    for left_seconds in (1_000, 700):
        await grow_older(900)
        assert await sessions.find(signed_in.token) is not None
        assert left_seconds - 30 < await left() <= left_seconds
    await grow_older(701)
    assert await sessions.find(signed_in.token) is None


@pytest.mark.parametrize("deleted", [True, False])
async def test_a_user_who_is_not_there_does_not_sign_in(
    sessions: Sessions, rows: Rows, postgres: Postgres, *, deleted: bool
) -> None:
    visitor, token = await sessions.create_visitor()
    user_id = await rows.user("mara_k") if deleted else new_id()
    await postgres.pool.execute('UPDATE "user" SET deleted_at = now()')
    with pytest.raises(Refusal) as refused:
        await sessions.sign_in(visitor.session_id, user_id)
    assert refused.value.code is Code.NOT_FOUND
    assert await sessions.find(token) == visitor


async def test_two_users_who_sign_in_at_once_do_not_share_a_session(
    sessions: Sessions, rows: Rows, postgres: Postgres
) -> None:
    mara, jonas = await rows.user("mara_k"), await rows.user("jonas")
    for _ in range(20):
        visitor, _ = await sessions.create_visitor()
        both = await asyncio.gather(
            sessions.sign_in(visitor.session_id, mara), sessions.sign_in(visitor.session_id, jonas)
        )
        assert sorted(done.is_fresh for done in both) == [False, True]
        assert [done.identity.user_id for done in both] == [mara, jonas]
        assert len({done.identity.session_id for done in both}) == 2
        assert await owner_of(postgres, visitor.session_id) in (mara, jonas)


async def test_the_role_is_the_user_s_of_now(sessions: Sessions, postgres: Postgres) -> None:
    admin = await signed_in(postgres, "mara_k", UserRole.ADMIN)
    assert admin.identity.is_admin
    await postgres.pool.execute('UPDATE "user" SET role = $1', UserRole.USER)
    found = await sessions.find(admin.token)
    assert found is not None
    assert (found.role, found.is_admin) == (UserRole.USER, False)


async def test_an_account_that_was_deleted_has_no_role(sessions: Sessions, postgres: Postgres) -> None:
    admin = await signed_in(postgres, "mara_k", UserRole.ADMIN)
    await postgres.pool.execute('UPDATE "user" SET deleted_at = clock_timestamp()')
    found = await sessions.find(admin.token)
    assert found is not None
    assert (found.role, found.is_admin) == (None, False)


async def test_a_user_has_a_session_for_each_device(postgres: Postgres, sessions: Sessions) -> None:
    at_home = await signed_in(postgres, "mara_k")
    on_the_way = await sign_in_again(postgres, at_home.user_id, "mara_k")
    assert at_home.session_id != on_the_way.session_id
    assert await sessions.find(at_home.token) == at_home.identity


async def test_a_sign_in_whose_reply_is_lost_is_done_once_and_its_token_works(
    rows: Rows, sessions: Sessions, postgres_url: str
) -> None:
    visitor, _ = await sessions.create_visitor()
    user_id, other = await rows.user("mara_k"), await rows.user("jonas")
    await rows.turn(await rows.chat(visitor, await rows.active_channel()), 1, "A question", "An answer")
    async with open_through_a_losing_proxy(postgres_url) as (postgres, proxy):
        for somebody, is_fresh in ((user_id, False), (other, True)):
            proxy.replies_to_lose = 1
            done = await Sessions(postgres, LIMITS).sign_in(visitor.session_id, somebody)
            assert proxy.replies_to_lose == 0
            assert done.moved is not None
            assert done.moved.chats == (0 if is_fresh else 1)
            assert done.is_fresh == is_fresh
            assert await sessions.find(done.token) == done.identity
    assert await rows.postgres.pool.fetchval("SELECT count(*) FROM session") == 2
