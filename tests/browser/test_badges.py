"""Badges in a browser: what one means opens by hover, focus and tap; nothing of it needs a script but Escape."""

import contextlib
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from server.domain.transactions import TransactionType
from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import NewChannel
from tests.browser.live_server import LiveServer
from tests.browser.test_accessibility import PHONE, TARGET_PX, assert_nothing_overflows
from tests.ledger.books import Books


@contextlib.asynccontextmanager
async def books_of(server: LiveServer) -> AsyncIterator[Books]:
    async with server.stores() as (postgres, _):
        yield Books(postgres)


async def give(server: LiveServer, url: str, cents: int, *, session_id: UUID | None = None) -> UUID:
    """Settle a purchase on the channel of this page, in a session of its own unless one is named."""
    async with books_of(server) as books:
        name = url.rpartition("/")[2]
        channel_id = await books.postgres.pool.fetchval("SELECT id FROM channel WHERE name = $1", name)
        session_id = session_id or await books.session()
        purchase = TransactionType.CREDIT_PURCHASE
        await books.settle((await books.contribution(channel_id, purchase, cents, session_id=session_id)).id)
        return session_id


def tip_of(page: Page, name: str) -> tuple[Locator, Locator]:
    badge = page.locator(".badge", has_text=name)
    return badge.get_by_role("button"), badge.get_by_role("tooltip")


async def channel_page(context: BrowserContext, server: LiveServer, new_channel: NewChannel) -> Page:
    url = await new_channel()
    await give(server, url, 100)
    page = await context.new_page()
    await page.goto(url)
    return page


async def test_hovering_a_badge_says_what_it_means_and_leaving_puts_it_away(
    context: BrowserContext, live_server: LiveServer, new_channel: NewChannel
) -> None:
    page = await channel_page(context, live_server, new_channel)
    button, tip = tip_of(page, "Front Row")
    await expect(tip).to_be_hidden()
    await button.hover()
    await expect(tip).to_be_visible()
    await tip.hover()  # the pointer may go there to read
    await expect(tip).to_contain_text("2 fans hold it here")
    await page.get_by_role("heading", level=1).hover()
    await expect(tip).to_be_hidden()


async def test_the_keyboard_opens_it_and_escape_puts_it_away(
    context: BrowserContext, live_server: LiveServer, new_channel: NewChannel
) -> None:
    page = await channel_page(context, live_server, new_channel)
    button, tip = tip_of(page, "Front Row")
    await button.focus()
    await expect(tip).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(tip).to_be_hidden()
    await page.keyboard.press("Tab")
    await button.focus()
    await expect(tip).to_be_visible()


async def test_a_tap_opens_it_on_a_phone_without_scripts(
    browser: Browser, live_server: LiveServer, new_channel: NewChannel
) -> None:
    url = await new_channel()
    await give(live_server, url, 100)
    async with await browser.new_context(
        viewport={"width": PHONE["width"], "height": PHONE["height"]}, has_touch=True, java_script_enabled=False
    ) as phone:
        page = await phone.new_page()
        await page.goto(url)
        button, tip = tip_of(page, "Front Row")
        await button.tap()
        await expect(tip).to_be_visible()
        box = await tip.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
        target = await button.bounding_box()
        assert target is not None
        assert target["height"] >= TARGET_PX


@pytest.mark.parametrize("width", [390, 1440])
async def test_the_channel_s_page_with_an_open_tip_is_accessible(
    context: BrowserContext, live_server: LiveServer, new_channel: NewChannel, width: int
) -> None:
    page = await channel_page(context, live_server, new_channel)
    await page.set_viewport_size({"width": width, "height": 900})
    button, tip = tip_of(page, "Front Row")
    await button.focus()
    await expect(tip).to_be_visible()
    await assert_accessible(page)
    await assert_nothing_overflows(page)


@pytest.mark.parametrize("width", [390, 1440])
async def test_the_page_of_all_badges_is_accessible(
    context: BrowserContext, live_server: LiveServer, new_channel: NewChannel, width: int
) -> None:
    page = await context.new_page()
    await page.set_viewport_size({"width": width, "height": 900})
    url = await new_channel()
    await page.goto(live_server.url + "/badges")
    await give(live_server, url, 400, session_id=await newest_session(live_server))
    await page.reload()
    await expect(page.get_by_text("You hold 3 of 10 badges.")).to_be_visible()
    await expect(page.get_by_role("progressbar").first).to_be_visible()
    await assert_accessible(page)
    await assert_nothing_overflows(page)


async def newest_session(server: LiveServer) -> UUID:
    """Of the visitor who has just opened their first page."""
    async with books_of(server) as books:
        found = await books.postgres.pool.fetchval("SELECT max(id::text) FROM session WHERE token_hash IS NOT NULL")
    return UUID(found)
