"""Query strings as typed values, and typed values as JSON."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Final, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from server.api.cursors import CURSOR_CHARACTERS_MAX
from server.domain.errors import Code, Refusal
from server.domain.pages import PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX

SEARCH_CHARACTERS_MAX: Final = 100

SearchText = Annotated[str, msgspec.Meta(max_length=SEARCH_CHARACTERS_MAX)]

PageLimit = Annotated[int, msgspec.Meta(ge=1, le=PAGE_ITEMS_MAX)]
CursorText = Annotated[str, msgspec.Meta(max_length=CURSOR_CHARACTERS_MAX)]


class ListQuery(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What every list takes.

    Attributes:
        limit: how many items at most.
        cursor: a `nextCursor` or `prevCursor` of the same list; without it, the beginning.
    """

    limit: PageLimit = PAGE_ITEMS_DEFAULT
    cursor: CursorText | None = None


Query = TypeVar("Query", bound=msgspec.Struct)


def read_query(
    request: Request, shape: type[Query], *, only_known: bool = False, left_out: Collection[str] = ()
) -> Query:
    """Read the query string.

    Args:
        request: where it is; an empty value counts as none, as browsers send empty form fields.
        shape: what is asked for.
        only_known: whether names that `shape` does not have are passed over, as pages do for links from elsewhere.
        left_out: names whose values are not looked at.

    Raises:
        Refusal: bad_request: an unknown name, a name given twice, or a value of the wrong kind.
    """
    given: dict[str, str] = {}
    known = {field.encode_name for field in msgspec.structs.fields(shape)}
    for name, value in request.query_params.multi_items():
        if only_known and name not in known:
            continue
        if name in given:
            raise Refusal(Code.BAD_REQUEST, "A name stands twice in the query.")
        if "\0" in value:
            raise Refusal(Code.BAD_REQUEST, "A query may not contain U+0000.")
        if value and name not in left_out:
            given[name] = value
    return convert_query(given, shape)


def convert_query(given: Mapping[str, str], shape: type[Query]) -> Query:
    """Text by its names as typed values.

    Raises:
        Refusal: bad_request: an unknown name, or a value of the wrong kind.
    """
    try:
        query = msgspec.convert(given, shape, strict=False)
    except msgspec.ValidationError as error:
        raise Refusal(Code.BAD_REQUEST, f"The query is not right: {error}.") from error
    for field in msgspec.structs.fields(shape):
        # The word null is text like any other; converted it would be a filter that is not applied.
        if field.encode_name in given and getattr(query, field.name) is None:
            raise Refusal(Code.BAD_REQUEST, f"The query is not right: null is no value of {field.encode_name}.")
    return query


def json_answer(value: Any, *, status: int = 200) -> Response:
    """Encode a Struct; not to be kept by caches, as balances and chats change."""
    return Response(msgspec.json.encode(value), status, {"cache-control": "no-store"}, "application/json")
