"""The line above the composer: what it announces, which buttons it has, and where the focus goes when they go."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.browser.static_site import open_component_page

# A frame on a page; `announced` counts what the live regions were given, `acted` what the reader did.
FRAME = """async () => {
  const {Frame} = await import('/static/widget/frame.js');
  const {default: strings} = await import('/static/widget/strings.en.js');
  const on = {submit() {}, stop() {}, edit() {}, focus() {}, jump() {}, act: name => acted.push(name)};
  const frame = new Frame(strings, on);
  Object.assign(window, {frame, announced: 0, acted: []});
  document.querySelector('main').replaceChildren(frame.element);
  const observer = new MutationObserver(() => { announced++; });
  for (const region of frame.element.querySelectorAll('[role=alert], [role=status]')) {
    observer.observe(region, {childList: true, characterData: true, subtree: true});
  }
}"""
LOST = {"tone": "alert", "key": "lost", "text": "Connection lost. Reconnecting."}


@pytest_asyncio.fixture(loop_scope="session")
async def frame_page(browser: Browser) -> AsyncIterator[Page]:
    """A page with a `frame`."""
    async with open_component_page(browser) as page:
        await page.evaluate(FRAME)
        yield page


async def show(page: Page, *actions: str, **more: Any) -> None:
    await page.evaluate("notice => frame.show(notice)", LOST | {"actions": actions} | more)


async def buttons(page: Page) -> list[str]:
    shown: list[str] = await page.evaluate("() => [...frame.notice.querySelectorAll('button')].map(b => b.textContent)")
    return shown


async def test_a_button_comes_and_goes_while_the_notice_stays(frame_page: Page) -> None:
    await show(frame_page)
    assert await buttons(frame_page) == []
    await show(frame_page, "now")
    assert await buttons(frame_page) == ["Now"]
    await frame_page.get_by_role("button", name="Now").click()
    await show(frame_page)
    assert await buttons(frame_page) == []
    assert await frame_page.evaluate("() => acted") == ["now"]


async def test_a_notice_that_stays_is_announced_once(frame_page: Page) -> None:
    await show(frame_page)
    assert await frame_page.evaluate("() => announced") == 1
    await show(frame_page, "now", text="Connection lost. Reconnecting in 4 s.")
    await show(frame_page, "now", text="Connection lost. Reconnecting in 3 s.")
    await show(frame_page)
    assert await frame_page.evaluate("() => announced") == 1


async def test_a_button_keeps_the_focus_while_the_countdown_runs(frame_page: Page) -> None:
    await show(frame_page, "now", text="Connection lost. Reconnecting in 4 s.")
    await frame_page.get_by_role("button", name="Now").focus()
    await show(frame_page, "now", text="Connection lost. Reconnecting in 3 s.")
    assert await frame_page.evaluate("() => document.activeElement.textContent") == "Now"


async def test_the_focus_goes_to_the_button_that_comes_in_its_place(frame_page: Page) -> None:
    await show(frame_page, "now")
    await frame_page.get_by_role("button", name="Now").focus()
    await show(frame_page, "tryNow", key="unreachable")
    assert await frame_page.evaluate("() => document.activeElement.textContent") == "Try now"


async def test_the_focus_goes_to_the_log_when_no_button_is_left(frame_page: Page) -> None:
    await show(frame_page, "now")
    await frame_page.get_by_role("button", name="Now").focus()
    await show(frame_page)
    assert await frame_page.evaluate("() => document.activeElement.getAttribute('role')") == "log"


SHOPS = """async () => {
  const {ChatView} = await import('/static/widget/chat-view.js');
  return ['https://tallylight.test/sub/', location.origin].map(address => {
    const options = {base: new URL(address), channel: 'night kitchen', starters: [], greeting: null};
    const {frame} = new ChatView(options, () => {}, () => {});
    frame.show({tone: 'warning', key: 'none', text: 'No credits left.', actions: ['buy']});
    const link = frame.notice.querySelector('a');
    return [link.textContent, link.href, link.target];
  });
}"""


async def test_credits_are_bought_on_our_own_site_beside_the_page_that_shows_the_chat(frame_page: Page) -> None:
    assert await frame_page.evaluate(SHOPS) == [
        ["Buy credits", "https://tallylight.test/sub/c/night%20kitchen/contribute", "_blank"],
        ["Buy credits", "http://component.test/c/night%20kitchen/contribute", ""],
    ]
