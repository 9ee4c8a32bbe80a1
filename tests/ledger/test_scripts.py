"""The two Lua scripts on a real Valkey, with everything in Redis that we would never write."""

import pytest

from server.ledger.credits import BALANCE_LIVES_SECONDS, RESERVATION_SECONDS
from server.storage.ids import new_id
from server.storage.redis import Redis, balance_key, reservations_key

CHANNEL = new_id()
KEYS = BALANCE, RESERVATIONS = balance_key(CHANNEL), reservations_key(CHANNEL)
LIVES_MS = BALANCE_LIVES_SECONDS * 1_000


async def reserve(redis: Redis, chat: str = "chat") -> str:
    answer: bytes = await redis.script("reserve", KEYS, [chat, RESERVATION_SECONDS * 1_000, LIVES_MS])
    return answer.decode()


async def publish(redis: Redis, balance: int | str, version: int | str, *released: str) -> int:
    return int(await redis.script("publish", KEYS, [balance, version, LIVES_MS, *released]))


async def command(redis: Redis, *words: str | int) -> object:
    return await redis.run(lambda client: client.execute_command(*words))  # type: ignore[no-untyped-call]


async def held(redis: Redis) -> object:
    return await command(redis, "HMGET", BALANCE, "b", "v")


async def test_a_cold_key_is_a_miss(redis: Redis) -> None:
    assert await reserve(redis) == "MISS"


async def test_reservations_are_taken_until_the_balance_is_used_up(redis: Redis) -> None:
    await publish(redis, 2, 1)
    assert [await reserve(redis, chat) for chat in ("one", "two", "three")] == ["OK", "OK", "EMPTY"]


async def test_reserving_twice_is_a_duplicate_also_when_nothing_is_left(redis: Redis) -> None:
    await publish(redis, 1, 1)
    assert [await reserve(redis, "one"), await reserve(redis, "one")] == ["OK", "DUP"]


async def test_a_decided_start_is_released_with_the_new_balance(redis: Redis) -> None:
    await publish(redis, 2, 1)
    await reserve(redis, "one")
    await publish(redis, 1, 2, "one")
    assert [await reserve(redis, "two"), await reserve(redis, "three")] == ["OK", "EMPTY"]


async def test_a_release_needs_no_balance(redis: Redis) -> None:
    await publish(redis, 1, 1)
    await reserve(redis, "one")
    assert await publish(redis, "", "", "one") == 0
    assert await held(redis) == [b"1", b"1"]
    assert await reserve(redis, "two") == "OK"


async def test_the_newest_version_wins_in_any_order(redis: Redis) -> None:
    assert await publish(redis, 5, 3) == 1
    assert await publish(redis, 9, 2) == 0
    assert await held(redis) == [b"5", b"3"]
    assert await publish(redis, 4, 4) == 1
    assert await held(redis) == [b"4", b"4"]


async def test_versions_are_numbers_and_not_texts(redis: Redis) -> None:
    await publish(redis, 5, 9)
    assert await publish(redis, 4, 10) == 1


async def test_the_same_version_puts_a_wrong_balance_right(redis: Redis) -> None:
    await publish(redis, 999, 3)
    assert await publish(redis, 5, 3) == 1
    assert await held(redis) == [b"5", b"3"]


async def test_who_loses_does_not_prolong_the_winner(redis: Redis) -> None:
    await publish(redis, 5, 999_999)
    await command(redis, "PEXPIRE", BALANCE, 1_000)
    assert await publish(redis, 4, 4) == 0
    lives_ms = await command(redis, "PTTL", BALANCE)
    assert isinstance(lives_ms, int)
    assert 0 < lives_ms <= 1_000


async def test_a_reservation_ends_by_itself(redis: Redis) -> None:
    await publish(redis, 1, 1)
    await redis.script("reserve", KEYS, ["one", 1, LIVES_MS])  # holds for a millisecond
    for _ in range(1_000):
        if await reserve(redis, "two") == "OK":
            return
    pytest.fail("the reservation of a millisecond still holds")


async def test_nothing_lives_for_ever(redis: Redis) -> None:
    await publish(redis, 1, 1)
    await reserve(redis)
    for key in KEYS:
        lives_ms = await command(redis, "PTTL", key)
        assert isinstance(lives_ms, int)
        assert 0 < lives_ms <= LIVES_MS


GARBAGE = {
    "a text": [("SET", BALANCE, "5", "PX", 1_000)],
    "a list": [("RPUSH", BALANCE, "b"), ("PEXPIRE", BALANCE, 1_000)],
    "no balance": [("HSET", BALANCE, "v", "3"), ("PEXPIRE", BALANCE, 1_000)],
    "no version": [("HSET", BALANCE, "b", "3"), ("PEXPIRE", BALANCE, 1_000)],
    "words": [("HSET", BALANCE, "b", "many", "v", "new"), ("PEXPIRE", BALANCE, 1_000)],
    "a negative balance": [("HSET", BALANCE, "b", "-1", "v", "3"), ("PEXPIRE", BALANCE, 1_000)],
    "a fraction": [("HSET", BALANCE, "b", "1.5", "v", "3"), ("PEXPIRE", BALANCE, 1_000)],
    "hexadecimal": [("HSET", BALANCE, "b", "0x10", "v", "3"), ("PEXPIRE", BALANCE, 1_000)],
    "an absurd version": [("HSET", BALANCE, "b", "5", "v", "9" * 400), ("PEXPIRE", BALANCE, 1_000)],
    "bytes": [("HSET", BALANCE, "b", "\x00\x01", "v", "3"), ("PEXPIRE", BALANCE, 1_000)],
    "no expiry": [("HSET", BALANCE, "b", "5", "v", "3")],
    "an expiry in a year": [("HSET", BALANCE, "b", "5", "v", "3"), ("EXPIRE", BALANCE, 31_536_000)],
}


@pytest.mark.parametrize("commands", GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage_is_dropped_by_a_reservation(redis: Redis, commands: list[tuple[str | int, ...]]) -> None:
    for words in commands:
        await command(redis, *words)
    assert await reserve(redis) == "MISS"
    assert await command(redis, "EXISTS", BALANCE) == 0


@pytest.mark.parametrize(
    "commands",
    [commands for name, commands in GARBAGE.items() if name not in {"no balance", "a negative balance", "a fraction"}],
)
async def test_garbage_does_not_win_over_a_publish(redis: Redis, commands: list[tuple[str | int, ...]]) -> None:
    for words in commands:
        await command(redis, *words)
    assert await publish(redis, 4, 2) == 1
    assert await held(redis) == [b"4", b"2"]
    assert await reserve(redis) == "OK"


@pytest.mark.parametrize(
    "words",
    [
        ("SET", RESERVATIONS, "x"),
        ("HSET", RESERVATIONS, "x", "y"),
        ("ZADD", RESERVATIONS, "+inf", "for ever"),
        ("ZADD", RESERVATIONS, 9_999_999_999_999, "for long"),
        ("ZADD", RESERVATIONS, "-inf", "never"),
    ],
)
async def test_garbage_among_the_reservations_takes_no_place(redis: Redis, words: tuple[str | int, ...]) -> None:
    await publish(redis, 1, 1)
    await command(redis, *words)
    assert await reserve(redis) == "OK"


async def test_garbage_among_the_reservations_does_not_stop_a_release(redis: Redis) -> None:
    await command(redis, "SET", RESERVATIONS, "x")
    assert await publish(redis, 1, 1, "one") == 1
    assert await reserve(redis) == "OK"
