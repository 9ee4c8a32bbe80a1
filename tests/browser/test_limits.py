"""A chat that nears its 50,000 tokens, reaches them, and is read again."""

import re
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.accessibility import assert_accessible
from tests.browser.chat_page import ChatPage
from tests.browser.conftest import NewChannel, OpenChat
from tests.browser.live_server import LiveServer

FAST = "rate=100000"
LONG_MS = 60_000


@pytest_asyncio.fixture(loop_scope="session")
async def chat(new_channel: NewChannel, open_chat: OpenChat) -> ChatPage:
    """An empty chat."""
    return await open_chat(await new_channel(credits=5))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def long_chat(browser: Browser, live_server: LiveServer) -> AsyncIterator[ChatPage]:
    """A chat of 48,000 tokens that begins with "The very first"; filling it takes its time, so that tests share it."""
    url = await live_server.add_channel(f"test-{uuid4().hex[:12]}", credits=5)
    async with await browser.new_context() as context:
        chat = await ChatPage.open(await context.new_page(), url)
        await chat.ask_and_wait("The very first [[tokens=5]]")
        await fill(chat, 47_900)
        yield chat


async def fill(chat: ChatPage, tokens: int) -> None:
    """Use so many tokens, in answers of 20,000."""
    while tokens > 0:
        await chat.ask_and_wait(f"[[tokens={min(tokens, 20_000)} {FAST}]]")
        tokens -= 20_000


async def test_a_chat_warns_at_80_and_95_percent_and_ends_full(chat: ChatPage) -> None:
    status = chat.page.locator("channel-chat [role=status]")
    await fill(chat, 40_000)
    await expect(chat.notice).to_have_text(re.compile(r"^This chat has room for about [\d,]+ more tokens, roughly \d"))
    await fill(chat, 7_600)
    await expect(chat.notice).to_have_text(re.compile(r"^About 2,\d\d\d tokens left. Ask your last questions"))
    await chat.ask_and_wait(f"[[tokens=5000 {FAST}]]")
    await expect(chat.notice).to_have_text(re.compile(r"^This chat is full: (49,9[89]\d|50,000) of 50,000 tokens."))
    await expect(chat.notes.last).to_have_text("Cut at the limit.")
    await expect(chat.composer).to_be_hidden()
    await expect(status).not_to_be_empty()
    await assert_accessible(chat.page)

    await chat.page.get_by_role("button", name="Start a new chat, 1 credit").click()
    await expect(chat.questions).to_have_count(0)
    await chat.ask_and_wait("A new one [[tokens=3]]")
    await expect(chat.balance).to_have_text("3")


async def test_a_message_that_leaves_no_room_is_refused_with_the_numbers(
    long_chat: ChatPage,
) -> None:
    chat = long_chat
    await chat.ask("word " * 2_500)
    await expect(chat.notice).to_have_text(
        re.compile(r"^Your message is about 2,5\d\d tokens and [\d,]+ are left. Shorten it to send.$")
    )
    await expect(chat.send).to_have_attribute("aria-disabled", "true")
    await chat.composer.fill("word")
    await expect(chat.send).to_have_attribute("aria-disabled", "false")


async def test_a_message_of_too_many_characters_is_not_sent(chat: ChatPage) -> None:
    await chat.composer.fill("x" * 16_001)
    await expect(chat.notice).to_have_text(
        "Your message has 16,001 characters, 16,000 can be sent. Shorten it to send."
    )
    await chat.composer.press("Enter")
    await expect(chat.questions).to_have_count(0)


async def test_the_limit_counts_characters_and_not_their_halves(chat: ChatPage) -> None:
    await chat.composer.fill("🐙" * 16_000)
    await expect(chat.send).to_have_attribute("aria-disabled", "false")
    await chat.composer.fill("🐙" * 16_001)
    await expect(chat.notice).to_contain_text("Your message has 16,001 characters")


async def test_the_beginning_of_a_long_chat_can_be_read_after_a_reload(long_chat: ChatPage) -> None:
    chat = long_chat
    await chat.page.reload()
    await expect(chat.answers).not_to_have_count(0)
    shown = await chat.questions.count()
    earlier = chat.page.get_by_role("button", name="Show earlier messages")
    await earlier.click()
    await expect(chat.questions.first).to_contain_text("The very first")
    await expect(earlier).to_have_count(0)
    assert await chat.questions.count() > shown
