"""A page with a chat, as a person uses it."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Locator, Page, expect

ANSWER_MS = 20_000


class ChatPage:
    """The chat on a channel's page; the locators look into the widget."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.composer = page.get_by_role("textbox")
        self.send = page.locator("channel-chat button[type=submit]")
        self.stop = page.get_by_role("button", name="Stop")
        self.notice = page.locator("channel-chat .notice p")
        self.questions = page.locator("article.mine")
        self.answers = page.locator("article.answer")
        self.running = page.locator("article.answer.live")
        self.notes = page.locator("article.answer .note")
        self.tokens = page.locator("channel-chat [role=meter]")
        self.balance = page.locator('[data-live="balance"]')

    @classmethod
    async def open(cls, page: Page, url: str) -> ChatPage:
        """Go there and wait until the chat is connected."""
        await page.goto(url)
        chat = cls(page)
        await expect(page.locator("channel-chat .state")).to_have_text("On air")
        return chat

    async def ask(self, text: str) -> None:
        """Write this and send it with Enter."""
        await self.composer.fill(text)
        await self.composer.press("Enter")

    async def ask_and_wait(self, text: str) -> None:
        """Ask, and wait until the answer is complete."""
        count = await self.answers.count()
        await self.ask(text)
        await expect(self.answers).to_have_count(count + 1, timeout=ANSWER_MS)
        await self.wait_until_done()

    async def wait_until_done(self) -> None:
        """Wait until no answer runs."""
        await expect(self.running).to_have_count(0, timeout=ANSWER_MS)

    async def wait_for_words(self, count: int) -> None:
        """Wait until the running answer shows at least so many words."""
        await self.page.wait_for_function(
            "([answer, count]) => answer.textContent.split(/\\s+/).length >= count",
            arg=[await self.running.element_handle(), count],
            timeout=ANSWER_MS,
        )

    async def copied(self, message: Locator) -> str:
        """The text that a message's copy button copies."""
        await message.hover()
        for is_last in (False, False, True):
            await message.get_by_role("button", name="Copy message").click()
            try:
                await expect(message.locator(".copy")).to_have_text("Copied")
                break
            except AssertionError:  # the end of an answer moves its button: people press again
                if is_last:
                    raise
        text: str = await self.page.evaluate("() => navigator.clipboard.readText()")
        return text

    async def stored(self) -> list[dict[str, Any]]:
        """The messages of this tab's chat as the server keeps them, oldest first."""
        messages: list[dict[str, Any]] = await self.page.evaluate(
            """async () => {
              const {chat} = JSON.parse(Object.values(sessionStorage)[0]);
              const answer = await fetch(`/api/chats/${chat}/messages`);
              return (await answer.json()).items;
            }"""
        )
        return sorted(messages, key=lambda message: int(message["seq"]))
