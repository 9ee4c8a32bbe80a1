"""Query strings: what is not understood is refused, and never passed over."""

import httpx2
import pytest

from server.api.cursors import CURSOR_CHARACTERS_MAX
from server.api.queries import SEARCH_CHARACTERS_MAX
from server.domain.pages import PAGE_ITEMS_MAX
from tests.support.rows import Rows


@pytest.mark.parametrize(
    "query",
    [
        "status=null",
        "status=active",
        "sort=null",
        "limit=null",
        "limit=0",
        f"limit={PAGE_ITEMS_MAX + 1}",
        "limit=1.5",
        "limit=one",
        "cursor=null",
        f"cursor={'a' * (CURSOR_CHARACTERS_MAX + 1)}",
        f"q={'a' * (SEARCH_CHARACTERS_MAX + 1)}",
        "q=%00",
        "color=red",
        "q=a&q=b",
    ],
)
async def test_a_query_that_is_not_right_is_refused(client: httpx2.AsyncClient, query: str) -> None:
    answer = await client.get(f"/api/channels?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_the_word_null_can_be_looked_for(client: httpx2.AsyncClient, rows: Rows) -> None:
    await rows.channel("null-and-void")
    await rows.channel("deep-sea-lab")
    answer = await client.get("/api/channels?q=null&status=&limit=50")
    assert [channel["name"] for channel in answer.json()["items"]] == ["null-and-void"]
