"""No state of a page has anything that axe-core objects to, light or dark; sizes, motion and zoom as promised."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import pytest
from playwright.async_api import Browser, BrowserContext, Page, ViewportSize, expect

from tests.browser.accessibility import assert_accessible
from tests.browser.chat_page import ChatPage
from tests.browser.conftest import NewChannel, OpenChat
from tests.browser.flaky_line import FlakyLine
from tests.browser.live_server import LiveServer

TARGET_PX = 44
PHONE: ViewportSize = {"width": 390, "height": 844}
ZOOMED: ViewportSize = {"width": 720, "height": 500}  # 1440 × 1000 at 200 %


async def assert_nothing_overflows(page: Page) -> None:
    """The page scrolls down only."""
    width, visible = await page.evaluate(
        "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert width <= visible


async def _beginning(chat: ChatPage) -> None:
    await expect(chat.notice).to_be_visible()


async def _thinking(chat: ChatPage) -> None:
    await chat.ask("[[delay_ms=60000]]")
    await expect(chat.running).to_have_class("answer live thinking")


async def _answering(chat: ChatPage) -> None:
    await chat.ask("[[tokens=2000 rate=30]]")
    await chat.wait_for_words(8)


async def _answered(chat: ChatPage) -> None:
    await chat.ask_and_wait("Tell me everything")


async def _stopped(chat: ChatPage) -> None:
    await _answering(chat)
    await chat.stop.click()
    await chat.wait_until_done()


async def _refunded(chat: ChatPage) -> None:
    await chat.ask("[[break=empty]]")
    await expect(chat.notice).to_have_text("The chat did not start. Your credit was returned.")


async def _failed(chat: ChatPage) -> None:
    await chat.ask("[[tokens=30 fail_at=10]]")
    await expect(chat.notes.last).to_contain_text("The model did not answer.")


async def _detached(chat: ChatPage) -> None:
    await chat.ask_and_wait("[[tokens=1500 rate=5000]]")
    await chat.page.get_by_role("log").focus()
    await chat.page.keyboard.press("Home")
    await expect(chat.page.get_by_role("button", name="Jump to latest")).to_be_visible()


STATES = [_beginning, _thinking, _answering, _answered, _stopped, _refunded, _failed, _detached]


@pytest.mark.parametrize("reach", STATES, ids=lambda reach: reach.__name__.strip("_"))
async def test_the_chat_is_accessible_when(
    new_channel: NewChannel, open_chat: OpenChat, reach: Callable[[ChatPage], Awaitable[None]]
) -> None:
    chat = await open_chat(await new_channel())
    await reach(chat)
    await assert_accessible(chat.page)
    if await chat.stop.is_visible():
        await chat.stop.click()
        await chat.wait_until_done()


async def test_the_chat_is_accessible_without_credits(new_channel: NewChannel, open_chat: OpenChat) -> None:
    chat = await open_chat(await new_channel(credits=0))
    await expect(chat.notice).to_contain_text("No credits left")
    await assert_accessible(chat.page)


async def test_the_chat_is_accessible_offline(
    new_channel: NewChannel, open_chat: OpenChat, context: BrowserContext
) -> None:
    line = FlakyLine()
    await line.install(context)
    chat = await open_chat(await new_channel())
    line.deliveries = lambda frame: 0
    await line.cut()
    await expect(chat.notice).to_contain_text("Connection lost")
    await assert_accessible(chat.page)


@pytest.mark.parametrize("path", ["/", "/c/night-kitchen", "/c/nobody"])
@pytest.mark.parametrize("size", [PHONE, ZOOMED], ids=["phone", "zoomed"])
async def test_pages_are_accessible(
    live_server: LiveServer, context: BrowserContext, path: str, size: ViewportSize
) -> None:
    page = await context.new_page()
    await page.set_viewport_size(size)
    await page.goto(live_server.url + path)
    await assert_nothing_overflows(page)
    await assert_accessible(page)


@pytest.mark.parametrize("path", ["/api/docs", "/api/docs/websocket"])
async def test_the_documents_of_the_interfaces_are_accessible(
    live_server: LiveServer, context: BrowserContext, path: str
) -> None:
    page = await context.new_page()
    await page.set_viewport_size(ZOOMED)
    await page.goto(live_server.url + path)
    await assert_nothing_overflows(page)
    await page.set_viewport_size(PHONE)
    await assert_nothing_overflows(page)
    await assert_accessible(page)  # once: it takes half a minute for pages as long as these


@pytest.mark.parametrize("size", [PHONE, ZOOMED, {"width": 320, "height": 640}], ids=["phone", "zoomed", "smallest"])
async def test_an_answer_fits_small_windows(new_channel: NewChannel, open_chat: OpenChat, size: ViewportSize) -> None:
    chat = await open_chat(await new_channel())
    await chat.page.set_viewport_size(size)
    await chat.ask_and_wait("Tell me everything, with averyveryverylongwordthatnobodywouldeverwriteinanormalmessage")
    await assert_nothing_overflows(chat.page)
    await assert_accessible(chat.page)


async def test_everything_to_press_is_large_enough(new_channel: NewChannel, open_chat: OpenChat) -> None:
    chat = await open_chat(await new_channel())
    await chat.page.set_viewport_size(PHONE)
    sizes: list[Any] = await chat.page.evaluate(
        """() => [...document.querySelectorAll('.bar a'),
          ...document.querySelector('channel-chat').shadowRoot.querySelectorAll('button, textarea')]
          .filter(element => element.checkVisibility())
          .map(element => [element.textContent, element.getBoundingClientRect().height])"""
    )
    assert len(sizes) >= 6
    assert [(text, height) for text, height in sizes if height < TARGET_PX] == []


async def test_the_text_field_is_large_enough_not_to_zoom(new_channel: NewChannel, open_chat: OpenChat) -> None:
    chat = await open_chat(await new_channel())
    size = await chat.composer.evaluate("element => parseFloat(getComputedStyle(element).fontSize)")
    assert size >= 16


async def test_nothing_moves_when_motion_is_reduced(new_channel: NewChannel, open_chat: OpenChat) -> None:
    chat = await open_chat(await new_channel())
    await chat.page.emulate_media(reduced_motion="reduce")
    await _answering(chat)
    moving = await chat.page.evaluate("() => document.getAnimations().length")
    await chat.stop.click()
    assert moving == 0


async def test_a_chat_can_be_held_with_the_keyboard_alone(new_channel: NewChannel, open_chat: OpenChat) -> None:
    chat = await open_chat(await new_channel())
    page = chat.page
    await page.keyboard.press("Tab")
    await expect(page.locator(".skip")).to_be_focused()
    await page.keyboard.press("Enter")
    while not await chat.composer.evaluate("element => element.getRootNode().activeElement === element"):
        await page.keyboard.press("Tab")
    await page.keyboard.type("Hello [[tokens=2000 rate=50]]")
    await page.keyboard.press("Enter")
    await chat.wait_for_words(5)
    await page.keyboard.press("Escape")
    await chat.wait_until_done()
    await page.keyboard.press("Tab")
    await page.keyboard.type(" ")
    await expect(chat.questions).to_have_count(1)


async def test_the_page_is_not_moved_or_focused_by_the_chat(new_channel: NewChannel, open_chat: OpenChat) -> None:
    chat = await open_chat(await new_channel())
    focused, top = await chat.page.evaluate("() => [document.activeElement.localName, scrollY]")
    assert (focused, top) == ("body", 0)


@pytest.mark.parametrize(("motion", "fades"), [("reduce", False), ("no-preference", True)])
async def test_pages_fade_into_each_other_only_for_who_likes_motion(
    live_server: LiveServer, browser: Browser, motion: Literal["reduce", "no-preference"], *, fades: bool
) -> None:
    async with await browser.new_context(reduced_motion=motion) as context:
        page = await context.new_page()
        await page.add_init_script(
            "addEventListener('pagereveal', event => { window.fades = !!event.viewTransition; })"
        )
        await page.goto(live_server.url)
        await page.get_by_role("link", name="Badges").click()
        await page.wait_for_url("**/badges")
        await page.wait_for_function("() => window.fades !== undefined")
        assert await page.evaluate("window.fades") == fades
