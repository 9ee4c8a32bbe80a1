"""The files of `static/` and a blank page, answered from the disk to a browser that has no network."""

from __future__ import annotations

import mimetypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import Browser, ConsoleMessage, Page, Route

ORIGIN = "http://component.test"
STATIC = Path(__file__).resolve().parents[2] / "static"
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; object-src 'none'; require-trusted-types-for 'script'"
)
BLANK = b"<!doctype html><html lang='en'><title>Component</title><main><h1>Component</h1></main>"


@dataclass(frozen=True)
class StaticAnswer:
    """What a browser gets for one address."""

    headers: dict[str, str]
    body: bytes


class StaticSite:
    """Answers `/` and `/static/…`; knows nothing else."""

    def answer(self, url: str) -> StaticAnswer | None:
        """The answer to `url`; None when there is none."""
        address = urlsplit(url)
        if f"{address.scheme}://{address.netloc}" != ORIGIN:
            return None
        if address.path in {"/", "/favicon.ico"}:
            return self._page("text/html; charset=utf-8", BLANK)
        file = (STATIC / address.path.removeprefix("/static/")).resolve()
        if STATIC not in file.parents or not file.is_file():
            return None
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return self._page("font/woff2" if file.suffix == ".woff2" else kind, file.read_bytes())

    @staticmethod
    def _page(kind: str, body: bytes) -> StaticAnswer:
        return StaticAnswer({"Content-Type": kind, "Content-Security-Policy": CONTENT_SECURITY_POLICY}, body)


@asynccontextmanager
async def open_component_page(browser: Browser) -> AsyncIterator[Page]:
    """A blank page, in a profile of its own, under the site's content security policy.

    Whatever it asks for beside the files of `static/` is refused and, like any complaint in its console, an error.
    """
    site, complaints = StaticSite(), list[str]()

    async def answer(route: Route) -> None:
        response = site.answer(route.request.url)
        if response is None:
            complaints.append(f"asked for {route.request.url}")
            await route.abort()
        else:
            await route.fulfill(status=200, headers=response.headers, body=response.body)

    def listen(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(message.text)

    async with await browser.new_context() as context:
        page = await context.new_page()
        page.on("console", listen)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.route("**/*", answer)
        await page.goto(f"{ORIGIN}/")
        yield page
    assert complaints == []
