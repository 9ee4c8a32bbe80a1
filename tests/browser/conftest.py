"""A headless Chromium, pages in it, and the real server to look at."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

from tests.browser.chat_page import ChatPage
from tests.browser.live_server import LiveServer
from tests.browser.static_site import open_component_page
from tests.support.chromium import find_chromium
from tests.support.data_folders import DataFolders

# Flags that keep a browser from calling home; the sandbox needs rights that containers do not give.
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]

NewChannel = Callable[..., Awaitable[str]]
OpenChat = Callable[[str], Awaitable[ChatPage]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in this folder as needing a browser, and let it share one event loop: that of the browser."""
    here = Path(__file__).parent
    for item in items:
        if here not in item.path.parents:
            continue
        item.add_marker(pytest.mark.browser)
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for the whole run."""
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_FLAGS)
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="session")
async def component_page(browser: Browser) -> AsyncIterator[Page]:
    """A blank page of this test's own that can import the files of `static/`."""
    async with open_component_page(browser) as page:
        yield page


@pytest.fixture(scope="session")
def browser_folders() -> Iterator[DataFolders]:
    """Data folders of the servers of this folder's tests."""
    folders = DataFolders()
    yield folders
    folders.remove_all()


def _running_server(folders: DataFolders) -> Iterator[LiveServer]:
    folder = folders.new()
    folder.release()  # the server locks it
    server = LiveServer(folder.path)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def live_server(browser_folders: DataFolders) -> Iterator[LiveServer]:
    """The server that the tests share; each adds a channel of its own."""
    yield from _running_server(browser_folders)


@pytest.fixture
def mortal_server(browser_folders: DataFolders) -> Iterator[LiveServer]:
    """A server of this test's own, to kill and start again."""
    yield from _running_server(browser_folders)


@pytest.fixture
def new_channel(live_server: LiveServer) -> NewChannel:
    """Adds a channel to the shared server and gives its address: ``await new_channel(credits=5)``; None is off air."""

    async def add(credits: int | None = 5) -> str:
        return await live_server.add_channel(f"test-{uuid4().hex[:12]}", credits=credits)

    return add


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A visitor: own cookies, own storage, may use the clipboard. A complaint in a console fails the test."""
    made = await browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        is_network = message.text.startswith(("Failed to load resource", "WebSocket connection to"))
        if message.type in {"error", "warning"} and not is_network:
            complaints.append(message.text)

    made.on("console", listen)
    made.on("weberror", lambda error: complaints.append(str(error.error)))
    yield made
    await made.close()
    assert complaints == []


@pytest_asyncio.fixture(loop_scope="session")
async def open_chat(context: BrowserContext) -> OpenChat:
    """Opens a channel's page in a new tab of the visitor."""

    async def open_page(url: str) -> ChatPage:
        return await ChatPage.open(await context.new_page(), url)

    return open_page
