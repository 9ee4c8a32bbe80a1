"""Which keys send a message, and which do not."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.browser.static_site import open_component_page


@pytest_asyncio.fixture(loop_scope="session")
async def composer_page(browser: Browser) -> AsyncIterator[Page]:
    """A page with a composer and the list of what was `sent`."""
    async with open_component_page(browser) as page:
        await page.evaluate(
            """async () => {
              const {Composer} = await import('/static/widget/composer.js');
              const {default: strings} = await import('/static/widget/strings.en.js');
              const nothing = () => {};
              const submit = text => window.sent.push(text);
              const composer = new Composer(strings, {submit, stop: nothing, edit: nothing, focus: nothing});
              composer.name(strings, 'Deep Sea Lab');
              composer.show({label: 'Send', canSend: true, canStop: false});
              document.querySelector('main').append(composer.element);
              composer.text = 'Hello';
              composer.focus();
              Object.assign(window, {sent: [], composer});
            }"""
        )
        yield page


async def test_enter_sends(composer_page: Page) -> None:
    await composer_page.keyboard.press("Enter")
    assert await composer_page.evaluate("() => sent") == ["Hello"]


async def test_shift_enter_adds_a_line(composer_page: Page) -> None:
    await composer_page.keyboard.press("Shift+Enter")
    assert await composer_page.evaluate("() => [sent, composer.text]") == [[], "Hello\n"]


@pytest.mark.parametrize("composing", [{"isComposing": True}, {"keyCode": 229}])
async def test_enter_of_an_input_method_does_not_send(composer_page: Page, composing: dict[str, object]) -> None:
    await composer_page.evaluate(
        """composing => {
          const event = new KeyboardEvent('keydown', {key: 'Enter', bubbles: true, cancelable: true, ...composing});
          document.querySelector('textarea').dispatchEvent(event);
        }""",
        composing,
    )
    assert await composer_page.evaluate("() => sent") == []


async def test_nothing_is_sent_while_sending_is_off(composer_page: Page) -> None:
    await composer_page.evaluate("() => composer.show({label: 'Send', canSend: false, canStop: false})")
    await composer_page.keyboard.press("Enter")
    await composer_page.get_by_role("button", name="Send").click(force=True)
    assert await composer_page.evaluate("() => sent") == []


async def test_the_focus_stays_when_send_becomes_stop(composer_page: Page) -> None:
    await composer_page.get_by_role("button", name="Send").focus()
    await composer_page.evaluate("() => composer.show({label: 'Send', canSend: false, canStop: true})")
    assert await composer_page.evaluate("() => document.activeElement.localName") == "textarea"
