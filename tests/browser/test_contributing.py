"""A visitor puts a channel on air and buys credits: form, quote, checkout, thanks, with a script and without."""

import re
from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import NewChannel
from tests.browser.test_accessibility import PHONE, assert_nothing_overflows

SETTLED_MS = 15_000


@pytest_asyncio.fixture(loop_scope="session")
async def plain_page(browser: Browser) -> AsyncIterator[Page]:
    """A page of a visitor whose browser runs no script."""
    async with await browser.new_context(java_script_enabled=False) as made:
        yield await made.new_page()


async def look_at_quote(page: Page) -> None:
    await page.get_by_role("button", name="See what it becomes").click()
    await expect(page).to_have_url(re.compile("/contribute/review"))


async def pay(page: Page, outcome: str = "Pay") -> None:
    """Press the quote's button, then choose at the sandbox."""
    await page.get_by_role("button", name=re.compile(r"^Pay \$")).click()
    await expect(page).to_have_url(re.compile("/checkout/"))
    await page.get_by_role("button", name=outcome, exact=True).click()
    await expect(page).to_have_url(re.compile("/contributions/"))


async def test_without_a_script_a_visitor_puts_a_channel_on_air(new_channel: NewChannel, plain_page: Page) -> None:
    url, page = await new_channel(credits=None), plain_page
    await page.goto(url)
    await page.get_by_label("Or an amount of your own, in dollars").fill("16")
    await page.get_by_label("Your name, if you like").fill("Mara")
    await look_at_quote(page)
    await expect(page.get_by_text("$10 finishes the goal, $6 buys 60 credits.")).to_be_visible()
    await pay(page)
    thanks = page.get_by_role("heading", name="Thank you")
    for _ in range(20):
        if await thanks.is_visible():
            break
        await page.get_by_role("link", name="Look again").click()
    await expect(page.locator("main").get_by_role("status")).to_contain_text(
        "$10 finished the goal, $6 bought 60 credits."
    )
    await page.get_by_role("link", name="Open the chat").click()
    await expect(page.get_by_text("$10 of $10 goal reached")).to_be_visible()
    contributors = page.get_by_role("region", name="Contributors")
    await expect(contributors).to_contain_text("Mara")
    await expect(contributors).to_contain_text("Activation $10 · 60 credits")


async def test_a_mistake_is_told_beside_its_field_and_can_be_mended(new_channel: NewChannel, plain_page: Page) -> None:
    page = plain_page
    await page.goto(f"{await new_channel()}/contribute")
    amount = page.get_by_label("Or an amount of your own, in dollars")
    await amount.fill("5,50")
    await page.get_by_label("Your name, if you like").fill("Mara")
    await page.get_by_role("button", name="See what it becomes").click()
    await expect(page.get_by_role("alert")).to_contain_text("Nothing was paid")
    await expect(amount).to_have_value("5,50")
    await expect(amount).to_have_accessible_description(
        re.compile(r"^Write an amount in dollars, such as 5 or 12\.50\.")
    )
    await expect(amount).to_be_focused()
    await expect(page.get_by_label("Your name, if you like")).to_have_value("Mara")
    await amount.fill("5.50")
    await look_at_quote(page)
    await expect(page.get_by_text("55 credits")).to_be_visible()


async def test_what_it_becomes_is_shown_while_it_is_chosen(new_channel: NewChannel, context: BrowserContext) -> None:
    page = await context.new_page()
    await page.goto(f"{await new_channel()}/contribute")
    quote = page.locator("[data-quote]")
    await expect(quote).to_have_text("$5 buys 50 credits.")
    amount = page.get_by_label("Or an amount of your own, in dollars")
    await amount.fill("7.5")
    await expect(quote).to_have_text("$7.50 buys 75 credits.")
    await amount.fill("1,000.00")
    await expect(quote).to_have_text("$1,000 buys 10,000 credits.")
    for beyond in ("0", "0.99", "1000.01", "2000000"):
        await amount.fill(beyond)
        await expect(quote).to_have_text("A contribution is at least $1 and at most $1,000.")
    await page.get_by_role("radio", name="$10").check(force=True)
    await expect(quote).to_have_text("$10 buys 100 credits.")
    await expect(amount).to_have_value("")


async def test_every_open_page_hears_of_it(new_channel: NewChannel, context: BrowserContext, browser: Browser) -> None:
    url = await new_channel(credits=None)
    async with await browser.new_context() as other:
        waiting = await other.new_page()
        await waiting.goto(url)
        page = await context.new_page()
        await page.goto(f"{url}/contribute?amount=12")
        await look_at_quote(page)
        await pay(page)
        await expect(page.get_by_role("heading", name="Thank you")).to_be_visible(timeout=SETTLED_MS)
        await expect(waiting.locator('[data-live="air"]')).to_have_text("On air", timeout=SETTLED_MS)
        await expect(waiting.locator('[data-live="funding"]')).to_have_text("$10")


async def test_a_payment_that_fails_can_be_tried_again(new_channel: NewChannel, context: BrowserContext) -> None:
    page = await context.new_page()
    await page.goto(f"{await new_channel()}/contribute?amount=3")
    await look_at_quote(page)
    await pay(page, "Fail")
    failed = page.get_by_role("heading", name="The payment did not go through")
    await expect(failed).to_be_visible(timeout=SETTLED_MS)
    await page.get_by_role("link", name="Try again").click()
    await expect(page.get_by_label("Or an amount of your own, in dollars")).to_have_value("3")


async def test_an_amount_is_chosen_with_the_keyboard(new_channel: NewChannel, context: BrowserContext) -> None:
    page = await context.new_page()
    await page.goto(f"{await new_channel()}/contribute")
    await page.get_by_role("radio", name="$5").focus()
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("radio", name="$10")).to_be_checked()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="You pay $10")).to_be_visible()


async def test_every_step_is_accessible_and_fits_a_phone(new_channel: NewChannel, context: BrowserContext) -> None:
    page = await context.new_page()
    await page.set_viewport_size(PHONE)
    url = await new_channel(credits=None)
    for path in ("", "/contribute", "/contribute/review?amount=none", "/contribute/review?amount=16"):
        await page.goto(url + path)
        await assert_nothing_overflows(page)
        await assert_accessible(page)
    await pay(page)
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible(timeout=SETTLED_MS)
    await assert_nothing_overflows(page)
    await assert_accessible(page)
