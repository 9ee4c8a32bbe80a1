"""A server that speaks Stripe's HTTP as far as it is used here: it checks what it is asked, and signs what it tells."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from stripe import WebhookSignature

from server.serving import listen

KEY, SECRET = "sk_test_of_the_tests", "whsec_of_the_tests"
Json = dict[str, Any]


@dataclass
class FakeStripe:
    """An account.

    Attributes:
        url: of its API.
        sessions: by id.
        asked: the form of every session that was asked for.
        failures: statuses that the next requests are answered with; 0 breaks the connection.
        requests: how many came.
    """

    url: str = ""
    sessions: dict[str, Json] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    requests: int = 0
    _by_key: dict[str, tuple[dict[str, str], Json]] = field(default_factory=dict)

    async def create(self, request: Request) -> Response:
        if refusal := self._refuse(request):
            return refusal
        key = request.headers.get("idempotency-key", "")
        if not key or request.headers["content-type"] != "application/x-www-form-urlencoded":
            return _error(400, "invalid_request_error", "no key, or no form")
        form = dict(parse_qsl((await request.body()).decode(), strict_parsing=True))
        self.asked.append(form)
        if key in self._by_key:
            asked, session = self._by_key[key]
            same = asked == form
            return JSONResponse(session) if same else _error(400, "idempotency_error", "other parameters")
        session = self._make(form)
        self._by_key[key] = form, dict(session)
        return JSONResponse(session)

    def _make(self, form: dict[str, str]) -> Json:
        number = len(self.sessions) + 1
        session: Json = {
            "id": f"cs_test_{number}",
            "object": "checkout.session",
            "status": "open",
            "payment_status": "unpaid",
            "amount_total": int(form["line_items[0][price_data][unit_amount]"]),
            "currency": form["line_items[0][price_data][currency]"],
            "payment_intent": None,
            "metadata": {"contribution_id": form["metadata[contribution_id]"]},
            "url": f"https://checkout.stripe.example/c/pay/cs_test_{number}",
        }
        self.sessions[session["id"]] = session
        return session

    async def retrieve(self, request: Request) -> Response:
        if refusal := self._refuse(request):
            return refusal
        session = self.sessions.get(request.path_params["id"])
        if session is None:
            return _error(404, "invalid_request_error", "No such checkout.session", "resource_missing")
        expanded = dict(session)
        if session["payment_intent"] and request.query_params.get("expand[0]") == "payment_intent":
            expanded["payment_intent"] = {"id": session["payment_intent"], "status": session.get("intent_status", "")}
        return JSONResponse(expanded)

    def _refuse(self, request: Request) -> Response | None:
        self.requests += 1
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return _error(401, "invalid_request_error", f"Invalid API Key provided: {KEY}")
        if self.failures:
            status = self.failures.pop(0)
            if status == 0:
                return Response(headers={"content-length": "100"})  # less comes: uvicorn cuts the connection
            return _error(status, "api_error", "broken on purpose")
        return None

    def move(self, session_id: str, status: str, payment_status: str, intent_status: str = "succeeded") -> Json:
        """Let a session come to this; returns it as webhooks show it."""
        session = self.sessions[session_id]
        session |= {"status": status, "payment_status": payment_status, "intent_status": intent_status}
        if status == "complete":
            session["payment_intent"] = f"pi_of_{session_id}"
        return {name: value for name, value in session.items() if name != "intent_status"}


def told(word: str, subject: Json, event_id: str = "evt_1") -> bytes:
    """A webhook's body."""
    event = {"id": event_id, "object": "event", "type": word, "livemode": False, "data": {"object": subject}}
    return json.dumps(event).encode()


def signed(body: bytes, secret: str = SECRET, at_seconds: float | None = None) -> dict[str, str]:
    """Its headers, signed by Stripe's own library."""
    at = int(time.time() if at_seconds is None else at_seconds)
    return {"stripe-signature": WebhookSignature.generate_signature_header(body.decode(), secret, at)}


def refunded(session_id: str, cents: int, name: str = "re_1", status: str = "succeeded") -> Json:
    """A refund, as Stripe shows it: by its payment intent alone."""
    return {
        "id": name,
        "object": "refund",
        "amount": cents,
        "currency": "usd",
        "payment_intent": f"pi_of_{session_id}",
        "charge": "ch_1",
        "status": status,
        "metadata": {},
    }


@contextlib.asynccontextmanager
async def fake_stripe() -> AsyncIterator[FakeStripe]:
    """Run it on a free port."""
    account = FakeStripe()
    app = Starlette(
        routes=[
            Route("/v1/checkout/sessions", account.create, methods=["POST"]),
            Route("/v1/checkout/sessions/{id}", account.retrieve),
        ]
    )
    listener = listen("127.0.0.1", 0)
    account.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server._serve([listener]))
        try:
            yield account
        finally:
            server.should_exit = True
            await serving


def _error(status: int, kind: str, message: str, code: str | None = None) -> Response:
    return JSONResponse({"error": {"type": kind, "message": message, "code": code}}, status)
