"""The line breaks, the page is loaded again, the server is killed: no gap, no duplicate, nothing sent twice."""

import itertools
import re
from uuid import uuid4

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import NewChannel, OpenChat
from tests.browser.flaky_line import FlakyLine, Frame
from tests.browser.live_server import LiveServer
from tests.support.waiting import eventually

RESUMED_SECONDS = 30
RESUMED_MS = RESUMED_SECONDS * 1000
LONG = "[[tokens=240 rate=60]]"


@pytest_asyncio.fixture(loop_scope="session")
async def line(context: BrowserContext) -> FlakyLine:
    """The line of the visitor's pages."""
    made = FlakyLine()
    await made.install(context)
    return made


async def assert_shown_as_stored(chat: ChatPage) -> None:
    """The answer on the screen is the answer in the database, and it is there once."""
    await expect(chat.questions).to_have_count(1)
    await expect(chat.answers).to_have_count(1, timeout=RESUMED_MS)
    await chat.wait_until_done()
    question, answer = await chat.stored()
    assert await chat.copied(chat.questions.first) == question["content"]
    assert await chat.copied(chat.answers.first) == answer["content"]


async def test_a_reload_in_the_middle_of_an_answer_goes_on(new_channel: NewChannel, open_chat: OpenChat) -> None:
    chat = await open_chat(await new_channel())
    await chat.ask(LONG)
    await chat.wait_for_words(20)
    await chat.page.reload()
    await expect(chat.running).to_have_count(1)
    await assert_shown_as_stored(chat)


async def test_a_cut_in_the_middle_of_an_answer_is_replayed(
    new_channel: NewChannel, open_chat: OpenChat, line: FlakyLine
) -> None:
    chat = await open_chat(await new_channel())
    await chat.ask(LONG)
    await chat.wait_for_words(20)
    await line.cut()
    await expect(chat.notice).to_have_text(re.compile("^Connection lost. Reconnecting"))
    await expect(chat.notice).to_have_text("Back. Nothing was lost.", timeout=RESUMED_MS)
    await assert_shown_as_stored(chat)
    assert line.commands("sub")[0]["seq"] > 0


async def test_a_stopped_answer_that_was_replayed_says_what_it_took(
    new_channel: NewChannel, open_chat: OpenChat, line: FlakyLine
) -> None:
    chat = await open_chat(await new_channel())
    missed: list[str] = []

    def miss_the_answer(frame: Frame) -> int:
        if line.commands("send"):
            missed.append(frame["t"])
            return 0
        return 1

    line.deliveries = miss_the_answer
    await chat.ask("[[tokens=2000 rate=60]]")
    await eventually(lambda: missed.count("d") >= 60, RESUMED_SECONDS)
    line.deliveries = lambda frame: 1
    await line.cut()
    await expect(chat.running).to_have_count(1, timeout=RESUMED_MS)
    await chat.stop.click()
    await chat.wait_until_done()
    _, answer = await chat.stored()
    await expect(chat.notes).to_contain_text(f"Stopped. {answer['tokens']:,} tokens were used.")
    assert [frame["mode"] for frame in line.heard if frame["t"] == "opened"][-1] == "replay"


async def test_lost_frames_are_asked_for_again(new_channel: NewChannel, open_chat: OpenChat, line: FlakyLine) -> None:
    chat = await open_chat(await new_channel())
    deltas = itertools.count()
    line.deliveries = lambda frame: 0 if frame["t"] == "d" and next(deltas) == 30 else 1
    await chat.ask(LONG)
    await assert_shown_as_stored(chat)
    assert len(line.commands("sub")) == 1


async def test_repeated_frames_are_dropped(new_channel: NewChannel, open_chat: OpenChat, line: FlakyLine) -> None:
    chat = await open_chat(await new_channel())
    line.deliveries = lambda frame: 2
    await chat.ask(LONG)
    await assert_shown_as_stored(chat)


async def test_a_message_whose_acknowledgement_was_lost_is_not_sent_twice(
    new_channel: NewChannel, open_chat: OpenChat, line: FlakyLine
) -> None:
    chat = await open_chat(await new_channel(credits=5))
    answered = {"ok", "user", "start", "d", "done", "usage"}
    line.deliveries = lambda frame: 0 if frame["t"] in answered and line.commands("send") else 1
    await chat.ask("Only once [[tokens=40 rate=60]]")
    await expect(chat.balance).to_have_text("4")
    line.deliveries = lambda frame: 1
    await line.cut()
    await assert_shown_as_stored(chat)
    first, again = line.commands("send")
    assert first["idem"] == again["idem"]
    await expect(chat.balance).to_have_text("4")


async def test_a_message_that_was_answered_meanwhile_is_not_waited_for(
    new_channel: NewChannel, context: BrowserContext, line: FlakyLine
) -> None:
    page = await context.new_page()
    await page.clock.install()
    chat = await ChatPage.open(page, await new_channel())
    missed: list[str] = []

    def miss_the_answer(frame: Frame) -> int:
        missed.append(frame["t"])
        return 0

    line.deliveries = lambda frame: miss_the_answer(frame) if line.commands("send") else 1
    await chat.ask("Only once [[tokens=10]]")
    await eventually(lambda: "done" in missed)
    line.deliveries = lambda frame: 1
    await page.reload()
    await assert_shown_as_stored(chat)
    await eventually(lambda: any(frame.get("dup") for frame in line.heard))
    await expect(chat.stop).to_be_hidden()
    await page.clock.fast_forward(12_000)
    assert await chat.notice.is_hidden()


async def test_a_reply_that_comes_after_the_answer_starts_nothing(
    new_channel: NewChannel, open_chat: OpenChat, line: FlakyLine
) -> None:
    chat = await open_chat(await new_channel())
    late: list[Frame] = []

    def hold_back(frame: Frame) -> int:
        if frame["t"] == "ok" and line.commands("send"):
            late.append(frame)
            return 0
        return 1

    line.deliveries = hold_back
    await chat.ask_and_wait("Quickly [[tokens=5]]")
    line.tell(late[0])
    await chat.ask_and_wait("And again [[tokens=5]]")


async def test_a_message_for_a_chat_that_is_gone_begins_another(
    new_channel: NewChannel, open_chat: OpenChat, line: FlakyLine
) -> None:
    chat = await open_chat(await new_channel(credits=5))
    line.deliveries = lambda frame: 0 if frame["t"] == "opened" else 1
    await chat.ask("Keep this [[tokens=20]]")
    await expect(chat.questions).to_contain_text("Keep this")
    await chat.page.evaluate(
        """chat => {
          const [key, kept] = Object.entries(sessionStorage)[0];
          sessionStorage.setItem(key, JSON.stringify({...JSON.parse(kept), chat}));
        }""",
        str(uuid4()),
    )
    line.deliveries = lambda frame: 1
    await chat.page.reload()
    await assert_shown_as_stored(chat)
    assert [frame["code"] for frame in line.heard if frame["t"] == "err"] == ["not_found"]
    await expect(chat.stop).to_be_hidden()
    await expect(chat.balance).to_have_text("4")


async def test_an_unsent_message_survives_a_reload(
    new_channel: NewChannel, open_chat: OpenChat, line: FlakyLine
) -> None:
    chat = await open_chat(await new_channel())
    line.deliveries = lambda frame: 0 if frame["t"] == "opened" else 1
    await chat.ask("Keep this [[tokens=20]]")
    await expect(chat.questions).to_contain_text("Keep this")
    line.deliveries = lambda frame: 1
    await chat.page.reload()
    await assert_shown_as_stored(chat)
    assert len({frame["idem"] for frame in line.commands("open")}) == 1


async def test_after_three_failed_resumes_the_whole_text_is_asked_for(
    new_channel: NewChannel, open_chat: OpenChat, line: FlakyLine
) -> None:
    chat = await open_chat(await new_channel())
    await chat.ask(LONG)
    await chat.wait_for_words(10)
    line.deliveries = lambda frame: 0 if frame["t"] == "opened" else 1
    for failures in (1, 2, 3):
        await line.cut()
        await eventually(lambda: len(line.commands("sub")) == failures, RESUMED_SECONDS)  # noqa: B023 - awaited here
    line.deliveries = lambda frame: 1
    heard = len(line.heard)
    await line.cut()
    await eventually(lambda: any(frame["t"] == "opened" for frame in line.heard[heard:]), RESUMED_SECONDS)
    await assert_shown_as_stored(chat)
    assert ["seq" in frame for frame in line.commands("sub")] == [True, True, True, False]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (4501, "This page is out of date."),
        (4502, "You cannot take part in this chat."),
        (4503, "This page is out of date."),
        (4505, "This chat is open in too many tabs."),
    ],
)
async def test_some_closes_are_final(
    new_channel: NewChannel, open_chat: OpenChat, line: FlakyLine, code: int, text: str
) -> None:
    chat = await open_chat(await new_channel())
    await line.cut(code)
    await expect(chat.notice).to_have_text(text)
    await expect(chat.page.get_by_role("button", name="Reload")).to_be_visible()
    assert len(line.commands("hello")) == 1


@pytest.mark.parametrize("code", [1012, 4001, 4007])
async def test_other_closes_come_back(new_channel: NewChannel, open_chat: OpenChat, line: FlakyLine, code: int) -> None:
    chat = await open_chat(await new_channel())
    await line.cut(code)
    await expect(chat.page.locator(".state")).to_have_text("Reconnecting")
    await expect(chat.page.locator(".state")).to_have_text("On air", timeout=RESUMED_MS)


async def test_a_silent_line_is_pinged_and_then_given_up(
    new_channel: NewChannel, context: BrowserContext, line: FlakyLine
) -> None:
    page = await context.new_page()
    await page.clock.install()
    chat = await ChatPage.open(page, await new_channel())
    line.deliveries = lambda frame: 0
    await page.clock.run_for(26_000)
    await eventually(lambda: line.commands("ping"))
    await page.clock.run_for(11_000)
    line.deliveries = lambda frame: 1
    await page.clock.run_for(5_000)
    await expect(chat.page.locator(".state")).to_have_text("On air", timeout=RESUMED_MS)
    assert len(line.commands("ping")) == 1
    assert len(line.commands("hello")) == 2


async def test_a_killed_server_keeps_what_had_arrived(mortal_server: LiveServer, open_chat: OpenChat) -> None:
    chat = await open_chat(f"{mortal_server.url}/c/deep-sea-lab")
    await chat.ask("[[tokens=4000 rate=40]]")
    await chat.wait_for_words(40)
    mortal_server.kill()
    await expect(chat.notice).to_have_text(re.compile("^Connection lost"))
    mortal_server.start()
    await expect(chat.notes.last).to_contain_text("Interrupted. What had arrived is kept.", timeout=RESUMED_MS)
    await assert_shown_as_stored(chat)
    *_, answer = await chat.stored()
    assert answer["status"] == "INTERRUPTED"
    assert len(answer["content"].split()) >= 10
    await chat.ask_and_wait("And now? [[tokens=20]]")
