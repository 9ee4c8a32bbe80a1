"""A snapshot that comes while somebody reads: what is as it was stays untouched, the rest is as the server has it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.browser.static_site import open_component_page

TRANSCRIPT = """async () => {
  const {Transcript} = await import('/static/widget/transcript.js');
  const {loadWalker} = await import('/static/widget/message.js');
  const {default: strings} = await import('/static/widget/strings.en.js');
  await loadWalker();
  const log = document.createElement('div');
  log.tabIndex = 0;
  document.querySelector('main').replaceChildren(log);
  const nothing = () => {};
  const transcript = new Transcript({
    log, strings, title: () => 'Deep Sea Lab', said: nothing, followed: nothing,
    actions: {continue: nothing, tryAgain: nothing, earlier: nothing},
  });
  const shown = () => [...log.querySelectorAll('article')];
  Object.assign(window, {transcript, shown, texts: () => shown().map(({children}) => children[1].textContent)});
}"""


def told(name: str, text: str, **more: Any) -> dict[str, Any]:
    """A message as a snapshot has it: answers have a name that begins with "a"."""
    kind = "ai" if name.startswith("a") else "user"
    return {"id": name, "type": kind, "text": text, "status": "done", "who": {"ref": 1, "me": True}} | more


FIRST = [told("m1", "One?"), told("a1", "One."), told("m2", "Two?"), told("a2", "Two.")]


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page with a `transcript` of two questions and their answers."""
    async with open_component_page(browser) as made:
        await made.evaluate(TRANSCRIPT)
        await made.evaluate("messages => { transcript.reset(messages); window.before = shown(); }", FIRST)
        await made.wait_for_function("() => texts().every(Boolean)")
        yield made


async def resume(page: Page, messages: list[dict[str, Any]]) -> list[bool]:
    """A snapshot comes; which of the messages on the page are the elements that were there before."""
    kept: list[bool] = await page.evaluate(
        "messages => { transcript.reset(messages); return shown().map(element => before.includes(element)); }", messages
    )
    await page.wait_for_function("() => texts().every(Boolean)")
    return kept


async def test_the_focus_and_the_selection_survive_a_snapshot(page: Page) -> None:
    await page.evaluate(
        "() => { before[1].querySelector('.copy').focus(); getSelection().selectAllChildren(before[1]); }"
    )
    assert await resume(page, [*FIRST, told("m3", "Three?")]) == [True, True, True, True, False]
    focused, selected = await page.evaluate(
        "() => [document.activeElement === before[1].querySelector('.copy'), getSelection().toString()]"
    )
    assert focused
    assert "One." in selected


async def test_an_answer_that_went_on_meanwhile_is_drawn_anew_in_its_place(page: Page) -> None:
    longer = told("a1", "One, and more.", status="stopped")
    assert await resume(page, [FIRST[0], longer, *FIRST[2:]]) == [True, False, True, True]
    assert await page.evaluate("() => texts()") == ["One?", "One, and more.", "Two?", "Two."]
    assert await page.evaluate("() => transcript.lastQuestion") == "Two?"


async def test_an_answer_that_ended_meanwhile_says_how(page: Page) -> None:
    assert await resume(page, [*FIRST[:3], told("a2", "Two.", status="interrupted")]) == [True, True, True, False]
    assert "Interrupted." in await page.evaluate("() => shown()[3].textContent")


async def test_an_answer_whose_end_was_seen_is_as_the_snapshot_tells(page: Page) -> None:
    await page.evaluate(
        """() => {
          transcript.apply({t: 'start', id: 'a3'});
          transcript.apply({t: 'd', x: 'Three'});
          transcript.finish({id: 'a3', why: 'user_stop'}, 0);
          before = shown();
        }"""
    )
    assert await resume(page, [*FIRST, told("a3", "Three", status="stopped")]) == [True] * 5


async def test_an_answer_that_runs_goes_on_after_a_snapshot(page: Page) -> None:
    await resume(page, [*FIRST[:3], told("a2", "Two", status="streaming")])
    await page.evaluate("() => transcript.apply({t: 'd', x: ' and a half.'})")
    await page.wait_for_function("() => texts()[3] === 'Two and a half.'")


async def test_messages_that_are_no_more_go(page: Page) -> None:
    assert await resume(page, FIRST[2:]) == [True, True]
    assert await page.evaluate("() => texts()") == ["Two?", "Two."]
