"""A fan of the load tests notices everything that is wrong with an answer."""

from collections.abc import Sequence
from typing import Any

import pytest

from load_tests.fan import Fan, Recorder
from load_tests.stamps import stamped
from tests.load_tests.played_server import answer, played_server
from tests.support.socket_client import Frame

TEXTS = ("The", " sea", " is", " deep")


async def listen_to(frames: Sequence[Frame], recorder: Recorder | None = None) -> Fan:
    """A fan who has asked a server that answers with these frames."""
    async with played_server(frames) as url:
        fan = Fan(0, "token", recorder or Recorder())
        await fan.connect(url)
        await fan.open_chat("deep-sea-lab")
        await fan.ask("How deep is the sea?", 5)
        await fan.leave()
    return fan


async def test_a_whole_answer_is_counted_and_has_no_fault() -> None:
    fan = await listen_to(answer(TEXTS))
    assert (fan.whole_answers, fan.faults) == (1, [])


@pytest.mark.parametrize(
    ("broken", "place"),
    [
        ("missing", 3),
        ("doubled", 3),
        ("swapped", 3),
        ("another text", 3),
        ("another digest", -1),
        ("another length", -1),
        ("no good end", -1),
    ],
)
async def test_a_broken_answer_is_a_fault(broken: str, place: int) -> None:
    frames = answer(TEXTS)
    if broken == "missing":
        del frames[place]
    elif broken == "doubled":
        frames.insert(place, frames[place])
    elif broken == "swapped":
        frames[place : place + 2] = frames[place : place + 2][::-1]
    else:
        changes: dict[str, dict[str, Any]] = {
            "another text": {"x": " was"},
            "another digest": {"sha": "0" * 64},
            "another length": {"len": 1},
        }
        frames[place] |= changes.get(broken, {"why": "interrupted"})
    fan = await listen_to(frames)
    assert fan.faults


async def test_a_lost_connection_is_a_fault() -> None:
    async with played_server([]) as url:
        fan = Fan(0, "token", Recorder())
        await fan.connect(url)
    assert fan.faults == ["the connection was lost with 1001 "]


async def test_each_token_is_measured_also_where_several_come_together() -> None:
    recorder = Recorder()
    recorder.is_on = True
    frames = answer([stamped("One"), stamped(" two") + stamped(" three")])
    await listen_to(frames, recorder)
    assert len(recorder.delays_us) == 3
    assert all(0 < delay_us < 5_000_000 for delay_us in recorder.delays_us)
