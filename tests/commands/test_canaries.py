"""Secrets and texts that were planted everywhere are in no line that a server writes, whatever goes wrong with them."""

import json
from pathlib import Path
from typing import Final

import pytest

from server.auth.api_keys import ApiKeys
from server.domain.users import UserRole
from tests.support.gateways import gateway_process
from tests.support.http_clients import http_client
from tests.support.people import signed_in
from tests.support.socket_client import SocketClient
from tests.support.world import made_world

CANARY: Final = "canary-9f3c71"
ENVIRONMENT: Final = {
    "TALLYLIGHT_SECRET": f"{CANARY}-of-the-server-and-long-enough",
    "TALLYLIGHT_STRIPE_SECRET_KEY": f"sk_test_{CANARY}",
    "TALLYLIGHT_STRIPE_WEBHOOK_SECRETS": f"whsec_{CANARY}-of-stripe",
    "OPENAI_API_KEY": f"sk-{CANARY}",
}
TEXT: Final = {"content-type": "text/plain"}


async def rest(url: str, headers: dict[str, str]) -> None:
    """Everything that a caller can send, most of it refused."""
    async with http_client(url, headers) as http:
        await http.get(f"/c/{CANARY}?q={CANARY}", headers={"x-canary": CANARY, "user-agent": CANARY})
        await http.get(f"/api/channels?q={CANARY}&cursor={CANARY}")
        await http.get(f"/api/chats/{CANARY}")
        await http.get(f"/signin?next=/{CANARY}&trouble={CANARY}")
        await http.get(f"/signin/{CANARY}/callback?code={CANARY}&state={CANARY}")
        await http.get("/api/me/transactions", headers={"authorization": f"Bearer tl_{CANARY}"})
        await http.get("/api/me/transactions", headers={"cookie": f"tallylight_session={CANARY}"})
        for path in ("/api/ws-tickets", "/api/me/keys", "/api/channels/deep-sea-lab/contributions", "/webhooks/stripe"):
            await http.post(path, content=CANARY, headers={"content-type": "application/json"})
            await http.post(path, json={"name": CANARY, "displayName": CANARY, "channel": CANARY, "scopes": ["read"]})
        await http.post("/webhooks/stripe", content=CANARY, headers={"stripe-signature": f"t=1,v1={CANARY}"})


async def chat(client: SocketClient) -> None:
    """A whole answer with the canary in it, and frames that are none."""
    opened = await client.open_chat("deep-sea-lab", f"{CANARY}-0001")
    done = await client.ask(opened["k"], f"{CANARY} [[tokens=5 rate=0 delay_ms=0]]", f"{CANARY}-0002")
    assert done["t"] == "done"
    await client.send_raw(json.dumps({"t": CANARY, "text": CANARY}))
    await client.send_raw(CANARY)
    await client.wait_for(lambda frame: frame["t"] == "err")


@pytest.mark.parametrize("kind", ["development", "production"])
async def test_no_log_holds_what_is_secret_or_said(
    postgres_url: str, redis_url: str, tmp_path: Path, kind: str
) -> None:
    log_path = tmp_path / "log"
    payments = "none" if kind == "production" else "sandbox"
    variables = {**ENVIRONMENT, "TALLYLIGHT_ENV": kind, "TALLYLIGHT_PAYMENTS": payments}
    async with made_world(postgres_url, redis_url) as world:
        _, secret = await ApiKeys(world.postgres).create(CANARY)
        person = await signed_in(world.postgres, "boss", UserRole.ADMIN)
        async with gateway_process(postgres_url, redis_url, environment=variables, log_path=log_path) as gateway:
            await chat(await gateway.connect())
            assert gateway.cookie is not None
            own = {"origin": gateway.url, "idempotency-key": f"{CANARY}-0003"}
            cookie = "; ".join(f"{name}={value}" for name, value in person.cookies.items())
            await rest(gateway.url, own | {"cookie": cookie})
            await rest(gateway.url, own | {"cookie": gateway.cookie})
            await rest(gateway.url, {"authorization": f"Bearer {secret}"})
            async with http_client(gateway.url, {"authorization": f"Bearer {secret}"}) as http:
                ticket = (await http.post("/api/ws-tickets", json={"channel": "deep-sea-lab"})).json()["ticket"]
            planted = [CANARY, ticket, secret, person.token, gateway.cookie.partition("=")[2]]
    log = log_path.read_text("utf-8")
    assert log.count("request") > 40
    assert [word for word in planted if word in log] == []
