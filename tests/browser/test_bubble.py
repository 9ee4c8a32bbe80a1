"""The chat as a bubble in the corner of a page: quiet until it is opened, and never in the way."""

import pytest_asyncio
from playwright.async_api import BrowserContext, Page, expect

from tests.browser.conftest import NewChannel
from tests.browser.flaky_line import FlakyLine
from tests.browser.live_server import LiveServer

ADD_BUBBLE = """async channel => {
  await import('/static/widget/channel-chat.js');
  const chat = document.createElement('channel-chat');
  for (const [name, value] of [['channel', channel], ['heading', 'A channel'], ['mode', 'bubble']]) {
    chat.setAttribute(name, value);
  }
  window.heard = [];
  for (const type of ['chat-ready', 'chat-open', 'chat-close', 'chat-started', 'chat-limit', 'chat-error']) {
    document.addEventListener(type, ({detail}) => window.heard.push([type, detail]));
  }
  document.body.append(chat);
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def line(context: BrowserContext) -> FlakyLine:
    """The line of the visitor's pages."""
    made = FlakyLine()
    await made.install(context)
    return made


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext, live_server: LiveServer, new_channel: NewChannel, line: FlakyLine) -> Page:
    """A page of the site with a bubble on it."""
    made = await context.new_page()
    await made.goto(f"{live_server.url}/")
    await made.evaluate(ADD_BUBBLE, (await new_channel()).rpartition("/")[2])
    return made


async def test_a_closed_bubble_connects_to_nothing(page: Page, line: FlakyLine) -> None:
    await expect(page.get_by_role("button", name="Chat with A channel")).to_have_attribute("aria-expanded", "false")
    assert line.commands("hello") == []


async def test_escape_stops_first_then_closes_and_gives_the_focus_back(page: Page) -> None:
    launcher = page.get_by_role("button", name="Chat with A channel")
    await launcher.click()
    await page.get_by_role("textbox").fill("Hello [[tokens=2000 rate=50]]")
    await page.keyboard.press("Enter")
    answer = page.locator("article.answer")
    await expect(answer).to_have_class("answer live")
    await page.keyboard.press("Escape")
    await expect(answer).to_have_class("answer")
    await expect(page.get_by_role("textbox")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("textbox")).to_be_hidden()
    await expect(launcher).to_be_focused()


async def test_the_page_hears_what_happens_but_not_what_is_said(page: Page) -> None:
    await page.get_by_role("button", name="Chat with A channel").click()
    await page.get_by_role("textbox").fill("A secret [[tokens=3]]")
    await page.keyboard.press("Enter")
    await expect(page.locator("article.answer .copy")).to_be_attached()
    await expect(page.locator("article.live")).to_have_count(0)
    await page.evaluate("() => document.querySelector('channel-chat').close()")
    heard = await page.evaluate("() => window.heard")
    assert [kind for kind, _ in heard] == ["chat-open", "chat-ready", "chat-started", "chat-close"]
    assert "secret" not in str(heard)


async def test_an_answer_that_ends_unseen_marks_the_launcher(page: Page) -> None:
    launcher = page.locator("channel-chat .launcher")
    await launcher.click()
    await page.get_by_role("textbox").fill("Hello [[tokens=60 rate=40]]")
    await page.keyboard.press("Enter")
    await expect(page.locator("article.answer")).to_have_class("answer live")
    await launcher.click()
    await expect(launcher).to_have_class("launcher news", timeout=15_000)
    await launcher.click()
    await expect(launcher).to_have_class("launcher")


async def test_a_script_of_the_page_can_ask_and_stop(page: Page) -> None:
    chat = "document.querySelector('channel-chat')"
    await page.evaluate(f"() => {chat}.open()")
    await expect(page.locator("channel-chat .state")).to_have_text("On air")
    assert await page.evaluate(f"() => {chat}.ask('By script [[tokens=2000 rate=50]]')")
    assert not await page.evaluate(f"() => {chat}.ask('A second one')")
    await expect(page.locator("article.answer")).to_have_class("answer live")
    await page.evaluate(f"() => {chat}.stop()")
    await expect(page.locator("article.answer .note")).to_contain_text("Stopped.")
