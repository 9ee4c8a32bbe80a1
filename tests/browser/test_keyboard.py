"""A keyboard on the screen that covers the page, as on iOS: the composer stays in sight, and nothing else moves."""

import pytest_asyncio
from playwright.async_api import BrowserContext, Locator, Page, expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import NewChannel
from tests.browser.live_server import LiveServer
from tests.browser.test_bubble import ADD_BUBBLE

PHONE_WIDTH, PHONE_HEIGHT = 390, 844
KEYBOARD_HEIGHT = 400
VISIBLE_HEIGHT = PHONE_HEIGHT - KEYBOARD_HEIGHT

# The browser under test resizes the page for its keyboard; this stands for one that does not.
FAKE = f"""
  const fake = Object.assign(new EventTarget(), {{height: {PHONE_HEIGHT}, offsetTop: 0, scale: 1}});
  Object.defineProperty(window, 'visualViewport', {{value: fake}});
  window.see = seen => {{ Object.assign(fake, seen); fake.dispatchEvent(new Event('resize')); }};
"""


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext) -> Page:
    """A page on a phone; `see(…)` says what a keyboard leaves of it."""
    made = await context.new_page()
    await made.set_viewport_size({"width": PHONE_WIDTH, "height": PHONE_HEIGHT})
    await made.add_init_script(FAKE)
    return made


async def box(part: Locator) -> tuple[float, float]:
    """Where the part begins and ends, from the top of the page's window."""
    seen = await part.bounding_box()
    assert seen is not None
    return seen["y"], seen["y"] + seen["height"]


async def test_the_composer_stays_above_the_keyboard(page: Page, new_channel: NewChannel) -> None:
    chat = await ChatPage.open(page, await new_channel())
    await chat.composer.focus()
    await page.evaluate("height => see({height})", VISIBLE_HEIGHT)
    begin, end = await box(page.locator("channel-chat .frame"))
    assert 0 <= round(begin) < round(end) <= VISIBLE_HEIGHT
    assert (await box(chat.send))[1] <= VISIBLE_HEIGHT


async def test_the_composer_is_whole_even_where_little_is_left(page: Page, new_channel: NewChannel) -> None:
    await page.set_viewport_size({"width": PHONE_HEIGHT, "height": PHONE_WIDTH})
    chat = await ChatPage.open(page, await new_channel())
    await expect(chat.notice).to_be_visible()
    await chat.composer.focus()
    await page.evaluate("() => see({height: 180})")
    begin, end = await box(page.locator("channel-chat .composer"))
    assert 0 <= begin < end <= 180


async def test_the_chat_grows_again_when_the_keyboard_goes(page: Page, new_channel: NewChannel) -> None:
    await ChatPage.open(page, await new_channel())
    frame = page.locator("channel-chat .frame")
    before = await box(frame)
    await page.evaluate("height => see({height})", VISIBLE_HEIGHT)
    assert await box(frame) != before
    await page.evaluate("height => see({height})", PHONE_HEIGHT)
    assert await box(frame) == before


async def test_a_bubble_moves_above_the_keyboard(page: Page, live_server: LiveServer, new_channel: NewChannel) -> None:
    await page.goto(f"{live_server.url}/")
    await page.evaluate(ADD_BUBBLE, (await new_channel()).rpartition("/")[2])
    await page.evaluate("() => document.querySelector('channel-chat').open()")
    await page.evaluate("height => see({height})", VISIBLE_HEIGHT)
    begin, end = await box(page.locator("channel-chat .frame"))
    assert 0 <= round(begin) < round(end) <= VISIBLE_HEIGHT


async def test_the_page_is_not_scrolled_for_somebody_elses_keyboard(page: Page, new_channel: NewChannel) -> None:
    await ChatPage.open(page, await new_channel())
    await page.evaluate("height => see({height})", VISIBLE_HEIGHT)
    assert await page.evaluate("() => scrollY") == 0


async def test_a_page_that_is_zoomed_into_keeps_its_chat(page: Page, new_channel: NewChannel) -> None:
    chat = await ChatPage.open(page, await new_channel())
    await chat.composer.focus()
    frame = page.locator("channel-chat .frame")
    before = await box(frame)
    await page.evaluate("height => see({height, scale: 2})", VISIBLE_HEIGHT)
    assert await box(frame) == before
