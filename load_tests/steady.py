"""Many answers at the same time, each to one fan in a chat of their own: what a token costs and how late it comes.

Answers begin one after the other, and all end together, after the phase that is measured; every one is held against
its length and digest.
"""

import asyncio
import contextlib
import random
from dataclasses import dataclass
from typing import Final

from client.errors import Ended, Refused
from load_tests.crowd import Crowd, crowd, open_chats, steady_hands
from load_tests.fan import Fan
from load_tests.figures import Delays, Run
from load_tests.machine import Load, Reading
from load_tests.profiles import Profile
from load_tests.servers import RunningServer
from load_tests.stage import Stage

STARTS_PER_SECOND: Final = 50.0
"""How quickly the answers begin."""
LATE_SECONDS_MAX: Final = 30.0
"""How long after its time an answer may end before it counts as lost."""


@dataclass(frozen=True, slots=True)
class SteadyPlan:
    """What is to be done.

    Attributes:
        streams: answers at the same time.
        seconds: how long the phase is.
        rate: tokens a second of each answer.
        delay_ms: what the model waits before its first token.
        settle_seconds: between the last begin and the phase, and again between the phase and the ends.
    """

    streams: int
    seconds: float
    rate: float
    delay_ms: float
    settle_seconds: float = 2.0

    @property
    def ramp_seconds(self) -> float:
        """From the first begin to the last."""
        return self.streams / STARTS_PER_SECOND

    @property
    def all_seconds(self) -> float:
        """From the first begin to the end of all answers."""
        return self.ramp_seconds + self.seconds + 2 * self.settle_seconds


async def steady(stage: Stage, server: RunningServer, plan: SteadyPlan, round_: int, profile: Profile | None) -> Run:
    """Do it once with this server.

    Args:
        round_: which of the repeated runs.
        profile: takes a profile of the server during the phase; None: none is wanted.
    """
    async with crowd(stage, server, plan.streams) as people:
        await open_chats(people.fans)
        async with asyncio.TaskGroup() as tasks:
            for number, fan in enumerate(people.fans):
                tasks.create_task(_ask(fan, plan, (number + random.random()) / STARTS_PER_SECOND))  # noqa: S311
            await asyncio.sleep(plan.ramp_seconds + plan.settle_seconds)
            load, delays = await _measure(people, plan.seconds, profile)
        faults = list(people.faults)
        if people.whole_answers != plan.streams:
            faults.append(f"{people.whole_answers} of {plan.streams} answers were whole")
    figures = {"cpu_us_per_token": load.cpu_seconds["server"] / max(1, delays.count) * 1_000_000}
    return Run("steady", server.name, round_, plan.streams, load, delays, figures, faults)


async def _measure(people: Crowd, seconds: float, profile: Profile | None) -> tuple[Load, Delays]:
    with steady_hands(), contextlib.nullcontext() if profile is None else profile.of(people.server.pid, seconds):
        before = Reading.take(people.groups)
        people.recorder.is_on = True
        await asyncio.sleep(seconds)
        people.recorder.is_on = False
        load = before.until(Reading.take(people.groups), "server")
    return load, Delays.of_us(people.recorder.delays_us)


async def _ask(fan: Fan, plan: SteadyPlan, after_seconds: float) -> None:
    """Ask for an answer that ends with all others."""
    await asyncio.sleep(after_seconds)
    seconds = plan.all_seconds - after_seconds - plan.delay_ms / 1_000
    question = f"[[tokens={round(seconds * plan.rate)} rate={plan.rate}]] How deep is the sea?"
    try:
        await fan.ask(question, plan.all_seconds + LATE_SECONDS_MAX)
    except (Ended, Refused) as failure:
        fan.faults.append(str(failure))
    except TimeoutError:
        fan.faults.append("an answer did not end")
