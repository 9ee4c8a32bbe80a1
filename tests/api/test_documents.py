"""The pages of the documents: everything is on them, everything can be linked to, and links lead somewhere."""

from html.parser import HTMLParser
from itertools import pairwise
from typing import Final

import httpx2
import pytest

from server.api.contract import rest_document
from server.api.prose import phrase, prose
from server.domain.errors import Code
from server.ws import asyncapi
from server.ws.close_codes import CloseCode

REST: Final = rest_document()
WEBSOCKET: Final = asyncapi.document()
PAGES: Final = ("/api/docs", "/api/docs/websocket")


class Seen(HTMLParser):
    """What a page shows, the ids it has, and where it links to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: set[str] = set()
        self.headings: list[int] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if identifier := given.get("id"):
            self.ids.append(identifier)
        if tag == "a" and (address := given.get("href")):
            self.links.add(address)
        if tag in {"h1", "h2", "h3"}:
            self.headings.append(int(tag[1]))

    def handle_data(self, data: str) -> None:
        self.text += data


async def seen(client: httpx2.AsyncClient, path: str) -> Seen:
    answer = await client.get(path, headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    return Seen(answer.text)


@pytest.mark.parametrize("path", PAGES)
async def test_ids_are_unique_and_links_lead_somewhere(client: httpx2.AsyncClient, path: str) -> None:
    page = await seen(client, path)
    assert len(set(page.ids)) == len(page.ids)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    for link in [link for link in page.links if not link.startswith("#")]:
        assert link.startswith("/"), link
        assert (await client.get(link)).status_code == 200, link


@pytest.mark.parametrize("path", PAGES)
async def test_headings_go_down_one_at_a_time(client: httpx2.AsyncClient, path: str) -> None:
    headings = (await seen(client, path)).headings
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(headings))


async def test_the_page_of_the_http_side_has_every_operation_shape_and_code(client: httpx2.AsyncClient) -> None:
    page = await seen(client, "/api/docs")
    operations = [operation for methods in REST["paths"].values() for operation in methods.values()]
    assert {operation["operationId"] for operation in operations} <= set(page.ids)
    assert {f"shape-{name}" for name in REST["components"]["schemas"]} <= set(page.ids)
    assert {f"code-{code.value}" for code in Code} <= set(page.ids)
    for operation in operations:
        for parameter in operation["parameters"]:
            assert parameter["name"] in page.text
    assert '"creditBalance": 49' in page.text


async def test_the_page_of_the_websocket_has_every_frame_and_code(client: httpx2.AsyncClient) -> None:
    page = await seen(client, "/api/docs/websocket")
    frames = set(WEBSOCKET["components"]["messages"]) - {"batch"}
    assert {f"frame-{tag}" for tag in frames} <= set(page.ids)
    assert {"shape-Author", "shape-UsageFigures", "shape-MessageView"} <= set(page.ids)
    assert {f"code-{code.value}" for code in Code} <= set(page.ids)
    for code in CloseCode:
        assert str(code.value) in page.text
    for line in WEBSOCKET["x-conversation"]:
        assert line.get("note", "").replace("`", "") in page.text


def test_markdown_of_texts_lets_no_html_through() -> None:
    assert prose("## A *b* <i>\n\n<script>`x`</script>") == (
        '<h2 id="a-b-i">A <em>b</em> &lt;i&gt;</h2>\n<p>&lt;script&gt;<code>x</code>&lt;/script&gt;</p>\n'
    )
    assert phrase("`a<b` & <img>") == "<code>a&lt;b</code> &amp; &lt;img&gt;"
