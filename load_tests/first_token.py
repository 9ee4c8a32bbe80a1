"""The first message of new chats, one after the other: how much later than the model its first token comes.

Everything that a first message needs is in it: the session's and the chat's locks, the charge, two commits.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from load_tests.crowd import crowd, open_chats, steady_hands
from load_tests.fan import Fan
from load_tests.figures import Delays, Run
from load_tests.machine import Reading
from load_tests.servers import RunningServer
from load_tests.stage import Stage

ANSWER_TOKENS: Final = 20
WITHIN_SECONDS: Final = 30.0
WARM_FANS: Final = 5
"""Who ask first and are not counted."""


async def first_token(
    stage: Stage, server: RunningServer, messages: int, round_: int, *, delay_ms: float, per_second: float | None
) -> Run:
    """Send so many first messages, each in a chat of its own.

    Args:
        delay_ms: what the model waits before its first token; it is taken off.
        per_second: how many begin in a second, evenly; None: the next begins when the answer before has ended.
    """
    async with crowd(stage, server, messages + WARM_FANS) as people:
        await open_chats(people.fans)
        for fan in people.fans[:WARM_FANS]:
            await _ask(fan)
        asking = people.fans[WARM_FANS:]
        with steady_hands():
            before = Reading.take(people.groups)
            if per_second is None:
                waits_us: Sequence[tuple[int, int]] = [await _ask(fan) for fan in asking]
            else:
                waits_us = await _spread(asking, per_second)
            load = before.until(Reading.take(people.groups), "server")
        faults = list(people.faults)
    scenario = "first token" if per_second is None else f"first token, {per_second:g}/s"
    beyond_us = [first_us - round(delay_ms * 1_000) for first_us, _ in waits_us]
    accepted = Delays.of_us([accepted_us for _, accepted_us in waits_us])
    figures = {"accepted_p50_ms": accepted.at_ms[50.0], "accepted_p99_ms": accepted.at_ms[99.0]}
    return Run(scenario, server.name, round_, messages, load, Delays.of_us(beyond_us), figures, faults)


async def _ask(fan: Fan) -> tuple[int, int]:
    """Ask and wait for the whole answer; returns after how many microseconds its first token came, and `ok`."""
    sent_us = await fan.ask(f"[[tokens={ANSWER_TOKENS}]] Who is Dr Button?", WITHIN_SECONDS)
    return fan.first_token_us - sent_us, fan.accepted_us - sent_us


async def _spread(fans: Sequence[Fan], per_second: float) -> Sequence[tuple[int, int]]:
    async def ask_later(fan: Fan, after_seconds: float) -> tuple[int, int]:
        await asyncio.sleep(after_seconds)
        return await _ask(fan)

    return await asyncio.gather(*(ask_later(fan, number / per_second) for number, fan in enumerate(fans)))
