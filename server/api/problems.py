"""Refusals as HTTP answers: RFC 9457 problem documents for programs.

`code` is the word that the websocket uses too, `retry` says whether the same request may be sent again.
"""

import math
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.responses import Response

from server.domain.errors import Code, Refusal

MEDIA_TYPE = "application/problem+json"

STATUS_OF_CODE = {
    Code.BAD_REQUEST: HTTPStatus.BAD_REQUEST,
    Code.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.UNAUTHORIZED: HTTPStatus.UNAUTHORIZED,
    Code.FORBIDDEN: HTTPStatus.FORBIDDEN,
    Code.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.NO_CREDIT: HTTPStatus.PAYMENT_REQUIRED,
    Code.CHANNEL_PENDING: HTTPStatus.CONFLICT,
    Code.CHANNEL_INACTIVE: HTTPStatus.CONFLICT,
    Code.BUSY: HTTPStatus.CONFLICT,
    Code.LIMIT_REACHED: HTTPStatus.CONFLICT,
    Code.CLOSED: HTTPStatus.CONFLICT,
    Code.TOO_LONG_FOR_REMAINING: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    Code.QUOTA_EXCEEDED: HTTPStatus.TOO_MANY_REQUESTS,
    Code.OVERLOADED: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.PROVIDER_ERROR: HTTPStatus.BAD_GATEWAY,
    Code.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.CONFLICT: HTTPStatus.CONFLICT,
    Code.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem document (RFC 9457): why a request was refused.

    Attributes:
        title: the status in words.
        status: the HTTP status.
        detail: the reason, for people.
        code: the reason, for programs.
        retry: whether the same request may be sent again.
        type: always "about:blank": `code` says more than an address would.
        after: seconds to wait before that; left out when it is not known.
        details: figures that `detail` speaks of; left out when there are none.
        reference: what the log calls this failure; only where the server is to blame.
    """

    title: str
    status: int
    detail: str
    code: Code
    retry: bool
    type: str = "about:blank"
    after: int | None = None
    details: dict[str, Any] | None = None
    reference: str | None = None


def problem_of(refusal: Refusal, *, status: int | None = None, reference: str | None = None) -> Problem:
    """Describe a refusal; `status` replaces the one of its code where HTTP knows a better one, such as 405."""
    chosen = HTTPStatus(status or STATUS_OF_CODE[refusal.code])
    return Problem(
        title=chosen.phrase,
        status=chosen.value,
        detail=refusal.message,
        code=refusal.code,
        retry=refusal.temporary,
        after=None if refusal.after_seconds is None else math.ceil(refusal.after_seconds),
        details=refusal.details or None,
        reference=reference,
    )


def document_of(problem: Problem) -> Response:
    """The problem as JSON; not to be kept by caches."""
    headers = {"cache-control": "no-store"}
    if problem.after is not None:
        headers["retry-after"] = str(problem.after)
    return Response(msgspec.json.encode(problem), problem.status, headers, MEDIA_TYPE)
