"""The pages of money without a script: filters, pages, files, and no column beyond a narrow window."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.browser.accessibility import assert_accessible
from tests.browser.live_server import LiveServer

WIDTHS = (1_280, 390)
PAGES = ("/c/deep-sea-lab/transactions", "/c/deep-sea-lab/transactions?from=2020-01-01&to=2020-01-02", "/me")


@pytest_asyncio.fixture(loop_scope="session")
async def plain(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A browser that runs no script."""
    made = await browser.new_context(java_script_enabled=False)
    yield made
    await made.close()


async def amounts(page: Page) -> list[str]:
    return await page.locator("td.number").all_inner_texts()


async def test_a_list_is_filtered_sorted_and_walked_through_without_a_script(
    plain: BrowserContext, live_server: LiveServer
) -> None:
    page = await plain.new_page()
    await page.goto(f"{live_server.url}/c/deep-sea-lab")
    await page.get_by_role("link", name="All transactions").click()
    await expect(page.get_by_role("heading", name="5 transactions")).to_be_visible()
    await page.get_by_label("Type").select_option("Activation")
    await page.get_by_label("Sort").select_option("Largest")
    await page.get_by_role("button", name="Show").click()
    await expect(page.get_by_role("heading", name="4 transactions found")).to_be_visible()
    assert await amounts(page) == ["$4", "$3", "$2", "$1"]
    await page.goto(f"{page.url}&limit=3")
    await page.get_by_role("link", name="Smaller").click()
    assert await amounts(page) == ["$1"]
    await page.get_by_role("link", name="Larger").click()
    assert await amounts(page) == ["$4", "$3", "$2"]
    await page.get_by_role("link", name="Amount").click()
    assert await amounts(page) == ["$1", "$2", "$3"]
    await expect(page.get_by_role("columnheader", name="Amount")).to_have_attribute("aria-sort", "ascending")


async def test_the_file_has_what_the_filters_of_the_page_leave(plain: BrowserContext, live_server: LiveServer) -> None:
    page = await plain.new_page()
    await page.goto(f"{live_server.url}/c/deep-sea-lab/transactions?type=ACTIVATION&limit=1")
    async with page.expect_download() as started:
        await page.get_by_role("link", name="Download these as CSV").click()
    download = await started.value
    assert download.suggested_filename == "deep-sea-lab-transactions.csv"
    lines = (await download.path()).read_text().splitlines()
    assert [line.split(",")[5] for line in lines] == ["amountUsd", "1.00", "4.00", "2.00", "3.00"]


@pytest.mark.parametrize("path", PAGES)
async def test_pages_are_accessible_and_fit_a_narrow_window(
    context: BrowserContext, live_server: LiveServer, path: str
) -> None:
    page = await context.new_page()
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 844})
        await page.goto(live_server.url + path)
        await assert_accessible(page)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
