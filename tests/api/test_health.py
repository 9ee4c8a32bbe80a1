"""`/healthz` says that the process lives, `/readyz` whether to send it requests."""

import httpx2

from server.api.deps import ReadyPart
from tests.api.site import Site

READY = [ReadyPart("postgres", ready=True), ReadyPart("redis", ready=True)]


async def test_health_asks_nobody(client: httpx2.AsyncClient, site: Site) -> None:
    site.parts = [ReadyPart("postgres", ready=False)]
    answer = await client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_ready_when_every_gating_part_is(client: httpx2.AsyncClient, site: Site) -> None:
    site.parts = [*READY, ReadyPart("model", ready=False, gating=False, note="no answer for 12 s")]
    answer = await client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "ready": True,
        "parts": {
            "postgres": {"ready": True, "gating": True},
            "redis": {"ready": True, "gating": True},
            "model": {"ready": False, "gating": False, "note": "no answer for 12 s"},
        },
    }


async def test_not_ready_when_one_gating_part_is_not(client: httpx2.AsyncClient, site: Site) -> None:
    site.parts = [*READY, ReadyPart("model", ready=False, note="never reached")]
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (503, False)
    assert answer.headers["cache-control"] == "no-store"
