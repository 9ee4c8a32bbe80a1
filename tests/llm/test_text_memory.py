"""What is found out about long texts is found out once, and not on the event loop."""

import asyncio
import threading

from server.llm.text_memory import TextMemory
from server.llm.tokens import ENCODER_THREADS


class Work:
    """Counts letters.

    Attributes:
        done: the texts whose letters were counted, in order.
        threads: who counted.
    """

    def __init__(self) -> None:
        self.done: list[str] = []
        self.threads: set[int] = set()

    def __call__(self, text: str) -> int:
        self.done.append(text)
        self.threads.add(threading.get_ident())
        return len(text)


async def test_a_result_is_found_out_once() -> None:
    work = Work()
    memory = TextMemory(work, 2)
    assert [await memory.of("abc"), await memory.of("abc")] == [3, 3]
    assert work.done == ["abc"]


async def test_the_result_zero_is_remembered_too() -> None:
    work = Work()
    memory = TextMemory(work, 2)
    assert [await memory.of(""), await memory.of("")] == [0, 0]
    assert work.done == [""]


async def test_the_work_is_not_done_on_the_event_loop() -> None:
    work = Work()
    await TextMemory(work, 2).of("abc")
    assert threading.get_ident() not in work.threads


async def test_those_used_last_are_kept() -> None:
    work = Work()
    memory = TextMemory(work, 2)
    for text in ("a", "bb", "a", "ccc", "a", "bb"):
        await memory.of(text)
    assert work.done == ["a", "bb", "ccc", "bb"]


async def test_a_crowd_that_asks_at_once_does_not_repeat_the_work_for_each() -> None:
    work = Work()
    memory = TextMemory(work, 2)
    assert await asyncio.gather(*(memory.of("abc") for _ in range(200))) == [3] * 200
    assert len(work.done) <= ENCODER_THREADS
