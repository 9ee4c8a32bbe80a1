"""A visitor who signs in while their payment settles: whichever comes first, all of it is the user's."""

import asyncio

from server.auth.sessions import SessionLimits, Sessions
from tests.support.gateways import LocalGateway
from tests.support.http_clients import http_client
from tests.support.rows import Rows
from tests.support.waiting import eventually
from tests.support.world import World

ROUNDS = 20


async def test_a_contribution_that_settles_during_the_claim_is_the_users(gateway: LocalGateway, world: World) -> None:
    sessions, rows, pool = Sessions(world.postgres, SessionLimits()), Rows(world.postgres), world.postgres.pool
    for number in range(ROUNDS):
        visitor, token = await sessions.create_visitor()
        user_id = await rows.user(f"mara-{number}")
        async with http_client(gateway.url) as http:
            http.cookies["tallylight_session"] = token
            http.headers["origin"] = gateway.url
            made = await http.post(
                "/api/channels/deep-sea-lab/contributions",
                json={"type": "CREDIT_PURCHASE", "amount": 300},
                headers={"idempotency-key": f"contribution-{number}"},
            )
            assert made.status_code == 201
            contribution_id = made.json()["contribution"]["id"]
            paid, signed_in = await asyncio.gather(
                http.post(f"/checkout/{contribution_id}", data={"outcome": "pay"}),
                sessions.sign_in(visitor.session_id, user_id),
            )
        assert paid.status_code == 303
        assert signed_in.identity.user_id == user_id

        async def settled_for_whom(contribution_id: str = contribution_id) -> object:
            return await pool.fetchval(
                'SELECT coalesce(user_id, session_id) FROM "transaction" WHERE contribution_id = $1', contribution_id
            )

        await eventually(settled_for_whom)
        assert await settled_for_whom() == user_id
        assert await pool.fetchval("SELECT count(*) > 0 FROM user_badge WHERE user_id = $1", user_id)
    await world.check_ledger()
