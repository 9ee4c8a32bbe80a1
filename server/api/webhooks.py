"""`POST /webhooks/{provider}`: what payment providers tell us."""

from typing import Annotated, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from server.api.operations import Access, Answer, Operation, described
from server.api.queries import json_answer
from server.domain.errors import Code
from server.domain.rates import Action
from server.ledger.payments.payments import Payments

WEBHOOKS_PREFIX: Final = "/webhooks/"
WEBHOOK_BODY_BYTES_MAX: Final = 262_144
"""More than any provider sends: a Stripe event with everything expanded is some 20 KiB."""


class ProviderPath(msgspec.Struct, frozen=True):
    """The path of one payment provider.

    Attributes:
        provider: its name.
    """

    provider: Annotated[str, msgspec.Meta(examples=["stripe"])]


class WebhookAnswer(msgspec.Struct, frozen=True):
    """News was taken and is kept; sending it again changes nothing.

    Attributes:
        received: always true.
    """

    received: bool = True


class WebhookEndpoints:
    """`/webhooks/{provider}`."""

    def __init__(self, payments: Payments) -> None:
        self._payments = payments

    @described(
        Operation(
            "Contributions",
            {200: Answer(shape=WebhookAnswer)},
            path=ProviderPath,
            refusals=(Code.FORBIDDEN, Code.NOT_FOUND, Code.UNAVAILABLE),
            counts_as=Action.WEBHOOKS,
            access=Access.SIGNED,
        )
    )
    async def receive_event(self, request: Request) -> Response:
        """`POST /webhooks/{provider}`: news of a payment, signed by its provider.

        No session and no key: the signature over the raw body says who sends it.
        """
        body = await request.body()
        headers = {name.lower(): value for name, value in request.headers.items()}
        await self._payments.receive(request.path_params["provider"], body, headers)
        return json_answer(WebhookAnswer())
