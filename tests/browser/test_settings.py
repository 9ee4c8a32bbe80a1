"""The settings of a user, and what others see of them."""

from playwright.async_api import BrowserContext, expect

from tests.browser.accessibility import assert_accessible
from tests.browser.live_server import LiveServer
from tests.browser.test_accessibility import PHONE, assert_nothing_overflows
from tests.browser.test_signing_in import sign_in_as, take_username


async def test_a_pattern_that_is_chosen_is_what_others_see(context: BrowserContext, live_server: LiveServer) -> None:
    page = await context.new_page()
    await page.goto(f"{live_server.url}/signin?next=/me/settings")
    await sign_in_as(page, "Pat of the browser tests")
    await take_username(page)
    await page.get_by_label("A pattern made of your username").check()
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Saved.")).to_be_visible()
    await assert_accessible(page)
    await page.get_by_role("link", name="See your profile").click()
    box = await page.locator("svg.pattern.large rect").first.bounding_box()
    assert box is not None
    assert box["width"] > 5
    assert abs(box["width"] - box["height"]) < 0.1
    for size in (PHONE, {"width": 1280, "height": 800}):
        await page.set_viewport_size(size)  # type: ignore[arg-type]
        await assert_nothing_overflows(page)
    await assert_accessible(page)
