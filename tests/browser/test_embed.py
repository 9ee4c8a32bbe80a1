"""A chat in a frame on somebody else's site, in a browser that refuses or keeps apart what belongs to third parties."""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, FrameLocator, Page, async_playwright, expect

from server.channels.catalog import Catalog
from server.channels.embedding import Embedding
from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import CHROMIUM_FLAGS, NewChannel
from tests.browser.foreign_site import ForeignSite
from tests.browser.live_server import LiveServer
from tests.browser.test_signing_in import sign_in_as, take_username
from tests.support.chromium import find_chromium

ANSWER_MS = 20_000
OVERFLOW = """() => {
  const {scrollWidth, scrollHeight} = document.scrollingElement;
  return [scrollWidth - innerWidth, scrollHeight - innerHeight];
}"""


@pytest.fixture
def shop() -> Iterator[ForeignSite]:
    with ForeignSite() as site:
        yield site


@pytest_asyncio.fixture(loop_scope="session")
async def profile(tmp_path: Path) -> AsyncIterator[BrowserContext]:
    """A visitor whose browser keeps apart what third parties store; by default it refuses to store it."""
    preferences = tmp_path / "Default" / "Preferences"
    preferences.parent.mkdir()
    preferences.write_text('{"profile": {"cookie_controls_mode": 0, "block_third_party_cookies": false}}')
    async with async_playwright() as playwright:
        made = await playwright.chromium.launch_persistent_context(
            tmp_path, executable_path=find_chromium(), args=CHROMIUM_FLAGS
        )
        yield made
        await made.close()


@dataclass(frozen=True)
class Embedded:
    """The chat in the frame."""

    page: Page
    frame: FrameLocator

    async def until_on_air(self) -> None:
        await expect(self.frame.locator("channel-chat .state")).to_have_text("On air")

    async def ask_and_wait(self, text: str) -> None:
        answers = self.frame.locator("article.answer")
        count = await answers.count()
        textbox = self.frame.get_by_role("textbox")
        await textbox.fill(text)
        await textbox.press("Enter")
        await expect(answers).to_have_count(count + 1, timeout=ANSWER_MS)
        await expect(self.frame.locator("article.answer.live")).to_have_count(0, timeout=ANSWER_MS)


async def listed(server: LiveServer, url: str, *origins: str) -> str:
    """Let these sites show the channel of this address; returns the address of the page for frames, at another of our
    names, so that the two are no neighbours."""
    name = url.rpartition("/")[2]
    async with server.stores() as (postgres, _):
        channel = await Catalog(postgres).find(name)
        assert channel is not None
        await Embedding(postgres).allow(channel.id, origins, by_user_id=None)
    return f"{server.url.replace('127.0.0.1', 'localhost')}/embed/{name}"


async def opened(context: BrowserContext, shop: ForeignSite, url: str, **size: int) -> Embedded:
    page = await context.new_page()
    shop.frame(url, **size)
    await page.goto(shop.origin)
    return Embedded(page, page.frame_locator("iframe"))


async def test_a_fan_chats_in_a_frame_without_cookies_and_without_storage(
    context: BrowserContext, live_server: LiveServer, new_channel: NewChannel, shop: ForeignSite
) -> None:
    chat = await opened(context, shop, await listed(live_server, await new_channel(), shop.origin))
    await chat.until_on_air()
    await chat.ask_and_wait("What is new?")
    await chat.ask_and_wait("And then?")
    assert await context.cookies() == []
    is_refused = "(() => { try { localStorage.length } catch { return true } return false })()"
    assert await chat.page.frames[1].evaluate(is_refused)


async def test_where_storage_is_kept_the_same_visitor_comes_back_with_a_fresh_ticket(
    profile: BrowserContext, live_server: LiveServer, new_channel: NewChannel, shop: ForeignSite
) -> None:
    chat = await opened(profile, shop, await listed(live_server, await new_channel(), shop.origin))
    sockets: list[str] = []
    chat.page.on("websocket", lambda socket: sockets.append(socket.url))
    await chat.until_on_air()
    await chat.ask_and_wait("What is new?")
    [token] = await _kept(chat.page)
    await chat.page.reload()
    await chat.until_on_air()
    await expect(chat.frame.locator("article.mine")).to_contain_text("What is new?")
    assert await _kept(chat.page) == [token]
    assert [url.rpartition("/")[2] for url in sockets] == ["ws", "ws"]  # nothing of a ticket in an address
    assert await profile.cookies() == []
    async with live_server.stores() as (postgres, _):
        await postgres.pool.execute(
            "UPDATE session SET token_hash = NULL WHERE token_hash = sha256($1)", token.encode()
        )
    await chat.page.reload()
    await expect(chat.frame.locator("#note")).to_have_text("Your session here has ended. You go on as a visitor.")
    await chat.until_on_air()
    assert await _kept(chat.page) != [token]


async def _kept(page: Page) -> list[str]:
    values: list[str] = await page.frames[1].evaluate("Object.values(localStorage)")
    return values


async def test_a_site_that_is_not_listed_shows_nothing(
    browser: Browser, live_server: LiveServer, new_channel: NewChannel, shop: ForeignSite
) -> None:
    context = await browser.new_context()  # whose console says that the frame was refused
    url = await new_channel()
    port = int(shop.origin.rpartition(":")[2])
    for origins in ([], [f"http://127.0.0.1:{port + 1}"], [f"https://127.0.0.1:{port}"], [f"http://localhost:{port}"]):
        address = await listed(live_server, url, *origins)
        page = await context.new_page()
        shop.frame(address)
        async with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
            await page.goto(shop.origin)
        await expect(page.frame_locator("iframe").locator("channel-chat")).to_have_count(0)
    await context.close()


async def test_a_lost_connection_comes_back_with_another_ticket(
    context: BrowserContext, mortal_server: LiveServer, shop: ForeignSite
) -> None:
    url = await mortal_server.add_channel("lab", credits=5)
    chat = await opened(context, shop, await listed(mortal_server, url, shop.origin))
    await chat.until_on_air()
    await chat.ask_and_wait("What is new?")
    mortal_server.kill()
    await expect(chat.frame.locator("channel-chat .state")).to_have_text("Reconnecting")
    mortal_server.start()
    await expect(chat.frame.locator("channel-chat .state")).to_have_text("On air", timeout=60_000)
    await chat.ask_and_wait("And then?")
    await expect(chat.frame.locator("article.mine")).to_have_count(2)


async def test_the_links_of_the_frame_open_windows_of_their_own(
    context: BrowserContext, live_server: LiveServer, new_channel: NewChannel, shop: ForeignSite
) -> None:
    chat = await opened(context, shop, await listed(live_server, await new_channel(credits=0), shop.origin))
    await chat.until_on_air()
    for name, path in (("Open on localhost", "/c/test-"), ("Buy credits", "/contribute")):
        async with context.expect_page() as opening:
            await chat.frame.get_by_role("link", name=name).click()
        window = await opening.value
        await window.wait_for_load_state()
        assert path in window.url
        assert await window.evaluate("opener === null")


@pytest.mark.parametrize(("width", "height"), [(800, 600), (390, 700), (320, 480)])
async def test_the_frame_is_accessible_and_fits(
    context: BrowserContext,
    live_server: LiveServer,
    new_channel: NewChannel,
    width: int,
    height: int,
) -> None:
    page = await context.new_page()
    await page.set_viewport_size({"width": width, "height": height})
    for credits in (5, None):
        await page.goto(await listed(live_server, await new_channel(credits=credits)))
        if credits:
            await Embedded(page, page.frame_locator(":scope")).page.locator(".state", has_text="On air").wait_for()
        overflow = (
            "[document.scrollingElement.scrollWidth - innerWidth, document.scrollingElement.scrollHeight - innerHeight]"
        )
        assert max(await page.evaluate(overflow)) <= 0
        await assert_accessible(page)


async def _window(chat: Embedded, context: BrowserContext) -> Page:
    async with context.expect_page() as opening:
        await chat.frame.get_by_role("button", name="Sign in").click()
    window = await opening.value
    await window.wait_for_load_state()
    return window


async def test_a_fan_signs_in_from_the_frame_and_is_signed_out_from_the_list_of_sessions(
    context: BrowserContext, live_server: LiveServer, new_channel: NewChannel, shop: ForeignSite
) -> None:
    chat = await opened(context, shop, await listed(live_server, await new_channel(), shop.origin))
    await chat.until_on_air()
    await chat.ask_and_wait("What is new?")
    window = await _window(chat, context)
    await assert_accessible(window)
    await sign_in_as(window, f"Fan {uuid4().hex[:8]}")
    await take_username(window)
    question = window.get_by_role("button", name="Use my account there")
    await expect(question).to_be_visible()
    await expect(window.get_by_text(f"on {shop.origin.removeprefix('http://')}?")).to_be_visible()
    await assert_accessible(window)
    async with window.expect_event("close"):
        await question.click()
    note, who = chat.frame.locator("#note"), chat.frame.locator("#who")
    await expect(note).to_contain_text("You are signed in.")
    await expect(who).to_have_text(re.compile("^fan_"))
    await expect(chat.frame.get_by_role("button", name="Sign in")).to_be_hidden()
    await chat.ask_and_wait("And then?")  # the same chat, on the same connection
    await expect(chat.frame.locator("article.mine")).to_have_count(2)
    sessions = await context.new_page()
    await sessions.goto(f"{live_server.url.replace('127.0.0.1', 'localhost')}/me/sessions")
    await sessions.get_by_role("button", name="in the chat of").click()
    await expect(chat.frame.locator("channel-chat .notice p")).to_contain_text("Your session was ended.")
    await expect(who).to_be_empty()
    await chat.frame.get_by_role("button", name="Go on as a visitor").click()
    await chat.until_on_air()
    await expect(chat.frame.get_by_role("button", name="Sign in")).to_be_visible()
    await chat.ask_and_wait("Who am I?")
    again = await _window(chat, context)  # where the fan is signed in already, one click is all
    async with again.expect_event("close"):
        await again.get_by_role("button", name="Use my account there").click()
    await expect(who).to_have_text(re.compile("^fan_"))


async def test_a_window_that_is_refused_or_closed_is_told_with_a_way_to_go_on(
    context: BrowserContext, live_server: LiveServer, new_channel: NewChannel, shop: ForeignSite
) -> None:
    chat = await opened(context, shop, await listed(live_server, await new_channel(), shop.origin))
    await chat.until_on_air()
    note = chat.frame.locator("#note")
    window = await _window(chat, context)
    await window.close()
    await expect(note).to_contain_text("Signing in was not finished. Nothing changed.")
    await chat.page.frames[1].evaluate("window.open = () => null")
    await chat.frame.get_by_role("button", name="Sign in").click()
    await expect(note).to_contain_text("The window for signing in could not be opened.")
    async with context.expect_page() as opening:
        await note.get_by_role("link", name="Open this chat on localhost").click()
    assert "/c/test-" in (await opening.value).url


async def test_a_page_that_opens_the_window_itself_hears_nothing(
    context: BrowserContext, live_server: LiveServer, new_channel: NewChannel, shop: ForeignSite
) -> None:
    url = await listed(live_server, await new_channel(), shop.origin)
    page = await context.new_page()
    shop.html = "<button>Win</button><script>addEventListener('message', e => { document.title = 'heard' })</script>"
    await page.goto(shop.origin)
    words = f"challenge={'A' * 43}&state={'B' * 22}"
    await page.evaluate(f"document.querySelector('button').onclick = () => window.open('{url}/sign-in?{words}')")
    async with context.expect_page() as opening:
        await page.get_by_role("button").click()
    window = await opening.value
    await sign_in_as(window, f"Fan {uuid4().hex[:8]}")
    await take_username(window)
    async with window.expect_event("close"):
        await window.get_by_role("button", name="Use my account there").click()
    await page.evaluate("new Promise(resolve => setTimeout(resolve))")
    assert await page.title() == "A shop"


async def test_the_page_around_the_frame_cannot_sign_it_in(
    context: BrowserContext, live_server: LiveServer, new_channel: NewChannel, shop: ForeignSite
) -> None:
    chat = await opened(context, shop, await listed(live_server, await new_channel(), shop.origin))
    await chat.until_on_air()
    asked: list[str] = []
    chat.page.on("request", lambda request: asked.append(request.url))
    message = f"{{type: 'tallylight-sign-in', code: '{'A' * 43}'}}"
    await chat.page.evaluate(f"frames[0].postMessage({message}, '*')")
    await chat.page.frames[1].evaluate("new Promise(resolve => setTimeout(resolve, 0))")
    await chat.page.frames[1].evaluate("fetch('/healthz')")
    assert [url.rpartition("/")[2] for url in asked] == ["healthz"]
