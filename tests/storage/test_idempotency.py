"""Taken keys and kept answers: one run at a time, one answer for ever, and nobody kept out by the dead."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from server.domain.errors import Code, Refusal
from server.embedded.postgres import EmbeddedPostgres
from server.storage.idempotency import KEPT_SECONDS, IdempotencyKeys, RepeatableRequest, StoredAnswer
from server.storage.ids import new_id
from server.storage.postgres import Postgres

ANSWER = StoredAnswer(201, ((b"location", b"/things/1"), (b"x-raw", b"\xff\0")), b"\0made\xff")
OTHER_ANSWER = StoredAnswer(200, (), b"")
ROUNDS = 20


def asked(content: str = "one", *, key: str = "a key of mine", scope: str = "somebody") -> RepeatableRequest:
    return RepeatableRequest(scope, key, hashlib.sha256(content.encode()).digest())


@pytest.fixture
def keys(postgres: Postgres) -> IdempotencyKeys:
    return IdempotencyKeys(postgres)


@pytest.fixture
async def other_postgres(postgres_url: str) -> AsyncIterator[Postgres]:
    opened = await Postgres.open(postgres_url)
    yield opened
    await opened.close()


async def let_leases_end(postgres: Postgres) -> None:
    await postgres.pool.execute("UPDATE idempotency_key SET lease_until = clock_timestamp() - interval '1 ms'")


async def make_older(postgres: Postgres, seconds: float) -> None:
    await postgres.pool.execute(
        "UPDATE idempotency_key SET created_at = created_at - $1::interval, lease_until = lease_until - $1::interval",
        timedelta(seconds=seconds),
    )


async def test_an_answer_is_kept_byte_for_byte(keys: IdempotencyKeys) -> None:
    assert await keys.take(asked(), new_id()) is None
    assert await keys.answer(asked(), ANSWER) == ANSWER
    assert await keys.take(asked(), new_id()) == ANSWER


async def test_the_same_key_with_other_content_is_a_conflict_before_and_after_the_answer(
    keys: IdempotencyKeys,
) -> None:
    await keys.take(asked("one"), new_id())
    for _ in range(2):
        with pytest.raises(Refusal) as refused:
            await keys.take(asked("two"), new_id())
        assert (refused.value.code, refused.value.temporary) == (Code.CONFLICT, False)
        await keys.answer(asked("one"), ANSWER)


async def test_a_key_means_nothing_in_another_scope(keys: IdempotencyKeys) -> None:
    await keys.take(asked("one"), new_id())
    assert await keys.take(asked("two", scope="somebody else"), new_id()) is None


async def test_a_request_that_is_being_carried_out_is_busy_and_says_when_to_come_back(keys: IdempotencyKeys) -> None:
    await keys.take(asked(), new_id())
    with pytest.raises(Refusal) as refused:
        await keys.take(asked(), new_id())
    assert (refused.value.code, refused.value.after_seconds) == (Code.BUSY, 1.0)


async def test_taking_again_after_a_lost_reply_takes_it(keys: IdempotencyKeys) -> None:
    owner = new_id()
    assert await keys.take(asked(), owner) is None
    assert await keys.take(asked(), owner) is None


async def test_a_dead_owner_keeps_nobody_out_for_longer_than_the_lease(
    postgres: Postgres, keys: IdempotencyKeys
) -> None:
    await keys.take(asked(), new_id())
    await let_leases_end(postgres)
    assert await keys.take(asked(), new_id()) is None
    with pytest.raises(Refusal, match="being carried out"):
        await keys.take(asked(), new_id())


async def test_a_dead_owners_key_is_not_taken_over_for_other_content(postgres: Postgres, keys: IdempotencyKeys) -> None:
    await keys.take(asked("one"), new_id())
    await let_leases_end(postgres)
    with pytest.raises(Refusal, match="another request"):
        await keys.take(asked("two"), new_id())


async def test_of_two_runs_the_first_answer_stays(postgres: Postgres, keys: IdempotencyKeys) -> None:
    await keys.take(asked(), new_id())
    await let_leases_end(postgres)
    await keys.take(asked(), new_id())
    assert await keys.answer(asked(), ANSWER) == ANSWER
    assert await keys.answer(asked(), OTHER_ANSWER) == ANSWER
    assert await keys.take(asked(), new_id()) == ANSWER


async def test_a_key_that_was_left_is_free_for_anything(keys: IdempotencyKeys) -> None:
    owner = new_id()
    await keys.take(asked("one"), owner)
    await keys.leave(asked("one"), owner)
    assert await keys.take(asked("two"), new_id()) is None


async def test_only_the_owner_leaves_a_key_and_nobody_one_with_an_answer(
    postgres: Postgres, keys: IdempotencyKeys
) -> None:
    late, owner = new_id(), new_id()
    await keys.take(asked(), late)
    await let_leases_end(postgres)
    await keys.take(asked(), owner)
    await keys.leave(asked(), late)
    with pytest.raises(Refusal, match="being carried out"):
        await keys.take(asked(), new_id())
    await keys.answer(asked(), ANSWER)
    await keys.leave(asked(), owner)
    assert await keys.take(asked(), new_id()) == ANSWER


async def test_an_answer_whose_key_was_swept_is_given_all_the_same(keys: IdempotencyKeys) -> None:
    assert await keys.answer(asked(), ANSWER) == ANSWER


async def test_sweeping_spares_what_is_younger_than_a_day_and_what_is_taken(
    postgres: Postgres, keys: IdempotencyKeys
) -> None:
    await keys.take(asked(key="with an answer"), new_id())
    await keys.answer(asked(key="with an answer"), ANSWER)
    await make_older(postgres, KEPT_SECONDS - 60)
    assert await keys.sweep() == 0
    await make_older(postgres, 61)
    await keys.take(asked(key="taken just now"), new_id())
    await postgres.pool.execute(
        "UPDATE idempotency_key SET created_at = created_at - interval '2 days' WHERE key = 'taken just now'"
    )
    assert await keys.sweep() == 1
    assert await postgres.pool.fetchval("SELECT key FROM idempotency_key") == "taken just now"


async def test_sweeping_takes_more_than_one_batch(postgres: Postgres) -> None:
    keys = IdempotencyKeys(postgres, swept_at_once_max=2)
    for number in range(5):
        await keys.take(asked(key=f"number {number}"), new_id())
    await make_older(postgres, KEPT_SECONDS + 60)
    assert await keys.sweep() == 5


async def test_of_two_nodes_at_once_one_carries_it_out(postgres: Postgres, other_postgres: Postgres) -> None:
    nodes = [IdempotencyKeys(postgres), IdempotencyKeys(other_postgres)]
    for _ in range(ROUNDS):
        key = str(new_id())
        taken = await asyncio.gather(
            *(node.take(asked(key=key), new_id()) for node in nodes * 4), return_exceptions=True
        )
        assert taken.count(None) == 1
        refusals = [outcome for outcome in taken if isinstance(outcome, Refusal)]
        assert [refusal.code for refusal in refusals] == [Code.BUSY] * 7


async def test_of_two_nodes_at_once_one_takes_over(postgres: Postgres, other_postgres: Postgres) -> None:
    nodes = [IdempotencyKeys(postgres), IdempotencyKeys(other_postgres)]
    for _ in range(ROUNDS):
        key = str(new_id())
        await nodes[0].take(asked(key=key), new_id())
        await let_leases_end(postgres)
        taken = await asyncio.gather(
            *(node.take(asked(key=key), new_id()) for node in nodes * 4), return_exceptions=True
        )
        assert taken.count(None) == 1


async def test_without_postgres_it_is_unavailable(disposable_postgres: EmbeddedPostgres) -> None:
    postgres = await Postgres.open(disposable_postgres.url)
    keys = IdempotencyKeys(postgres)
    disposable_postgres.stop()
    owner = new_id()
    for work in (keys.take(asked(), owner), keys.answer(asked(), ANSWER), keys.leave(asked(), owner), keys.sweep()):
        with pytest.raises(Refusal) as refused:
            await work
        assert refused.value.code is Code.UNAVAILABLE
    await postgres.close()
