"""Badges over REST and on the pages: all of them, one's own, those of a channel; never anybody's id."""

import re
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest

from server.api.badge_answers import DRAWINGS
from server.domain.givers import Giver
from server.domain.identity import Identity
from server.domain.transactions import TransactionType
from server.ledger.badge_lists import BadgeLists
from server.storage.postgres import Postgres
from tests.api.site import ROOT, Site
from tests.ledger.books import Books
from tests.support.people import signed_in

ACTIVATION, CREDIT_PURCHASE = TransactionType.ACTIVATION, TransactionType.CREDIT_PURCHASE


@pytest.fixture
def books(postgres: Postgres) -> Books:
    return Books(postgres)


async def settle(
    books: Books, channel_id: UUID, cents: int, session_id: UUID, type_: TransactionType = CREDIT_PURCHASE
) -> None:
    await books.settle((await books.contribution(channel_id, type_, cents, session_id=session_id)).id)


async def session_of(client: httpx2.AsyncClient, postgres: Postgres) -> UUID:
    """The session that this browser's first page begins."""
    await client.get("/badges")
    session_id = await postgres.pool.fetchval("SELECT max(id::text) FROM session WHERE token_hash IS NOT NULL")
    return UUID(session_id)


def by_name(items: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {item["badge"]["name"]: item for item in items}


async def test_all_badges_are_told_with_their_criteria_in_words_and_as_data(client: httpx2.AsyncClient) -> None:
    items = (await client.get("/api/badges")).json()["items"]
    assert len(items) == 10
    assert {item["mine"] for item in items} == {None}
    assert by_name(items)["Ticket Roll"]["badge"]["criteria"] == {
        "kind": "credits_bought",
        "number": 100,
        "unit": "credits",
        "perChannel": True,
        "words": "Buy 100 credits for one channel.",
    }


async def test_with_a_session_each_badge_says_how_far_it_is(
    client: httpx2.AsyncClient, books: Books, postgres: Postgres
) -> None:
    session_id, channel_id = await session_of(client, postgres), await books.channel()
    await settle(books, channel_id, 400, session_id)
    items = by_name((await client.get("/api/badges")).json()["items"])
    ticket, roll = items["Ticket"]["mine"], items["Ticket Roll"]["mine"]
    assert (ticket["count"], len(ticket["channels"]), ticket["isNext"]) == (1, 1, False)
    assert ticket["channels"][0]["earnedAt"] == ticket["earnedAt"]
    assert (roll["count"], roll["earnedAt"], roll["isNext"]) == (0, None, True)
    assert (roll["progress"]["have"], roll["progress"]["need"]) == (40, 100)
    assert roll["progress"]["channel"]["title"] == "A channel"
    assert items["Box Office"]["mine"]["isNext"] is False


async def test_my_badges_are_those_that_i_hold_and_the_next_ones(
    client: httpx2.AsyncClient, books: Books, postgres: Postgres
) -> None:
    session_id = await session_of(client, postgres)
    assert (await client.get("/api/me/badges")).json()["items"] == []
    first, second = await books.channel(), await books.channel()
    for channel_id in (first, second):
        await settle(books, channel_id, 100, session_id)
    mine = (await client.get("/api/me/badges")).json()
    assert {name: item["mine"]["count"] for name, item in by_name(mine["items"]).items()} == {
        "First Spark": 1,
        "Ticket": 2,
        "Front Row": 2,
    }
    assert by_name(mine["items"])["First Spark"]["mine"]["channels"] == []
    assert list(by_name(mine["next"])) == ["Ticket Roll", "Three Signals", "First Words"]


async def test_a_user_s_badges_are_the_same_on_every_device(site: Site, books: Books, postgres: Postgres) -> None:
    person = await signed_in(postgres, "mara_k")
    await settle(books, await books.channel(), 100, await books.session(person.user_id))
    async with site.client() as client:
        client.cookies.update(person.cookies)
        assert "Ticket" in by_name((await client.get("/api/me/badges")).json()["items"])


async def test_my_page_shows_the_badges_that_i_hold(
    client: httpx2.AsyncClient, books: Books, postgres: Postgres
) -> None:
    session_id = await session_of(client, postgres)
    assert "First Spark" not in (await client.get("/me")).text
    await settle(books, await books.channel(), 100, session_id)
    page = (await client.get("/me")).text
    assert all(name in page for name in ("First Spark", "Ticket", "Front Row"))
    assert "Ticket Roll" not in page


async def test_my_badges_need_somebody(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/api/me/badges")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


async def test_a_wrong_key_is_nobody_s_progress(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/api/badges", headers={"authorization": "Bearer tk_wrong"})
    assert answer.status_code == 401


async def test_the_badges_of_a_channel_name_their_holders_and_no_id(
    client: httpx2.AsyncClient, books: Books, postgres: Postgres
) -> None:
    channel_id, other_id = await books.channel(is_active=False), await books.channel()
    person = await signed_in(postgres, "mara_k")
    anonymous, named = await books.session(), await books.session()
    await postgres.pool.execute("UPDATE session SET display_name = 'Jonas' WHERE id = $1", named)
    for session_id in (person.session_id, anonymous, named):
        await settle(books, channel_id, 100, session_id, ACTIVATION)
        await settle(books, other_id, 10_000, session_id)
    answer = await client.get(f"/api/channels/{channel_id}/badges")
    held = by_name(answer.json()["items"])
    assert list(held) == ["First Light", "Front Row"]
    assert held["First Light"]["count"] == 3
    assert [holder["name"] for holder in held["First Light"]["latest"]] == ["Jonas", None, "mara_k"]
    for id_ in (person.user_id, person.session_id, anonymous, named):
        assert str(id_) not in answer.text


async def test_a_name_is_public_once_it_was_paid_for(
    client: httpx2.AsyncClient, books: Books, postgres: Postgres
) -> None:
    channel_id, session_id = await books.channel(), await books.session()
    await settle(books, channel_id, 100, session_id)
    unpaid = await books.contribution(channel_id, TransactionType.CREDIT_PURCHASE, 100, session_id=session_id)
    await postgres.pool.execute("UPDATE contribution SET display_name = 'Mara' WHERE id = $1", unpaid.id)

    async def name() -> str | None:
        held = by_name((await client.get(f"/api/channels/{channel_id}/badges")).json()["items"])
        called: str | None = held["Ticket"]["latest"][0]["name"]
        return called

    assert await name() is None
    await books.settle(unpaid.id)
    assert await name() == "Mara"


async def test_after_a_claim_the_user_holds_what_the_visitor_held(
    client: httpx2.AsyncClient, books: Books, postgres: Postgres
) -> None:
    channel_id = await books.channel()
    session_id = await session_of(client, postgres)
    await settle(books, channel_id, 100, session_id)
    before = by_name((await client.get(f"/api/channels/{channel_id}/badges")).json()["items"])
    await signed_in(postgres, "mara_k", visitor=Identity(session_id=session_id))
    after = by_name((await client.get(f"/api/channels/{channel_id}/badges")).json()["items"])
    assert before["Ticket"]["count"] == after["Ticket"]["count"] == 1
    assert after["Ticket"]["latest"][0]["name"] == "mara_k"


async def test_a_channel_that_is_not_there_has_no_badges(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/api/channels/absent/badges")).status_code == 404


async def test_badges_beside_a_name_are_those_of_this_channel_and_those_of_none(
    books: Books, postgres: Postgres
) -> None:
    channel_id, other_id = await books.channel(), await books.channel()
    person, visitor = await signed_in(postgres, "mara_k"), await books.session()
    await settle(books, channel_id, 100, person.session_id)
    await settle(books, other_id, 1_000, visitor)
    givers = [Giver(user_id=person.user_id), Giver(session_id=visitor), Giver(session_id=await books.session())]
    beside = await BadgeLists(postgres).badges_of(givers, channel_id)
    assert {giver: [badge.name for badge in badges] for giver, badges in beside.items()} == {
        givers[0]: ["First Spark", "Ticket", "Front Row"],
        givers[1]: ["First Spark"],
    }


async def test_contributors_are_listed_with_their_badges(client: httpx2.AsyncClient, books: Books) -> None:
    channel_id = await books.channel()
    await settle(books, channel_id, 100, await books.session())
    (newest, *_) = (await client.get(f"/api/channels/{channel_id}/contributors")).json()["items"]
    assert newest["badges"] == [
        {"name": name, "icon": f"/static/badges.svg#{drawing}"}
        for name, drawing in (("First Spark", "spark"), ("Ticket", "ticket"), ("Front Row", "hexagon"))
    ]
    assert "<title>First Spark</title>" in (await client.get(f"/c/{channel_id}")).text


async def test_the_page_of_all_badges_marks_mine_and_shows_the_way_to_the_others(
    client: httpx2.AsyncClient, books: Books, postgres: Postgres
) -> None:
    session_id, channel_id = await session_of(client, postgres), await books.channel()
    assert "You hold 0 of 10 badges." in (await client.get("/badges")).text
    await settle(books, channel_id, 400, session_id)
    page = (await client.get("/badges")).text
    assert "You hold 3 of 10 badges." in page
    assert "Buy 100 credits for one channel." in page
    assert '<progress value="40" max="100"' in page
    assert "40 of 100 credits on A channel" in page
    assert page.count("Yours since") == 3


async def test_the_channel_s_page_shows_the_badges_that_were_earned_on_it(
    client: httpx2.AsyncClient, books: Books
) -> None:
    channel_id = await books.channel(is_active=False)
    assert "None yet." in (await client.get(f"/c/{channel_id}")).text
    await settle(books, channel_id, 100, await books.session(), ACTIVATION)
    page = (await client.get(f"/c/{channel_id}")).text
    assert "1 fan holds it here" in page
    assert 'role="tooltip"' in page


async def test_text_of_a_badge_is_escaped(client: httpx2.AsyncClient, postgres: Postgres) -> None:
    await postgres.pool.execute("UPDATE badge SET name = '<b>Bold</b>' WHERE icon = 'spark'")
    assert "&lt;b&gt;Bold&lt;/b&gt;" in (await client.get("/badges")).text


async def test_an_icon_that_is_not_drawn_is_a_star(client: httpx2.AsyncClient, postgres: Postgres) -> None:
    await postgres.pool.execute("UPDATE badge SET icon = 'unicorn' WHERE icon = 'spark'")
    items = (await client.get("/api/badges")).json()["items"]
    assert by_name(items)["First Spark"]["badge"]["icon"] == "/static/badges.svg#star"


def test_every_drawing_is_in_the_file() -> None:
    drawn = re.findall(r'<symbol id="([a-z]+)"', Path(ROOT / "static" / "badges.svg").read_text())
    assert sorted(drawn) == sorted(DRAWINGS)
