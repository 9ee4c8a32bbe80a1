"""What payment providers told and nothing was done about, as admins read it."""

from uuid import UUID

import httpx2
import pytest

from server.auth.cookies import LOOPBACK_NAME
from server.domain.payments import PaymentKind
from server.domain.users import UserRole
from server.ledger.payments.applying import apply_event
from server.ledger.payments.provider import PaymentEvent
from server.storage.postgres import Postgres
from tests.api.test_transactions import walk
from tests.support.people import signed_in
from tests.support.rows import Rows

LIST = "/api/admin/payment-events"
PAGE = "/admin/payment-events"


async def tell(postgres: Postgres, event_id: str, contribution_id: UUID | None = None, cents: int = 700) -> None:
    event = PaymentEvent(
        event_id=event_id,
        type="payment.paid",
        kind=PaymentKind.PAID,
        reference=f"checkout-of-{event_id}",
        contribution_id=contribution_id,
        amount_cents=cents,
        currency="USD",
        payload={"email": "mara@example.com"},
    )
    await postgres.transact(lambda connection: apply_event(connection, "sandbox", event))


@pytest.fixture
async def admin(client: httpx2.AsyncClient, postgres: Postgres) -> httpx2.AsyncClient:
    person = await signed_in(postgres, "ada", UserRole.ADMIN)
    client.cookies.set(LOOPBACK_NAME, person.token)
    return client


@pytest.fixture
async def contribution_id(admin: httpx2.AsyncClient, postgres: Postgres, rows: Rows) -> UUID:
    """A contribution of $7 that is paid."""
    person = await signed_in(postgres, "mara_k")
    await rows.transaction(await rows.channel(), person.identity, cents=700, credits_=70)
    found: UUID = await postgres.pool.fetchval("SELECT id FROM contribution")
    return found


async def test_what_was_not_applied_is_listed_with_the_reason_and_nothing_else(
    admin: httpx2.AsyncClient, postgres: Postgres, contribution_id: UUID
) -> None:
    await tell(postgres, "unknown")
    await tell(postgres, "wrong", contribution_id, 800)
    answer = await admin.get(LIST)
    assert [(item["eventId"], item["problem"], item["waiting"]) for item in answer.json()["items"]] == [
        ("wrong", "AMOUNT_DIFFERS", False),
        ("unknown", "UNKNOWN_REFERENCE", True),
    ]
    wrong = answer.json()["items"][0]
    assert (wrong["contributionId"], wrong["amount"], wrong["reference"]) == (
        str(contribution_id),
        800,
        "checkout-of-wrong",
    )
    assert "Nothing was credited" in wrong["explanation"]
    assert "mara" not in answer.text


@pytest.mark.parametrize(("waiting", "listed"), [("true", ["unknown"]), ("false", ["wrong"])])
async def test_what_waits_can_be_told_from_what_is_to_look_at(
    admin: httpx2.AsyncClient, postgres: Postgres, contribution_id: UUID, waiting: str, listed: list[str]
) -> None:
    await tell(postgres, "unknown")
    await tell(postgres, "wrong", contribution_id, 800)
    assert [item["eventId"] for item in (await admin.get(f"{LIST}?waiting={waiting}")).json()["items"]] == listed


async def test_the_pages_of_the_list_hold_each_one_once(admin: httpx2.AsyncClient, postgres: Postgres) -> None:
    for number in range(5):
        await tell(postgres, f"event-{number}")
    seen = [item["eventId"] async for page in walk(admin, f"{LIST}?limit=2") for item in page["items"]]
    assert seen == [f"event-{number}" for number in reversed(range(5))]


async def test_a_cursor_is_of_its_filter(admin: httpx2.AsyncClient, postgres: Postgres) -> None:
    for number in range(2):
        await tell(postgres, f"event-{number}")
    cursor = (await admin.get(f"{LIST}?limit=1&waiting=true")).json()["nextCursor"]
    assert (await admin.get(f"{LIST}?cursor={cursor}")).status_code == 400


async def test_the_page_shows_what_is_to_look_at_and_leads_to_what_waits(
    admin: httpx2.AsyncClient, postgres: Postgres, contribution_id: UUID
) -> None:
    assert "Nothing." in (await admin.get(PAGE)).text
    await tell(postgres, "unknown")
    await tell(postgres, "wrong", contribution_id, 800)
    page = (await admin.get(PAGE)).text
    assert "The amount is not the contribution" in page
    assert f"contribution {contribution_id}" in page
    assert "$8" in page
    assert "checkout-of-unknown" not in page
    assert "checkout-of-unknown" in (await admin.get(f"{PAGE}?waiting=true")).text


async def test_the_page_is_for_admins(client: httpx2.AsyncClient) -> None:
    assert (await client.get(PAGE)).status_code == 401
    await client.get("/")
    assert (await client.get(PAGE)).status_code == 403
