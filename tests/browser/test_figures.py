"""What pages show of money, live in every tab, and without JavaScript."""

import re

from playwright.async_api import Browser, BrowserContext, expect

from tests.browser.conftest import NewChannel, OpenChat
from tests.browser.flaky_line import FlakyLine
from tests.browser.live_server import LiveServer
from tests.support.waiting import eventually

POLLED_MS = 10_000


def name_of(url: str) -> str:
    return url.rpartition("/")[2]


async def test_credits_go_and_come_in_every_tab(
    new_channel: NewChannel, open_chat: OpenChat, live_server: LiveServer
) -> None:
    url = await new_channel(credits=1)
    first, second = await open_chat(url), await open_chat(url)
    await first.ask_and_wait("The last credit [[tokens=3]]")
    await expect(second.balance).to_have_text("0")
    await expect(second.notice).to_contain_text("No credits left on this channel. Anyone can add some.")
    buy = second.page.locator("channel-chat").get_by_role("link", name="Buy credits")
    await expect(buy).to_have_attribute("href", f"{url}/contribute")
    await expect(buy).to_have_attribute("target", "")
    await expect(second.send).to_have_attribute("aria-disabled", "true")
    await first.ask_and_wait("A chat that was paid for goes on [[tokens=3]]")

    await live_server.adjust_credits(name_of(url), 2)
    await expect(second.notice).to_have_text("2 credits are here. You can start a chat.", timeout=POLLED_MS)
    await expect(second.balance).to_have_text("2")
    await expect(buy).to_be_hidden()
    await second.ask_and_wait("Thank you [[tokens=3]]")


async def test_who_loses_the_race_for_the_last_credit_is_told_and_keeps_the_text(
    new_channel: NewChannel, browser: Browser, open_chat: OpenChat, context: BrowserContext
) -> None:
    line = FlakyLine()
    await line.install(context)
    line.deliveries = lambda frame: 0 if frame["t"] == "credit" and frame["why"] != "now" else 1
    url = await new_channel(credits=1)
    slow = await open_chat(url)
    async with await browser.new_context() as other:
        page = await other.new_page()
        await page.goto(url)
        await page.get_by_role("textbox").fill("Mine [[tokens=3]]")
        await page.get_by_role("textbox").press("Enter")
        await expect(page.locator('[data-live="balance"]')).to_have_text("0")
    await slow.ask("Mine too")
    await expect(slow.notice).to_contain_text("Someone else just used the last credit. You were not charged.")
    await expect(slow.composer).to_have_value("Mine too")


async def test_a_channel_goes_on_air_in_front_of_those_who_wait(
    new_channel: NewChannel, context: BrowserContext, live_server: LiveServer
) -> None:
    url = await new_channel(credits=None)
    page = await context.new_page()
    await page.goto(url)
    figure = page.locator(".panel.activation .big")
    await expect(figure).to_have_text("$0 of $10 goal reached")
    await expect(page.get_by_text("Chat opens when the goal is reached.")).to_be_visible()
    await live_server.give(name_of(url), 750)
    await expect(figure).to_have_text("$7.50 of $10 goal reached", timeout=POLLED_MS)
    await expect(page.locator(".segments .fill-4")).to_have_count(7)
    await live_server.give(name_of(url), 250)
    await expect(page.locator(".air")).to_have_text("On air", timeout=POLLED_MS)
    await page.get_by_role("link", name=re.compile("Open the chat")).click()
    await expect(page.locator("channel-chat .state")).to_have_text("On air")


async def test_the_first_gift_takes_the_place_of_the_call_for_it(
    new_channel: NewChannel, context: BrowserContext, live_server: LiveServer
) -> None:
    line = FlakyLine()
    await line.install(context)
    url = await new_channel(credits=None)
    page = await context.new_page()
    await page.goto(url)
    await eventually(lambda: any(frame["t"] == "channel" for frame in line.heard))
    await expect(page.get_by_text("Be the first to contribute.")).to_be_visible()
    await live_server.give(name_of(url), 300)
    await expect(page.get_by_text("$7 to go.")).to_be_visible(timeout=POLLED_MS)
    await expect(page.get_by_text("Be the first to contribute.")).to_have_count(0)


async def test_a_paused_channel_can_be_read_but_not_asked(
    new_channel: NewChannel, open_chat: OpenChat, live_server: LiveServer
) -> None:
    url = await new_channel()
    chat = await open_chat(url)
    await chat.ask_and_wait("Before [[tokens=3]]")
    await live_server.pause(name_of(url))
    await expect(chat.notice).to_have_text("This channel was paused. You can read this chat.", timeout=POLLED_MS)
    await expect(chat.composer).to_be_hidden()
    await expect(chat.page.locator(".air")).to_have_text("Paused by an admin")
    await expect(chat.answers).to_have_count(1)


async def test_a_page_has_one_socket(new_channel: NewChannel, context: BrowserContext, open_chat: OpenChat) -> None:
    line = FlakyLine()
    await line.install(context)
    await open_chat(await new_channel())
    assert len(line.commands("hello")) == 1


async def test_pages_say_everything_but_the_chat_without_javascript(browser: Browser, live_server: LiveServer) -> None:
    async with await browser.new_context(java_script_enabled=False) as context:
        page = await context.new_page()
        await page.goto(f"{live_server.url}/")
        await page.get_by_role("link", name="Night Kitchen").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Night Kitchen")
        await expect(page.locator(".panel.activation .big")).to_have_text("$5 of $10 goal reached")
        await expect(page.get_by_text("2 fans so far. $5 to go.")).to_be_visible()
        await page.goto(f"{live_server.url}/c/deep-sea-lab")
        assert "The chat needs JavaScript." in (await page.locator("noscript").text_content() or "")
        await expect(page.locator(".contributors li")).to_have_count(4)


async def test_a_channel_that_is_not_there_has_a_page(context: BrowserContext, live_server: LiveServer) -> None:
    page = await context.new_page()
    answer = await page.goto(f"{live_server.url}/c/nobody")
    assert answer is not None
    assert answer.status == 404
    await expect(page.get_by_role("heading", level=1)).to_have_text("No channel here.")
    await page.get_by_role("link", name="All channels").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Channels")
