"""What axe-core says of a page."""

from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page


async def assert_accessible(page: Page) -> None:
    """Ask axe-core, with every rule it has, in both colour schemes."""
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        results = await Axe().run(page)
        violations: list[dict[str, Any]] = results.response["violations"]
        assert [f"{rule['id']}: {node['html']}" for rule in violations for node in rule["nodes"]] == [], scheme
