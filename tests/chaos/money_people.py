"""Who moves money in the chaos of money, and what each of them was told: all of it must be so afterwards."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar
from uuid import UUID

import httpx2
from websockets.exceptions import WebSocketException

from server.auth.cookies import LOOPBACK_NAME
from server.auth.sessions import SessionLimits, Sessions
from server.domain.errors import Code, Refusal
from server.domain.payments import PaymentKind
from server.domain.users import UserRole
from server.ledger.payments.sandbox import SIGNATURE_HEADER, Payment, Sandbox
from server.storage.ids import new_id
from server.storage.outages import is_outage
from server.storage.postgres import Postgres
from tests.chaos.fleet import Browser, Fleet
from tests.support.forked_gateways import ORIGIN
from tests.support.gateways import SECRET
from tests.support.people import signed_in
from tests.support.rows import Rows

T = TypeVar("T")
CHANNELS: Final = ("deep-sea-lab", "night-kitchen")
OUTCOMES: Final = ("pay", "pay", "pay", "twice", "fail", "later")
LOST: Final = (OSError, TimeoutError, WebSocketException, AssertionError)
"""How a chat ends whose gateway was killed; the test's client fails an assertion when its connection is gone."""


@dataclass
class Told:
    """What was acknowledged.

    Attributes:
        contributions: id → amount of those that were answered 201.
        paid: those whose checkout said that they are paid.
        messages: (chat, message) of those that were answered `ok`.
        reversals: id → (what it reverses, amount) of those that were answered 201.
        claims: session → user of those who signed in.
        refunds: contribution → cents, of those whose news was taken.
    """

    contributions: dict[UUID, int] = field(default_factory=dict)
    paid: set[UUID] = field(default_factory=set)
    messages: set[tuple[UUID, UUID]] = field(default_factory=set)
    reversals: dict[UUID, tuple[UUID, int]] = field(default_factory=dict)
    claims: dict[UUID, UUID] = field(default_factory=dict)
    refunds: dict[UUID, int] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)


@dataclass
class People:
    """Everybody.

    Attributes:
        postgres: straight to the database.
        node: through the proxy, as a third node: it signs people in.
    """

    fleet: Fleet
    postgres: Postgres
    node: Postgres
    http: httpx2.AsyncClient
    until_seconds: float
    told: Told = field(default_factory=Told)

    async def give(self, rng: random.Random) -> None:
        """A visitor contributes, pays, and at some point signs in, while the money is on its way."""
        sessions = Sessions(self.node, SessionLimits())
        identity, token = await persistently(sessions.create_visitor)
        browser = self._browser(rng, token)
        signs_in_after = rng.randint(1, 4)
        for number in range(1, 6):
            if self._is_over():
                return
            contribution_id = await self._contribute(browser, rng)
            if contribution_id is None:
                continue
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pay(browser, rng, contribution_id))
                if number == signs_in_after:
                    token = await both.create_task(self._sign_in(sessions, identity.session_id))
            browser = self._browser(rng, token)

    async def _sign_in(self, sessions: Sessions, session_id: UUID) -> str:
        user_id = await persistently(lambda: Rows(self.postgres).user(f"fan_{new_id().hex}"))
        done = await persistently(lambda: sessions.sign_in(session_id, user_id))
        assert not done.is_fresh
        self.told.claims[session_id] = user_id
        return done.token

    async def _contribute(self, browser: Browser, rng: random.Random) -> UUID | None:
        amount = rng.choice((100, 150, 333, 1_000))
        wish = {"type": "ACTIVATION" if rng.random() < 0.3 else "CREDIT_PURCHASE", "amount": amount}
        path = f"/api/channels/{rng.choice(CHANNELS)}/contributions"
        answer = await browser.persist(path, key=new_id().hex, json=wish)
        if answer.status_code != 201:
            self._note(answer)
            return None
        contribution_id = UUID(answer.json()["contribution"]["id"])
        self.told.contributions[contribution_id] = amount
        return contribution_id

    async def _pay(self, browser: Browser, rng: random.Random, contribution_id: UUID) -> None:
        outcome = rng.choice(OUTCOMES)
        answer = await browser.persist(f"/checkout/{contribution_id}", form={"outcome": outcome})
        assert answer.status_code == 303, (answer.status_code, answer.text)
        if outcome in {"pay", "twice"}:
            self.told.paid.add(contribution_id)

    async def chat(self, rng: random.Random) -> None:
        """A visitor asks one question; who loses the socket comes back with the same ids until it is answered."""
        _, token = await persistently(Sessions(self.node, SessionLimits()).create_visitor)
        while not self._is_over():
            try:
                if await self._ask(rng, f"{LOOPBACK_NAME}={token}"):
                    return
            except LOST:
                await asyncio.sleep(0.1)

    async def _ask(self, rng: random.Random, cookie: str) -> bool:
        client = await rng.choice(self.fleet.alive).connect(cookie)
        try:
            opened = await client.open_chat("deep-sea-lab", "open-0001")
            text = "Who wins tonight? [[tokens=3 delay_ms=0 rate=0]]"
            reply = await client.call("send", k=opened["k"], idem="send-0001", text=text)
            if reply["t"] == "ok":
                self.told.messages.add((UUID(opened["chat"]), UUID(reply["msg"])))
                return True
            return not reply["retry"]
        finally:
            client.abort()

    async def administer(self, rng: random.Random) -> None:
        """An admin takes back what somebody gave, whole or in part."""
        name = f"admin_{new_id().hex}"
        admin = await persistently(lambda: signed_in(self.postgres, name, UserRole.ADMIN))
        browser = self._browser(rng, admin.token)
        while not self._is_over():
            found = await persistently(
                lambda: self.postgres.pool.fetchrow(
                    'SELECT id, amount_cents FROM "transaction" WHERE reverses_id IS NULL ORDER BY random() LIMIT 1'
                )
            )
            assert found is not None
            amount = rng.choice((None, max(1, found["amount_cents"] // 3)))
            answer = await browser.persist(
                f"/api/admin/transactions/{found['id']}/reversal",
                key=new_id().hex,
                json={"reason": "chaos", "amount": amount},
            )
            if answer.status_code == 201:
                told = answer.json()
                self.told.reversals[UUID(told["id"])] = (found["id"], told["amount"])
            else:
                self._note(answer)
            await asyncio.sleep(rng.random() * 0.5)

    async def refund(self, rng: random.Random) -> None:
        """The provider gives back what somebody paid, whole or in part, and tells it twice."""
        await asyncio.sleep(rng.random())
        left = sorted(self.told.paid - self.told.refunds.keys())
        if not left:
            return
        contribution_id = rng.choice(left)
        amount = self.told.contributions[contribution_id]
        cents = rng.choice((amount, max(1, amount // 2)))
        provider, browser = Sandbox(self.postgres, SECRET.encode(), ORIGIN), self._browser(rng, "none")
        payment = Payment(contribution_id, amount, "USD")
        body = provider.body(payment, PaymentKind.REFUNDED, refunded_cents=cents)
        for _ in range(2):
            headers = {"content-type": "application/json", SIGNATURE_HEADER: provider.sign(body)}
            answer = await browser.persist(f"/webhooks/{provider.name}", content=body, headers=headers)
            assert answer.status_code == 200, answer.text
        self.told.refunds[contribution_id] = cents

    async def again_and_again(self, act: Callable[[random.Random], Awaitable[None]], rng: random.Random) -> None:
        while not self._is_over():
            await act(rng)

    def _is_over(self) -> bool:
        return time.monotonic() >= self.until_seconds

    def _browser(self, rng: random.Random, token: str) -> Browser:
        return Browser(self.fleet, rng, self.http, f"{LOOPBACK_NAME}={token}")

    def _note(self, answer: httpx2.Response) -> None:
        """A refusal that stays: what was asked for is not there (any more)."""
        assert answer.status_code < 500, answer.text
        self.told.refused[answer.json()["code"]] += 1


async def persistently(work: Callable[[], Awaitable[T]]) -> T:
    """Do it until Postgres is there."""
    while True:
        try:
            return await work()
        except Refusal as refusal:
            if refusal.code is not Code.UNAVAILABLE:
                raise
        except Exception as error:
            if not is_outage(error):
                raise
        await asyncio.sleep(0.1)
