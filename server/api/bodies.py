"""JSON bodies as typed values."""

from typing import TypeVar

import msgspec
from starlette.requests import Request

from server.domain.errors import Code, Refusal

MEDIA_TYPE = "application/json"

Body = TypeVar("Body", bound=msgspec.Struct)


async def read_body(request: Request, shape: type[Body]) -> Body:
    """Read the body of a request; its length was checked before.

    Raises:
        Refusal: bad_request: no JSON, an unknown field, or a value of the wrong kind.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != MEDIA_TYPE:
        raise Refusal(Code.BAD_REQUEST, f"The body is to be {MEDIA_TYPE}.")
    try:
        return msgspec.json.decode(await request.body(), type=shape)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refusal(Code.BAD_REQUEST, f"The body is not right: {error}.") from error
