"""A visitor contributes, signs in and finds everything in the account; with a script and without."""

import re
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import NewChannel
from tests.browser.live_server import LiveServer
from tests.browser.test_accessibility import PHONE, assert_nothing_overflows
from tests.browser.test_contributing import look_at_quote, pay


@pytest_asyncio.fixture(loop_scope="session")
async def plain_page(browser: Browser) -> AsyncIterator[Page]:
    """A page of a visitor whose browser runs no script."""
    async with await browser.new_context(java_script_enabled=False) as made:
        yield await made.new_page()


async def sign_in_as(page: Page, name: str) -> None:
    """From the page on which people sign in, as somebody whose name is typed."""
    await page.get_by_role("button", name="Continue with Development sign-in").click()
    await expect(page.get_by_role("heading", name="Who are you?")).to_be_visible()
    await expect(page.get_by_text("Development sign-in: no password is asked.")).to_be_visible()
    await page.get_by_label("Or somebody else").fill(name)
    await page.keyboard.press("Enter")


async def take_username(page: Page) -> None:
    """On the page that follows the first sign-in."""
    await expect(page.get_by_role("heading", name="Choose a username")).to_be_visible()
    await page.get_by_role("textbox", name="Username").fill(f"fan_{uuid4().hex[:10]}")
    await page.get_by_role("button", name="Take this username").click()


async def give(page: Page, url: str) -> None:
    await page.goto(f"{url}/contribute?amount=12")
    await look_at_quote(page)
    await pay(page)
    thanks = page.get_by_role("heading", name="Thank you")
    for _ in range(20):
        if await thanks.is_visible():
            break
        await page.reload()
    await expect(thanks).to_be_visible()


async def test_what_a_visitor_gave_is_in_the_account_without_a_script(
    new_channel: NewChannel, plain_page: Page, live_server: LiveServer
) -> None:
    page = plain_page
    await give(page, await new_channel(credits=None))
    await page.goto(f"{live_server.url}/me")
    await expect(page.get_by_text("These belong to this browser only.")).to_be_visible()
    await page.get_by_role("main").get_by_role("link", name="Sign in").click()
    await expect(page.get_by_text(re.compile("You have 1 contribution and . badges? in this browser"))).to_be_visible()
    await sign_in_as(page, "Ada of the browser tests")
    told = page.locator(".flash")
    await expect(told).to_have_text(
        re.compile(r"Signed in as Ada of the browser tests\. 1 contribution and . badges? were added to your account\.")
    )
    await take_username(page)
    await expect(page).to_have_url(re.compile("/me$"))
    await expect(told).to_have_count(0)
    await expect(page.get_by_text("Signed in", exact=False).first).to_be_visible()
    await expect(page.get_by_role("heading", name="2 transactions")).to_be_visible()


async def test_the_account_is_there_on_another_device(
    new_channel: NewChannel, context: BrowserContext, browser: Browser, live_server: LiveServer
) -> None:
    page = await context.new_page()
    await give(page, await new_channel())
    await page.get_by_role("banner").get_by_role("link", name="Sign in").click()
    await sign_in_as(page, "Two devices")
    await take_username(page)
    async with await browser.new_context() as other:
        elsewhere = await other.new_page()
        await elsewhere.goto(f"{live_server.url}/signin?next=/me")
        await sign_in_as(elsewhere, "Two devices")
        await expect(elsewhere.get_by_role("heading", name="1 transaction")).to_be_visible()


async def test_cancelling_changes_nothing_and_says_so(context: BrowserContext, live_server: LiveServer) -> None:
    page = await context.new_page()
    await page.goto(f"{live_server.url}/signin")
    await page.get_by_role("button", name="Continue with Development sign-in").click()
    await page.get_by_role("button", name="Cancel and go back").click()
    await expect(page.get_by_role("alert")).to_contain_text("Development sign-in did not confirm the sign-in.")
    await expect(page.get_by_text("Not signed in.")).to_be_visible()


async def test_a_page_at_another_of_our_addresses_comes_back_to_it(
    context: BrowserContext, live_server: LiveServer
) -> None:
    page = await context.new_page()
    elsewhere = live_server.url.replace("127.0.0.1", "localhost")
    await page.goto(f"{elsewhere}/signin?next=/badges")
    await sign_in_as(page, "By another name")
    await expect(page.get_by_text("Signed in as By another name.")).to_be_visible()
    await take_username(page)
    await expect(page).to_have_url(f"{elsewhere}/badges")


async def test_every_page_is_accessible_and_fits_a_phone(context: BrowserContext, live_server: LiveServer) -> None:
    page = await context.new_page()
    await page.set_viewport_size(PHONE)
    for path in ("/signin", "/signin?trouble=elsewhere&provider=development&through=development"):
        await page.goto(live_server.url + path)
        await assert_nothing_overflows(page)
        await assert_accessible(page)
    await page.get_by_role("button", name="Continue with Development sign-in").click()
    await expect(page.get_by_role("heading", name="Who are you?")).to_be_visible()
    await assert_nothing_overflows(page)
    await assert_accessible(page)
    await page.get_by_label("Or somebody else").fill("On a phone")
    await page.keyboard.press("Enter")
    await expect(page.locator(".flash")).to_be_visible()
    await assert_nothing_overflows(page)
    await assert_accessible(page)
    await page.goto(f"{live_server.url}/me/accounts")
    await expect(page.get_by_text("Your only way to sign in")).to_be_visible()
    await assert_nothing_overflows(page)
    await assert_accessible(page)
