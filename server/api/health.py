"""Whether the process lives, and whether it should be sent requests."""

import asyncio
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from server.api.deps import Readiness, ReadyPart
from server.api.operations import Answer, Operation, described
from server.api.queries import json_answer

READINESS_TIMEOUT_SECONDS: Final = 5.0
"""The parts keep time themselves; this is for one that does not."""


class PartAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """One part of a server.

    Attributes:
        ready: whether it works.
        gating: whether the server is not ready without it; trouble of the others is only told.
        note: a few words for people; absent: nothing to say.
    """

    ready: bool
    gating: bool
    note: str | None = None


class ReadinessAnswer(msgspec.Struct, frozen=True):
    """Whether the server should be sent requests.

    Attributes:
        ready: whether every gating part is.
        parts: each by its name, such as `postgres`.
    """

    ready: bool
    parts: dict[str, PartAnswer]


class HealthAnswer(msgspec.Struct, frozen=True):
    """The process lives and its event loop turns.

    Attributes:
        status: always "ok".
    """

    status: str = "ok"


class HealthEndpoints:
    """`/healthz` and `/readyz`."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness

    @described(Operation("Operation", {200: Answer(shape=HealthAnswer)}))
    async def healthz(self, _request: Request) -> Response:
        """`GET /healthz`: always 200; it asks nobody."""
        return json_answer(HealthAnswer())

    @described(
        Operation(
            "Operation",
            {200: Answer("Ready.", ReadinessAnswer), 503: Answer("Not ready; the parts say why.", ReadinessAnswer)},
        )
    )
    async def readyz(self, _request: Request) -> Response:
        """`GET /readyz`: 200 when every gating part is ready, else 503, with each part in words."""
        try:
            async with asyncio.timeout(READINESS_TIMEOUT_SECONDS):
                parts = await self._readiness()
        except TimeoutError:
            parts = [ReadyPart("answer", ready=False, note=f"none within {READINESS_TIMEOUT_SECONDS:g} s")]
        ready = all(part.ready for part in parts if part.gating)
        told = {part.name: PartAnswer(part.ready, part.gating, part.note) for part in parts}
        return json_answer(ReadinessAnswer(ready, told), status=200 if ready else 503)
