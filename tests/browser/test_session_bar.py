"""Every open page tells the truth about who is signed in: after another tab, another device, and on the way back."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.browser.accessibility import assert_accessible
from tests.browser.chat_page import ChatPage
from tests.browser.conftest import CHROMIUM_FLAGS, NewChannel
from tests.browser.live_server import LiveServer
from tests.browser.session_page import NOTHING, run
from tests.browser.test_accessibility import PHONE, assert_nothing_overflows
from tests.browser.test_signing_in import sign_in_as
from tests.support.chromium import find_chromium

SOON_MS = 4_000
"""A second between two questions of a page, one between two looks of a node, and the rest for a busy machine."""
SEEN_AGAIN = "() => document.dispatchEvent(new Event('visibilitychange', {bubbles: true}))"


async def sees(page: Page, text: str | re.Pattern[str]) -> None:
    """The bar says this before long."""
    await expect(page.locator(".bar .session")).to_contain_text(text, timeout=SOON_MS)


class Fan:
    """Somebody with an account, who signs in with any browser."""

    def __init__(self, server: LiveServer) -> None:
        self._url = server.url
        self.subject = f"Fan {uuid4().hex[:10]}"
        self.username = f"fan_{uuid4().hex[:10]}"

    async def sign_in(self, context: BrowserContext) -> Page:
        """In a new tab, which ends at the settings."""
        page = await context.new_page()
        await page.goto(f"{self._url}/signin?next=/me/settings")
        await sign_in_as(page, self.subject)
        await page.wait_for_url(re.compile("/me/settings$|/welcome"))
        if "/welcome" in page.url:
            await page.get_by_role("textbox", name="Username").fill(self.username)
            await page.get_by_role("button", name="Take this username").click()
        await expect(page.get_by_role("heading", name="Settings")).to_be_visible()
        return page


async def sign_out(page: Page) -> None:
    await page.get_by_role("banner").get_by_role("button", name="Sign out").click()
    await sees(page, "Not signed in.")


@pytest_asyncio.fixture(loop_scope="session")
async def elsewhere(browser: Browser) -> AsyncIterator[BrowserContext]:
    """Another device."""
    async with await browser.new_context() as made:
        yield made


@pytest.fixture
def fan(live_server: LiveServer) -> Fan:
    return Fan(live_server)


async def open_tab(context: BrowserContext, url: str) -> Page:
    page = await context.new_page()
    await page.goto(url)
    return page


async def test_a_sign_in_in_one_tab_is_seen_in_the_others_and_told_once(
    context: BrowserContext, live_server: LiveServer, fan: Fan
) -> None:
    plain, own = [await open_tab(context, live_server.url + path) for path in ("/badges", "/me")]
    await sees(plain, "Not signed in.")
    await fan.sign_in(context)
    for page in (plain, own):
        await sees(page, f"Signed in as {fan.username}")
    await expect(plain.locator(".bar .told")).to_have_text(f"Signed in as {fan.username}.")
    await expect(own.locator(".bar .told")).to_contain_text(
        f"You are signed in as {fan.username} now. Reload to go on."
    )
    await assert_accessible(own)
    await own.get_by_role("link", name="Reload").click()
    await expect(own.get_by_role("link", name="Your profile")).to_be_visible()
    await expect(own.locator(".bar .told")).to_be_empty()


async def test_the_same_is_seen_where_a_chat_goes_on(
    context: BrowserContext, new_channel: NewChannel, fan: Fan
) -> None:
    chat = await ChatPage.open(await context.new_page(), await new_channel())
    await chat.ask_and_wait("Before the sign-in")
    await fan.sign_in(context)
    await sees(chat.page, f"Signed in as {fan.username}")
    await chat.ask_and_wait("After it")
    await expect(chat.questions).to_have_count(2)


async def test_after_a_sign_out_a_page_with_ones_own_things_asks_for_a_reload_and_sends_nothing(
    context: BrowserContext, live_server: LiveServer, fan: Fan
) -> None:
    first = await fan.sign_in(context)
    own = await open_tab(context, f"{live_server.url}/me/settings")
    sent: list[str] = []
    own.on("request", lambda request: sent.append(request.method))
    await sign_out(first)
    await sees(own, "Not signed in.")
    await expect(own.locator(".bar .told")).to_contain_text("Your session has ended. Reload to go on.")
    await own.get_by_label("Display name").fill("Somebody else")
    await own.get_by_role("button", name="Save").click()
    await expect(own).to_have_url(re.compile("/me/settings$"))
    assert "POST" not in sent
    await assert_accessible(own)
    await own.set_viewport_size(PHONE)
    await assert_nothing_overflows(own)
    await own.get_by_role("link", name="Reload").click()
    await expect(own).to_have_url(re.compile(r"/signin\?next="))


async def test_another_username_is_in_every_bar(context: BrowserContext, live_server: LiveServer, fan: Fan) -> None:
    settings = await fan.sign_in(context)
    own = await open_tab(context, f"{live_server.url}/me")
    name = f"new_{uuid4().hex[:10]}"
    await settings.get_by_role("textbox", name="Username").fill(name)
    await settings.get_by_role("button", name="Save").click()
    await sees(own, f"Signed in as {name}")
    await expect(own.locator(".bar .told")).to_have_text(f"Signed in as {name}.")


async def test_a_chat_is_told_by_its_own_connection(
    context: BrowserContext, elsewhere: BrowserContext, new_channel: NewChannel, fan: Fan
) -> None:
    await fan.sign_in(context)
    chat = await ChatPage.open(await context.new_page(), await new_channel())
    waiting = await open_tab(context, await new_channel(credits=None))  # a page that only watches
    settings = await fan.sign_in(elsewhere)
    name = f"new_{uuid4().hex[:10]}"
    await settings.get_by_role("textbox", name="Username").fill(name)
    await settings.get_by_role("button", name="Save").click()
    await sees(chat.page, f"Signed in as {name}")
    await sees(waiting, f"Signed in as {name}")


async def test_the_figures_of_a_page_that_only_watches_go_on_after_a_sign_out(
    context: BrowserContext, new_channel: NewChannel, fan: Fan, live_server: LiveServer
) -> None:
    first = await fan.sign_in(context)
    url = await new_channel(credits=None)
    page = await open_tab(context, url)
    await sign_out(first)
    await sees(page, "Not signed in.")
    await live_server.give(url.rpartition("/")[2], 400)
    await expect(page.locator('[data-live="funding"]')).to_have_text("$4", timeout=15_000)


async def end_all_others(page: Page) -> None:
    await page.goto(page.url.partition("/me")[0] + "/me/sessions")
    await page.get_by_role("button", name="Sign out everywhere else").click()
    await expect(page.get_by_role("button", name="Sign out everywhere else")).to_have_count(0)


async def test_a_chat_whose_session_another_device_ends_keeps_what_was_typed_and_read(
    context: BrowserContext, elsewhere: BrowserContext, new_channel: NewChannel, fan: Fan
) -> None:
    await fan.sign_in(context)
    chat = await ChatPage.open(await context.new_page(), await new_channel())
    await chat.ask_and_wait("Something private")
    await chat.composer.fill("Half a thought")
    await end_all_others(await fan.sign_in(elsewhere))
    await expect(chat.notice).to_have_text("Your session was ended. Your text is kept.", timeout=SOON_MS)
    await sees(chat.page, "Not signed in.")
    await expect(chat.composer).to_have_value("Half a thought")
    await expect(chat.questions).to_contain_text("Something private")
    await chat.composer.press("Enter")
    await expect(chat.questions).to_have_count(1)
    await chat.page.get_by_role("button", name="Go on as a visitor").click()
    await expect(chat.page.locator("channel-chat .state")).to_have_text("On air")
    await expect(chat.composer).to_have_value("Half a thought")
    await expect(chat.questions).to_have_count(0)
    await chat.composer.press("Enter")
    await expect(chat.questions).to_contain_text("Half a thought")


async def test_from_an_ended_chat_one_signs_in_and_comes_back_to_it(
    context: BrowserContext, elsewhere: BrowserContext, new_channel: NewChannel, fan: Fan
) -> None:
    await fan.sign_in(context)
    url = await new_channel()
    chat = await ChatPage.open(await context.new_page(), url)
    await chat.ask_and_wait("Something private")
    await end_all_others(await fan.sign_in(elsewhere))
    await chat.page.get_by_role("button", name="Sign in").click()
    await expect(chat.page).to_have_url(re.compile(r"/signin\?next=/c/"))
    await sign_in_as(chat.page, fan.subject)
    await expect(chat.page).to_have_url(url)
    await expect(chat.questions).to_contain_text("Something private")


async def test_a_page_without_a_connection_sees_it_when_it_is_looked_at_again(
    context: BrowserContext, elsewhere: BrowserContext, live_server: LiveServer, fan: Fan
) -> None:
    await fan.sign_in(context)
    page = await open_tab(context, f"{live_server.url}/me")
    await end_all_others(await fan.sign_in(elsewhere))
    await sees(page, f"Signed in as {fan.username}")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for _ in range(5):
        await page.evaluate(SEEN_AGAIN)
    await sees(page, "Not signed in.")
    await expect(page.locator(".bar .told")).to_contain_text("Your session has ended. Reload to go on.")
    assert asked == [f"{live_server.url}/session"]


async def test_a_chat_of_one_user_is_not_gone_on_with_by_another(
    context: BrowserContext, new_channel: NewChannel, fan: Fan, live_server: LiveServer
) -> None:
    await fan.sign_in(context)
    chat = await ChatPage.open(await context.new_page(), await new_channel())
    await chat.ask_and_wait("Something private")
    other = Fan(live_server)
    await other.sign_in(context)
    await sees(chat.page, f"Signed in as {other.username}")
    await expect(chat.page.locator(".bar .told")).to_contain_text(f"You are signed in as {other.username} now.")
    await expect(chat.page.locator("channel-chat")).to_have_js_property("inert", True)
    await chat.page.get_by_role("link", name="Reload").click()
    await expect(chat.page.locator("channel-chat .state")).to_have_text("On air")
    await expect(chat.questions).to_have_count(0)


MARA = "{kind: 'user', ref: 1, name: 'mara_k'}"


ENDED = "line.onclose({code: 4004});"
ENDED_WHILE_AWAY = """line.onclose({code: 1006});
session.socket.retryNow();
await new Promise(resolve => setTimeout(resolve));
tell({t: 'ready', rid: rid('hello'), who: {kind: 'session', ref: 1}});"""


@pytest.mark.parametrize("loss", [ENDED, ENDED_WHILE_AWAY], ids=["while connected", "while away"])
async def test_a_message_on_its_way_is_not_sent_by_whoever_comes_next(component_page: Page, loss: str) -> None:
    state = await run(
        component_page,
        NOTHING,
        f"""tell({{t: 'ready', rid: rid('hello'), who: {MARA}}});
        session.send('Hello');
        const before = said.length;
        {loss}
        const opened = said.slice(before).filter(({{t}}) => t === 'open' || t === 'send');
        return {{phase: session.socket.phase, pending: memory.pending, opened, told: seen.map(([name]) => name)}};""",
    )
    assert (state["phase"], state["pending"], state["opened"]) == ("refused", None, [])
    assert "refused" in state["told"]  # which puts the text back to where it is written


async def test_a_visitors_chat_goes_on_as_the_user_who_signed_in_while_it_was_away(component_page: Page) -> None:
    phase = await run(
        component_page,
        NOTHING,
        f"""tell({{t: 'ready', rid: rid('hello'), who: {{kind: 'session', ref: 1}}}});
        line.onclose({{code: 1006}});
        session.socket.retryNow();
        await new Promise(resolve => setTimeout(resolve));
        tell({{t: 'ready', rid: rid('hello'), who: {MARA}}});
        return session.socket.phase;""",
    )
    assert phase == "ready"


@pytest_asyncio.fixture(loop_scope="session")
async def remembering_browser() -> AsyncIterator[Browser]:
    """A browser that keeps pages one leaves in its memory, as people's do; Playwright switches that off."""
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(
            executable_path=find_chromium(),
            args=CHROMIUM_FLAGS,
            ignore_default_args=["--disable-back-forward-cache"],
        )
        yield launched
        await launched.close()


async def _goes_back_to_nothing_of_before(context: BrowserContext, live_server: LiveServer, fan: Fan) -> None:
    page = await open_tab(context, f"{live_server.url}/badges")
    await sees(page, "Not signed in.")
    await page.goto(live_server.url)
    first = await fan.sign_in(context)
    await page.go_back(wait_until="commit")
    await sees(page, f"Signed in as {fan.username}")
    await page.goto(f"{live_server.url}/me")
    await page.goto(live_server.url)
    await sign_out(first)
    await page.go_back(wait_until="commit")
    await sees(page, "Not signed in.")
    assert fan.username not in await page.content()


async def test_going_back_shows_nothing_of_who_was_there(
    context: BrowserContext, live_server: LiveServer, fan: Fan
) -> None:
    await _goes_back_to_nothing_of_before(context, live_server, fan)


async def test_going_back_to_a_page_in_the_browsers_memory_neither(
    remembering_browser: Browser, live_server: LiveServer, fan: Fan
) -> None:
    async with await remembering_browser.new_context() as context:
        page = await open_tab(context, f"{live_server.url}/badges")
        await page.evaluate("() => addEventListener('pageshow', ({persisted}) => { window.wasKept = persisted; })")
        await page.goto(live_server.url)
        await page.go_back(wait_until="commit")
        assert await page.evaluate("() => window.wasKept") is True
        await _goes_back_to_nothing_of_before(context, live_server, fan)


@pytest.mark.parametrize("is_somebody_else", [True, False])
async def test_a_page_out_of_the_memory_is_hidden_until_it_is_loaded_for_who_is_there_now(
    context: BrowserContext, live_server: LiveServer, fan: Fan, *, is_somebody_else: bool
) -> None:
    await fan.sign_in(context)
    page = await open_tab(context, f"{live_server.url}/me")
    loads: list[Page] = []
    page.on("load", lambda page: loads.append(page))  # noqa: PLW0108 - Playwright asks for a function
    is_hidden = await page.evaluate(
        """isSomebodyElse => {
            if (isSomebodyElse) localStorage['tallylight session'] = 'a mark of somebody else';
            dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}));
            return document.body.hidden;
        }""",
        is_somebody_else,
    )
    assert is_hidden == is_somebody_else
    if is_somebody_else:
        await page.wait_for_function("() => !document.body.hidden")
    await sees(page, f"Signed in as {fan.username}")
    assert len(loads) == is_somebody_else


async def test_without_a_script_a_reload_is_right(browser: Browser, live_server: LiveServer, fan: Fan) -> None:
    async with await browser.new_context(java_script_enabled=False) as context:
        first = await fan.sign_in(context)
        page = await open_tab(context, f"{live_server.url}/badges")
        await sees(page, f"Signed in as {fan.username}")
        await sign_out(first)
        await page.reload()
        await sees(page, "Not signed in.")
        await first.go_back()
        assert fan.username not in await first.content()


async def test_a_page_that_failed_says_who_is_signed_in(
    context: BrowserContext, live_server: LiveServer, fan: Fan
) -> None:
    await fan.sign_in(context)
    page = await open_tab(context, f"{live_server.url}/c/not-there")
    await sees(page, f"Signed in as {fan.username}")
    await page.goto(f"{live_server.url}/admin/payment-events")
    await expect(page.get_by_role("heading", name="Admins only.")).to_be_visible()
    await expect(page.get_by_text(f"You are signed in as {fan.username} (USER).")).to_be_visible()
    await assert_accessible(page)


async def test_a_page_that_needs_somebody_offers_the_sign_in_and_comes_back(
    context: BrowserContext, live_server: LiveServer, fan: Fan
) -> None:
    page = await open_tab(context, f"{live_server.url}/admin/payment-events?waiting=true")
    await expect(page.get_by_role("heading", name="Sign in first.")).to_be_visible()
    await sees(page, "Not signed in.")
    await page.get_by_role("main").get_by_role("link", name="Sign in").click()
    await sign_in_as(page, fan.subject)
    await page.get_by_role("link", name="Later").click()
    await expect(page).to_have_url(f"{live_server.url}/admin/payment-events?waiting=true")
    await expect(page.get_by_text("You are signed in (USER).")).to_be_visible()
