"""The webhook's route: nothing counts but a signature of now over the raw bytes, and nothing is written without it."""

from typing import Any
from uuid import UUID

import httpx2
import pytest
from structlog.testing import capture_logs

from server.api.body_limit import REQUEST_BODY_BYTES_MAX
from server.api.webhooks import WEBHOOK_BODY_BYTES_MAX
from server.domain.payments import PaymentKind
from server.domain.transactions import TransactionType
from server.ledger.payments.sandbox import SIGNATURE_HEADER, Payment, Sandbox
from server.ledger.payments.signatures import TOLERANCE_SECONDS
from server.storage.postgres import Postgres
from tests.api.site import CURSOR_SECRET, PORT
from tests.ledger.books import Books

NOW = 1_795_000_000
OWN_URL = f"http://127.0.0.1:{PORT}"


@pytest.fixture
def books(postgres: Postgres) -> Books:
    return Books(postgres)


@pytest.fixture
def sandbox(postgres: Postgres) -> Sandbox:
    """The one of the site: it has the same secret."""
    return Sandbox(postgres, CURSOR_SECRET, OWN_URL)


@pytest.fixture
async def payment(books: Books) -> Payment:
    channel_id = await books.channel()
    new = await books.contribution(channel_id, TransactionType.CREDIT_PURCHASE, 500)
    return Payment(new.id, 500, "USD")


async def post(client: httpx2.AsyncClient, body: bytes, signature: str | None, provider: str = "sandbox") -> Any:
    headers = {} if signature is None else {SIGNATURE_HEADER: signature}
    return await client.post(f"/webhooks/{provider}", content=body, headers=headers)


async def written(books: Books, contribution_id: UUID) -> tuple[str, int]:
    """The contribution's status, and how many events there are."""
    pool = books.postgres.pool
    status = await pool.fetchval("SELECT status FROM contribution WHERE id = $1", contribution_id)
    return status, await pool.fetchval("SELECT count(*) FROM provider_event")


async def test_a_signed_payment_is_credited_once(
    client: httpx2.AsyncClient, books: Books, sandbox: Sandbox, payment: Payment
) -> None:
    body = sandbox.body(payment, PaymentKind.PAID)
    for _ in range(2):
        answer = await post(client, body, sandbox.sign(body))
        assert (answer.status_code, answer.json()) == (200, {"received": True})
    assert await written(books, payment.contribution_id) == ("SETTLED", 1)
    await books.assert_clean()


async def test_a_signature_that_is_not_right_writes_nothing(
    client: httpx2.AsyncClient, books: Books, sandbox: Sandbox, payment: Payment
) -> None:
    body = sandbox.body(payment, PaymentKind.PAID)
    good = sandbox.sign(body)
    foreign = Sandbox(books.postgres, b"the secret of another installation", OWN_URL).sign(body)
    at = int(good.split(",")[0].removeprefix("t="))
    wrong = (
        (body, None),
        (body, "t=1,v1=00"),
        (body, foreign),
        (body, sandbox.sign(body, at_seconds=at - TOLERANCE_SECONDS - 60)),
        (body, sandbox.sign(body, at_seconds=at + TOLERANCE_SECONDS + 60)),
        (body + b"\n", good),
        (body.replace(b"500", b"900"), good),
        (b"", good),
    )
    for sent, signature in wrong:
        answer = await post(client, sent, signature)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (sent, signature)
    assert await written(books, payment.contribution_id) == ("CREATED", 0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"id":"a"}',
        b"[" * 100_000,
        b'{"id":"a","type":"payment.unheard","payment":"b","charge":"c","contribution":"d","amount":1,"currency":"USD"}',
        b'{"id":"a","type":"payment.refunded","payment":"b","charge":"c","contribution":"d","amount":1,"currency":"USD"}',
        b'{"id":"a b","type":"payment.paid","payment":"b","charge":"c","contribution":"d","amount":1,"currency":"USD"}',
        b'{"id":"a","type":"payment.paid","payment":"b","charge":"c","contribution":"d","amount":1.5,"currency":"USD"}',
        b'{"id":"a","type":"payment.paid","payment":"b","charge":"c","contribution":"d","amount":-1,"currency":"USD"}',
    ],
)
async def test_what_is_signed_and_no_event_is_refused(
    client: httpx2.AsyncClient, books: Books, sandbox: Sandbox, body: bytes
) -> None:
    answer = await post(client, body, sandbox.sign(body))
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert await books.postgres.pool.fetchval("SELECT count(*) FROM provider_event") == 0


@pytest.mark.parametrize("provider", ["stripe", "nobody", "SANDBOX", "%00"])
async def test_an_unknown_provider_is_not_found(client: httpx2.AsyncClient, sandbox: Sandbox, provider: str) -> None:
    answer = await post(client, b"{}", sandbox.sign(b"{}"), provider)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_body_of_the_limit_is_read_and_one_byte_more_is_not(
    client: httpx2.AsyncClient, sandbox: Sandbox
) -> None:
    assert WEBHOOK_BODY_BYTES_MAX > REQUEST_BODY_BYTES_MAX
    body = b" " * WEBHOOK_BODY_BYTES_MAX
    assert (await post(client, body, sandbox.sign(body))).json()["code"] == "bad_request"
    for size in (WEBHOOK_BODY_BYTES_MAX + 1, 1_048_576):
        answer = await post(client, b" " * size, sandbox.sign(b" " * size))
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_other_routes_keep_their_limit(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/api/ws-tickets", content=b" " * (REQUEST_BODY_BYTES_MAX + 1))
    assert answer.json()["code"] == "too_large"


async def test_an_amount_that_differs_is_kept_for_the_admin_and_credits_nothing(
    client: httpx2.AsyncClient, books: Books, sandbox: Sandbox, payment: Payment
) -> None:
    body = sandbox.body(Payment(payment.contribution_id, 50_000, "USD"), PaymentKind.PAID)
    assert (await post(client, body, sandbox.sign(body))).status_code == 200
    assert await written(books, payment.contribution_id) == ("CREATED", 1)
    problem = await books.postgres.pool.fetchval("SELECT problem FROM provider_event WHERE applied_at IS NULL")
    assert problem == "AMOUNT_DIFFERS"


async def test_while_postgres_is_away_the_provider_is_told_to_come_again(
    client: httpx2.AsyncClient, postgres: Postgres, sandbox: Sandbox, payment: Payment
) -> None:
    body = sandbox.body(payment, PaymentKind.PAID)
    await postgres.close()
    answer = await post(client, body, sandbox.sign(body))
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


async def test_news_that_is_signed_and_cannot_be_read_is_an_error_in_the_log(
    client: httpx2.AsyncClient, sandbox: Sandbox
) -> None:
    body = b'{"id":"evt_1","type":"payment.paid"}'
    with capture_logs() as logged:
        answer = await post(client, body, sandbox.sign(body))
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    [error] = [entry for entry in logged if entry["log_level"] == "error"]
    assert (error["event"], error["provider"]) == ("payment_event_not_read", "sandbox")
    assert "payment" in error["problem"]
