"""A browser that signs in: it follows pages and forms as people do, and keeps its cookies."""

import html
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import httpx2

ONWARD = re.compile(r'<a id="onward" href="([^"]+)"')
HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')
NOTICE = re.compile(r'<p class="flash" role="status">([^<]*)</p>')
TROUBLE = re.compile(r'<p class="trouble" role="alert">([^<]*)</p>')


@dataclass
class SigningBrowser:
    """One browser on one gateway."""

    http: httpx2.AsyncClient
    url: str

    async def depart(self, provider: str, **fields: str) -> str:
        """Press the button; the address at the provider."""
        answer = await self.http.post(
            f"{self.url}/signin/{provider}", data={"next": "/me", **fields}, headers={"origin": self.url}
        )
        assert answer.status_code == 200, answer.text
        found = ONWARD.search(answer.text)
        assert found is not None
        return html.unescape(found[1])

    async def choose(self, address: str, **choice: str) -> str:
        """Be somebody at the development sign-in; the address of the callback."""
        page = await self.http.get(address)
        assert page.status_code == 200, page.text
        parts = urlsplit(address)
        asked = {name: html.unescape(value) for name, value in HIDDEN.findall(page.text)}
        assert asked == dict(parse_qsl(parts.query))
        origin = f"{parts.scheme}://{parts.netloc}"
        answer = await self.http.post(address, data={**asked, **choice}, headers={"origin": origin})
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    async def arrive(self, address: str) -> httpx2.Response:
        """Come back; what the page says to which it leads."""
        answer = await self.http.get(address)
        assert answer.status_code == 303, answer.text
        return await self.http.get(self.url + answer.headers["location"])

    async def sign_in(self, person: str = "mara", provider: str = "development", **fields: str) -> httpx2.Response:
        """All of it."""
        address = await self.depart(provider, **fields)
        return await self.arrive(await self.choose(address, person=person))


def notice_of(page: httpx2.Response) -> str | None:
    """What the page says below its bar."""
    found = NOTICE.search(page.text)
    return None if found is None else html.unescape(found[1])


def trouble_of(page: httpx2.Response) -> str | None:
    """What the page says went wrong."""
    found = TROUBLE.search(page.text)
    return None if found is None else html.unescape(" ".join(found[1].split()))
