"""When the log is drawn and where it stands: once per frame, and never against the reader."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.browser.static_site import open_component_page

# A log of 200 px with text of 1,000 px in it, followed by a ScrollFollower.
LOG = """async () => {
  const {ScrollFollower} = await import('/static/widget/scroll-follower.js');
  const log = document.createElement('div');
  for (const [name, value] of [['height', '200px'], ['overflow-y', 'auto'], ['overflow-anchor', 'none']]) {
    log.style.setProperty(name, value);
  }
  log.tabIndex = 0;
  window.grow = () => {
    const article = document.createElement('article');
    article.style.setProperty('height', '1000px');
    log.append(article);
    follower.keep();
  };
  document.querySelector('main').replaceChildren(log);
  const follower = new ScrollFollower(log, isFollowing => window.changes.push(isFollowing));
  Object.assign(window, {log, follower, changes: []});
  grow();
}"""
IS_AT_END = "() => log.scrollHeight - log.scrollTop - log.clientHeight < 4"


@pytest_asyncio.fixture(loop_scope="session")
async def log_page(browser: Browser) -> AsyncIterator[Page]:
    """A page with `log`, its `follower`, `grow()` and the list of `changes`."""
    async with open_component_page(browser) as page:
        await page.evaluate(LOG)
        yield page


async def wheel(page: Page, pixels: int) -> None:
    """Turn the wheel over the log, and wait until the log has moved as far as it can."""
    await page.locator("main > div").hover()
    before: int = await page.evaluate("() => log.scrollTop")
    await page.mouse.wheel(0, pixels)
    await page.wait_for_function("before => log.scrollTop !== before", arg=before)


async def test_the_log_follows_its_end(log_page: Page) -> None:
    assert await log_page.evaluate(IS_AT_END)
    await log_page.evaluate("() => grow()")
    assert await log_page.evaluate(IS_AT_END)


async def test_one_turn_upward_lets_go_at_once(log_page: Page) -> None:
    await wheel(log_page, -40)
    await log_page.evaluate("() => grow()")
    assert not await log_page.evaluate(IS_AT_END)
    assert await log_page.evaluate("() => changes") == [False]


async def test_a_move_of_the_log_itself_does_not_take_hold_again(log_page: Page) -> None:
    is_following = await log_page.evaluate(
        """async () => {
          grow(); // moves the log; the event that tells so comes with the next frame
          log.dispatchEvent(new WheelEvent('wheel', {deltaY: -40}));
          await new Promise(requestAnimationFrame);
          await new Promise(requestAnimationFrame);
          return follower.isFollowing;
        }"""
    )
    assert is_following is False


async def test_the_first_small_step_upward_does_not_take_hold_again(log_page: Page) -> None:
    is_following = await log_page.evaluate(
        """async () => {
          await new Promise(requestAnimationFrame);
          await new Promise(requestAnimationFrame);
          log.dispatchEvent(new WheelEvent('wheel', {deltaY: -40}));
          log.scrollTop -= 2;
          await new Promise(requestAnimationFrame);
          await new Promise(requestAnimationFrame);
          return follower.isFollowing;
        }"""
    )
    assert is_following is False


@pytest.mark.parametrize("key", ["ArrowUp", "PageUp", "Home"])
async def test_keys_that_lead_upward_let_go(log_page: Page, key: str) -> None:
    await log_page.evaluate("() => log.focus()")
    await log_page.keyboard.press(key)
    assert await log_page.evaluate("() => follower.isFollowing") is False


async def test_coming_near_the_end_is_not_reaching_it(log_page: Page) -> None:
    await wheel(log_page, -400)
    await wheel(log_page, 350)
    assert await log_page.evaluate("() => follower.isFollowing") is False


async def test_reaching_the_end_takes_hold_again(log_page: Page) -> None:
    await wheel(log_page, -400)
    await wheel(log_page, 2_000)
    await log_page.wait_for_function("() => follower.isFollowing")


async def test_asking_for_the_end_takes_hold_again(log_page: Page) -> None:
    await wheel(log_page, -400)
    await log_page.evaluate("() => follower.follow()")
    assert await log_page.evaluate(IS_AT_END)
    assert await log_page.evaluate("() => changes") == [False, True]


async def test_many_pieces_are_drawn_once_a_frame(component_page: Page) -> None:
    draws = await component_page.evaluate(
        """async () => {
          const {DrawClock} = await import('/static/widget/draw-clock.js');
          let draws = 0;
          const clock = new DrawClock(() => { draws++; });
          for (let piece = 0; piece < 100; piece++) clock.request();
          await new Promise(requestAnimationFrame);
          await new Promise(requestAnimationFrame);
          return draws;
        }"""
    )
    assert draws == 1


async def test_a_slow_drawing_is_drawn_at_most_ten_times_a_second(component_page: Page) -> None:
    pauses = await component_page.evaluate(
        """async () => {
          const {DrawClock} = await import('/static/widget/draw-clock.js');
          const begun = [];
          await new Promise(resolve => {
            const clock = new DrawClock(() => {
              begun.push(performance.now());
              while (performance.now() - begun.at(-1) < 15);
              if (begun.length === 4) resolve();
              else clock.request();
            });
            clock.request();
          });
          return begun.slice(1).map((time, index) => time - begun[index]);
        }"""
    )
    assert min(pauses) >= 99


async def test_a_drawing_that_fails_is_not_the_last_one(component_page: Page) -> None:
    draws = await component_page.evaluate(
        """async () => {
          const {DrawClock} = await import('/static/widget/draw-clock.js');
          let draws = 0;
          const clock = new DrawClock(() => {
            if (++draws === 1) throw new Error('for the test');
          });
          try {
            clock.flush();
          } catch { /* the first drawing failed, as it should */ }
          clock.request();
          await new Promise(requestAnimationFrame);
          await new Promise(requestAnimationFrame);
          return draws;
        }"""
    )
    assert draws == 2


async def test_what_is_flushed_is_drawn_at_once_and_once(component_page: Page) -> None:
    draws = await component_page.evaluate(
        """async () => {
          const {DrawClock} = await import('/static/widget/draw-clock.js');
          let draws = 0;
          const clock = new DrawClock(() => { draws++; });
          clock.request();
          clock.flush();
          const atOnce = draws;
          await new Promise(requestAnimationFrame);
          await new Promise(requestAnimationFrame);
          return [atOnce, draws];
        }"""
    )
    assert draws == [1, 1]
